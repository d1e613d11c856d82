import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Disk } from '../../policy/types.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { NodeSight } from './node-status.ts';
import type { Notices } from './notices.ts';
import type { PolicySight } from './policy-sight.ts';

export interface SightParts {
  readonly inventory: Inventory;
  /** Null when it cannot be told. */
  readonly disk: () => Promise<Disk | null>;
  readonly metrics: CollectorMetrics;
  readonly notices: Notices;
  readonly policies: () => Promise<PolicySight | null>;
}

/** What the node's object is to say, taken from where it is counted anyway. */
export async function nodeSight({
  inventory,
  disk,
  metrics,
  notices,
  policies,
}: SightParts): Promise<NodeSight> {
  const scanned = await sumOf(metrics.lastScan);
  const door = metrics.registry.getSingleMetric('checkpoint_warden_door_reserved_bytes');
  return {
    totals: inventory.totals(),
    archives: inventory.archives(),
    disk: await disk(),
    reservedBytes: door === undefined ? 0 : await sumOf(door),
    deletions: await sumOf(metrics.deletions),
    errors: await sumOf(metrics.errors),
    waiting: await sumOf(metrics.trippedBreakers),
    complaints: notices.complaints(),
    scannedAt: scanned === 0 ? null : scanned * 1_000,
    policies: await policies(),
  };
}

async function sumOf(metric: {
  get(): Promise<{ readonly values: readonly { readonly value: number | string }[] }>;
}): Promise<number> {
  return (await metric.get()).values.reduce((sum, { value }) => sum + Number(value), 0);
}
