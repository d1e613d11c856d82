import type { CheckpointNodeWriter } from '../kube/checkpoint-nodes.ts';
import type { EventSink } from '../kube/events.ts';
import type { Log, PodLookup } from '../kube/types.ts';
import type { Audit } from '../observe/audit.ts';
import type { CollectorMetrics } from '../observe/metrics.ts';
import type { PolicySource } from '../source/source.ts';
import type { DoorArchives } from './door/archives/open.ts';
import type { DoorOptions } from './door/main.ts';
import type { ReadingsStore } from './inventory/readings-file.ts';
import type { SchedulePart } from './schedule/main.ts';
import type { Clock } from './system/clock.ts';
import type { FileSystem } from './system/files.ts';
import type { StateStore } from './system/state.ts';
import type { ProgressWatcher } from './telling/progress.ts';

/** What a door needs that its collector does not have: who asks, where pods are, the kubelet. */
export type DoorPart = Pick<
  DoorOptions,
  'listen' | 'certificates' | 'clientAuthority' | 'authenticator' | 'authorizer' | 'pods' | 'kubelet'
> & {
  /** Whom the archives are told of, and who may act on them in others' names; absent: nobody. */
  readonly archives?: Pick<DoorArchives, 'rights' | 'authenticator'>;
};

export interface CollectorOptions {
  /** Absolute. */
  readonly directory: string;
  /** Names of archives; default the kubelet's, `checkpoint-*.tar`. */
  readonly patterns?: readonly string[];
  readonly source: PolicySource;
  /** Look-ups at the API server; null where there is none, and then nothing is an orphan. */
  readonly pods: PodLookup | null;
  /** Policies come from files: one for the kubelet's directory acts here too. Default false. */
  readonly lenientDirectory?: boolean;
  /** Decide and tell, and change nothing. */
  readonly dryRun: boolean;
  /** For audit records. */
  readonly nodeName?: string;
  /**
   * Where waiting periods and confirmations are kept, so that they outlive the process, and a lock. Without it each
   * start is the first one.
   */
  readonly stateDirectory?: string;
  /**
   * Where collectors with different state directories, or none, find one another; null: nowhere. Default:
   * `checkpoint-warden` in `/run`, or for another user than root in `XDG_RUNTIME_DIR`.
   */
  readonly lockDirectory?: string | null;
  /** Where waiting periods and confirmations are kept instead, for tests. */
  readonly state?: StateStore;
  readonly log: Log;
  /** Default: none. */
  readonly audit?: Audit;
  readonly metrics?: CollectorMetrics;
  /** Digests of plans that the circuit breaker may let through. */
  readonly confirm?: readonly string[];
  /** Opens the node's door. It needs a state directory and the node's name, and is closed to a dry run. */
  readonly door?: DoorPart;
  /** Takes the checkpoints that schedules ask for, through the door; absent, or without a door: nobody does. */
  readonly schedules?: SchedulePart;
  /** Writes what the collector sees into the node's object; absent: nowhere. */
  readonly nodeObject?: CheckpointNodeWriter;
  /** Where pods and policies are told, as Events, what becomes of archives and requests; absent: nowhere. */
  readonly events?: EventSink;
  /** It ends with its work, and lives to see no next checkpoint that a policy could wait for. Default false. */
  readonly isSingleRun?: boolean;
  /** Milliseconds between scans; default 60,000. Where a scan takes long, up to five times that. */
  readonly rescanMs?: number;
  /** Milliseconds between look-ups of pods that were never looked up; default 1,000. */
  readonly lookUpsApartMs?: number;
  readonly clock?: Clock;
  readonly files?: FileSystem;
  /** What was read of archives, for the next start; default a file in the state directory. */
  readonly readings?: ReadingsStore;
  /** Is told how far the first scan is; the log says it every few seconds all the same. */
  readonly progress?: ProgressWatcher;
  /** Told that a scan begins, or is over, which fills the heap with what will stay: for whoever keeps it small. */
  readonly onFilling?: (isFilling: boolean) => void;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
}
