import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What the collector counts. Label values come from fixed sets, so that a series is never made per archive. */
export interface CollectorMetrics {
  readonly registry: Registry;
  readonly archives: Gauge<'state'>;
  readonly archiveBytes: Gauge;
  readonly pinnedArchives: Gauge;
  readonly taintedArchives: Gauge;
  readonly foreignFiles: Gauge;
  readonly foreignBytes: Gauge;
  readonly tombstones: Gauge;
  readonly tombstoneBytes: Gauge;
  readonly deletions: Counter<'rule'>;
  readonly deletedBytes: Counter<'rule'>;
  readonly finishedTombstones: Counter;
  readonly skippedDeletions: Counter<'reason'>;
  readonly failingDeletions: Gauge;
  readonly errors: Counter<'operation'>;
  readonly directoryOk: Gauge;
  readonly watching: Gauge;
  readonly lastScan: Gauge;
  readonly scanSeconds: Gauge;
  readonly disk: Gauge<'kind'>;
  readonly diskInodes: Gauge<'kind'>;
  readonly trippedBreakers: Gauge;
  readonly unmetLimits: Gauge;
  readonly policies: Gauge<'state'>;
  readonly policySourceFresh: Gauge;
  readonly policySourceStaleness: Gauge;
  readonly podLookups: Counter<'result'>;
  readonly orphanProofs: Gauge;
  readonly lostAuditRecords: Gauge;
  readonly events: Counter<'outcome'>;
}

const PREFIX = 'checkpoint_warden_';

/** Milliseconds between two looks at how late the event loop is: the 10 that are usual take 0.3 % of a core. */
export const LAG_MS = 100;

/**
 * The collector's metrics in a registry of their own.
 * @param options.ofProcess with those of the process: CPU, memory, event loop. Default true.
 */
export function createMetrics(options: { readonly ofProcess?: boolean } = {}): CollectorMetrics {
  const registry = new Registry();
  if (options.ofProcess !== false)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_MS });
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name: PREFIX + name, help, registers });
  const gaugeBy = <L extends string>(label: L, name: string, help: string) =>
    new Gauge({ name: PREFIX + name, help, labelNames: [label], registers });
  const counterBy = <L extends string>(label: L, name: string, help: string) =>
    new Counter({ name: PREFIX + name, help, labelNames: [label], registers });
  return {
    registry,
    archives: gaugeBy('state', 'archives', 'Archives in the directory: identified, unidentified, growing.'),
    archiveBytes: gauge('archive_bytes', 'Length of all archives together.'),
    pinnedArchives: gauge('pinned_archives', 'Archives that a .keep file holds.'),
    taintedArchives: gauge('tainted_archives', 'Archives with bytes behind their end marker.'),
    foreignFiles: gauge('foreign_files', 'Files in the directory that are no archives, and are not touched.'),
    foreignBytes: gauge('foreign_bytes', 'Length of the foreign files together.'),
    tombstones: gauge('tombstones', 'Deletions that were begun and not finished.'),
    tombstoneBytes: gauge('tombstone_bytes', 'Length of the tombstones together.'),
    deletions: counterBy('rule', 'deletions_total', 'Archives deleted, by the rule that asked for it.'),
    deletedBytes: counterBy(
      'rule',
      'deleted_bytes_total',
      'Disk that deleted archives took, by rule; what came back shows in disk_bytes.',
    ),
    finishedTombstones: new Counter({
      name: `${PREFIX}finished_tombstones_total`,
      help: 'Deletions ended that an earlier process or a failure had left half done.',
      registers,
    }),
    skippedDeletions: counterBy(
      'reason',
      'skipped_deletions_total',
      'Deletions left out because a last look said so, by reason.',
    ),
    failingDeletions: gauge('failing_deletions', 'Deletions that failed and wait to be tried again.'),
    errors: counterBy('operation', 'errors_total', 'Operations that failed, by operation.'),
    directoryOk: gauge('directory_ok', '1 while the directory can be read and is the one that was scanned.'),
    watching: gauge('watching', '1 while the directory is watched, 0 while it is polled in place of that.'),
    lastScan: gauge('last_scan_timestamp_seconds', 'When the directory was last scanned whole.'),
    scanSeconds: gauge('scan_duration_seconds', 'How long the last scan took.'),
    disk: gaugeBy('kind', 'disk_bytes', "The directory's file system: total, free."),
    diskInodes: gaugeBy('kind', 'disk_inodes', "Inodes of the directory's file system: total, free."),
    trippedBreakers: gauge('circuit_breaker_tripped', 'Resources whose deletions wait for confirmation.'),
    unmetLimits: gauge('unmet_limits', 'Limits that stay broken because pins or floors hold archives.'),
    policies: gaugeBy('state', 'policies', 'Policy resources for this directory: acting, pending.'),
    policySourceFresh: gauge('policy_source_fresh', '1 while the policies are known to be current.'),
    policySourceStaleness: gauge(
      'policy_source_staleness_seconds',
      'How long ago the policies were last known to be those of their source.',
    ),
    podLookups: counterBy('result', 'pod_lookups_total', 'Look-ups of pods: found, absent, error.'),
    orphanProofs: gauge('orphan_proofs', 'Archives whose pod is known to be gone.'),
    events: counterBy(
      'outcome',
      'events_total',
      'Kubernetes Events: written, dropped (too many at once, or nobody to read them) or failed.',
    ),
    lostAuditRecords: gauge('lost_audit_records', 'Audit records that could not be written since the start.'),
  };
}
