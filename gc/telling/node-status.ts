import type { Holding } from '../../policy/apart.ts';
import type { JsonObject } from '../../policy/json.ts';
import {
  LONGEST_COMPLAINT,
  MOST_COMPLAINTS,
  MOST_NAMESPACES,
  MOST_POLICIES,
} from '../../policy/node-schema.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Disk, Instant } from '../../policy/types.ts';
import type { Totals } from '../inventory/inventory.ts';
import type { PolicySight } from './policy-sight.ts';

/** What a node's object is made of. */
export interface NodeSight {
  readonly totals: Totals;
  /** What stands still and names a namespace. */
  readonly namespaces: Iterable<Holding & { readonly namespace: string }>;
  readonly disk: Disk | null;
  readonly reservedBytes: number;
  readonly deletions: number;
  readonly evictions: number;
  readonly errors: number;
  /** Policies that wait for confirmation. */
  readonly waiting: number;
  /** Sentences, the gravest first. */
  readonly complaints: readonly string[];
  /** Null before the first whole look. */
  readonly scannedAt: Instant | null;
  /** Null where policies come from files, or are not known yet. */
  readonly policies: PolicySight | null;
}

/** The status of a CheckpointNode. */
export function nodeStatus(sight: NodeSight): JsonObject {
  const { totals, disk, scannedAt, complaints } = sight;
  return {
    archives: totals.archives,
    bytes: totals.bytes,
    size: formatBytes(totals.bytes),
    pinned: totals.pinned,
    unidentified: totals.unidentified,
    tainted: totals.tainted,
    reservedBytes: sight.reservedBytes,
    ...(disk && { disk: diskStatus(disk) }),
    deletions: sight.deletions,
    evictions: sight.evictions,
    errors: sight.errors,
    waiting: sight.waiting,
    complaints: complaints.slice(0, MOST_COMPLAINTS).map((each) => each.slice(0, LONGEST_COMPLAINT)),
    topNamespaces: topNamespaces(sight.namespaces),
    ...policiesStatus(sight.policies),
    ...(scannedAt !== null && { lastScanTime: new Date(scannedAt).toISOString().replace(/\.\d+Z$/, 'Z') }),
  };
}

/**
 * What of a status is worth a write: not the time of a look, and not each byte that others write to the disk, only
 * each hundredth of it.
 */
export function essenceOf(status: JsonObject): string {
  const { lastScanTime: _, disk, ...rest } = status;
  const used = typeof disk === 'object' && disk !== null && 'used' in disk ? disk.used : null;
  return JSON.stringify([rest, used]);
}

function diskStatus({ totalBytes, freeBytes }: Disk): JsonObject {
  const used = totalBytes > 0 ? Math.round((1 - freeBytes / totalBytes) * 100) : 0;
  return { totalBytes, freeBytes, used: `${used}%` };
}

function policiesStatus(sight: PolicySight | null): JsonObject {
  if (sight === null) return {};
  const { seen, policies } = sight;
  return {
    ...(seen !== null && { policiesSeen: seen }),
    policies: policies.slice(0, MOST_POLICIES),
    policiesUnnamed: Math.max(0, policies.length - MOST_POLICIES),
  };
}

function topNamespaces(namespaces: NodeSight['namespaces']): readonly JsonObject[] {
  const order = (one: { bytes: number; namespace: string }, other: typeof one) =>
    other.bytes - one.bytes || (one.namespace < other.namespace ? -1 : 1);
  return [...namespaces]
    .sort(order)
    .slice(0, MOST_NAMESPACES)
    .map(({ namespace, archives, bytes }) => ({ namespace, archives, bytes }));
}
