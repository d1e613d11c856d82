import { checkpointIn, type ListedCheckpoint } from '../../../kube/checkpoints.ts';
import { checkpointOf } from '../../../policy/listed-archive.ts';

export const NOW = Date.parse('2026-11-21T12:00:00Z');

interface Parts {
  readonly name?: string;
  readonly namespace?: string;
  readonly pod?: string;
  readonly container?: string;
  readonly node?: string;
  readonly bytes?: number;
  /** Minutes. */
  readonly old?: number;
  readonly policy?: string | null;
  readonly verdict?: 'keep' | 'count' | null;
  readonly pinned?: boolean;
  readonly tainted?: boolean;
  readonly version?: number;
}

/** The object of an archive, made as the gateway makes it. */
export function objectOf(parts: Parts = {}): object {
  const { name = 'cart-1', namespace = 'shop', pod = 'cart', container = 'main', node = 'node1' } = parts;
  const { bytes = 1024, old = 5, policy = 'namespace/shop', verdict = 'keep', version = 1 } = parts;
  const archive = {
    ...{ name, namespace, pod, container, bytes, policy, version },
    ...{ uid: `uid-${name}`, file: `checkpoint-${name}.tar`, runtime: 'containerd' },
    modifiedAt: NOW - old * 60_000,
    pinned: parts.pinned === true,
    tainted: parts.tainted === true,
    verdict:
      verdict === null
        ? null
        : verdict === 'keep'
          ? ({ action: 'keep', rule: 'none', reason: 'is within the limits' } as const)
          : ({ action: 'delete', rule: 'count', reason: 'is one too many' } as const),
  };
  return checkpointOf(archive, node);
}

/** As the plugin reads it. */
export function archive(parts: Parts = {}): ListedCheckpoint {
  return checkpointIn(objectOf(parts));
}
