import type { DecisionRule } from './types.ts';

/*
 * Archives as objects of the cluster: what the aggregated API shows. Nothing of it is stored; each object is made of
 * what a node's collector sees.
 */

export const CHECKPOINT_API = {
  group: 'checkpoint.criu.org',
  version: 'v1alpha1',
  groupVersion: 'checkpoint.criu.org/v1alpha1',
  kind: 'Checkpoint',
  listKind: 'CheckpointList',
  plural: 'checkpoints',
  singular: 'checkpoint',
  shortName: 'ckpt',
} as const;

/** The label that says, and sets, that an archive is held against every deletion. */
export const PINNED_LABEL = 'checkpoint.criu.org/pinned';

/** What the plan of the node says of an archive at the moment of reading. */
export interface CheckpointVerdict {
  readonly action: 'keep' | 'delete';
  readonly rule: DecisionRule;
  readonly reason: string;
}

export interface CheckpointSpec {
  readonly podName: string;
  readonly containerName: string;
  readonly nodeName: string;
  /** Of a request alone; absent: the kubelet's own. */
  readonly timeoutSeconds?: number;
}

export interface CheckpointStatus {
  /** File name in the directory of the node. */
  readonly archive: string;
  readonly sizeBytes: number;
  /** When it was last written to, RFC 3339. */
  readonly createdAt: string;
  /** `containerd`, `cri-o` or another; absent where the archive does not tell. */
  readonly runtime?: string;
  /** `namespace/shop`; absent where no policy governs it. */
  readonly policy?: string;
  /** Absent while the node does not know its policies. */
  readonly verdict?: CheckpointVerdict;
  readonly pinned: boolean;
  /** It has bytes behind its end marker, possibly another tenant's memory. */
  readonly tainted: boolean;
}

/** `checkpoint.criu.org/v1alpha1` `Checkpoint`. */
export interface Checkpoint {
  readonly apiVersion: typeof CHECKPOINT_API.groupVersion;
  readonly kind: typeof CHECKPOINT_API.kind;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: CheckpointSpec;
  readonly status: CheckpointStatus;
}
