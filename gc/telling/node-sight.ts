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
    namespaces: inventory.namespaces().map((namespace) => ({ namespace, ...inventory.holding(namespace) })),
    disk: await disk(),
    reservedBytes: door === undefined ? 0 : await sumOf(door),
    deletions: await sumOf(metrics.deletions),
    evictions: await sumOf(metrics.deletions, 'pressure'),
    errors: await sumOf(metrics.errors),
    waiting: await sumOf(metrics.trippedBreakers),
    complaints: notices.complaints(),
    scannedAt: scanned === 0 ? null : scanned * 1_000,
    policies: await policies(),
  };
}

/** @param rule of the series, where not all of them count. */
async function sumOf(
  metric: { get(): Promise<{ readonly values: readonly Series[] }> },
  rule?: string,
): Promise<number> {
  const { values } = await metric.get();
  const counted = rule === undefined ? values : values.filter(({ labels }) => labels.rule === rule);
  return counted.reduce((sum, { value }) => sum + Number(value), 0);
}

interface Series {
  readonly value: number | string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
}
