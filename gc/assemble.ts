import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Listeners } from '../certs/listeners.ts';
import { noAudit } from '../observe/audit.ts';
import { createMetrics } from '../observe/metrics.ts';
import { realPath } from '../source/real-path.ts';
import { Collector } from './collector.ts';
import { ActivePolicies } from './deciding/active.ts';
import { Breaker } from './deciding/breaker-state.ts';
import { Budget } from './deciding/budget.ts';
import { DiskGauge } from './deciding/disk.ts';
import { MissingPods } from './deciding/missing-pods.ts';
import { Orphans } from './deciding/orphans.ts';
import { Passes } from './deciding/pass.ts';
import { Plans } from './deciding/plans.ts';
import { Relief } from './deciding/relief.ts';
import { Enforcer } from './deleting/enforce.ts';
import { Evictions } from './deleting/evictions.ts';
import { Failures } from './deleting/failures.ts';
import { Inventory } from './inventory/inventory.ts';
import { DirectoryWatch } from './inventory/watch.ts';
import type { CollectorOptions } from './options.ts';
import { systemClock } from './system/clock.ts';
import { ClockWatch } from './system/clock-watch.ts';
import type { Lock } from './system/lock.ts';
import { nodeFiles } from './system/node-files.ts';
import { sameDirectoryAs } from './system/same-directory.ts';
import { fileState, memoryState, type StateStore } from './system/state.ts';
import { Journal } from './telling/journal.ts';
import { Notices } from './telling/notices.ts';
import { Telling } from './telling/telling.ts';

const RESCAN_MS = 60_000;

export interface Assembled {
  readonly collector: Collector;
  readonly inventory: Inventory;
  readonly active: ActivePolicies;
  readonly orphans: Orphans | null;
  readonly evictions: Evictions;
  readonly disk: DiskGauge;
  readonly relief: Relief;
  /** Called after each change of the inventory. */
  readonly changes: Listeners;
}

/**
 * A collector and what it is made of. Makes no call and changes nothing.
 * @throws RangeError for a pattern that cannot be one.
 */
export function assemble(options: CollectorOptions, lock: Lock | null): Assembled {
  const { directory, source, log, dryRun, nodeName = null, patterns, confirm: confirmed = [] } = options;
  const { clock = systemClock, files = nodeFiles, random = Math.random } = options;
  const {
    lenientDirectory = false,
    rescanMs = RESCAN_MS,
    metrics = createMetrics({ ofProcess: false }),
  } = options;
  const audit = dryRun ? noAudit : (options.audit ?? noAudit);
  const now = () => clock.now();
  const store = storeFor(options, () => metrics.errors.inc({ operation: 'state' }));
  const changes = new Listeners();

  const inventory = new Inventory({
    files,
    directory,
    clock: now,
    onChange: (change) => {
      collector.takeChange(change);
      changes.call();
    },
    ...(patterns && patterns.length > 0 && { patterns }),
  });
  const isSameDirectory = sameDirectoryAs(directory, files);
  const active = new ActivePolicies({ directory, lenientDirectory, isSameDirectory });
  const plans = new Plans(inventory);
  const failures = new Failures(log);
  const notices = new Notices(log);
  const budget = new Budget();
  const relief = new Relief();
  const breaker = new Breaker({ store, confirmed, directory: () => inventory.identity });
  const missing = new MissingPods(store, clock.now());
  const journal = new Journal({ audit, directory, node: nodeName, now });
  const telling = new Telling({ directory, source, inventory, active, audit, notices, metrics, log, now });
  const { pods } = options;
  const orphans = pods
    ? new Orphans({
        pods,
        missing,
        clock,
        isTrusted: () => source.isFresh(),
        onProof: (file, proof) => inventory.setOrphan(file, proof),
        log,
        metrics,
        random,
      })
    : null;
  const enforcer = new Enforcer({
    files,
    directory,
    inventory,
    clock,
    failures,
    journal,
    metrics,
    log,
    isCurrent: (decision) => plans.holds(decision) && collector.isInTime(),
    confirmOrphan: async (archive) => (orphans ? await orphans.confirm(archive) : 'unknown'),
    isStopping: () => collector.isStopping,
  });
  const disk = new DiskGauge({ files, directory, clock, metrics, log, relief });
  const passes = new Passes({
    plans,
    breaker,
    budget,
    relief,
    enforcer,
    failures,
    clock,
    clockWatch: new ClockWatch(clock, log, () => plans.takeAll()),
    notices,
    metrics,
    log,
    dryRun,
  });
  const watch = new DirectoryWatch({
    files,
    directory,
    timers: clock,
    onHint: (hint) => collector.takeHint(hint),
    onMode: (mode) => telling.watch(mode),
  });
  const parts = {
    clock,
    inventory,
    watch,
    source,
    active,
    plans,
    orphans,
    missing,
    state: store,
    breaker,
    budget,
    failures,
    enforcer,
  };
  const isAlone = () => lock === null || lock.isHeld();
  const collector: Collector = new Collector({
    ...parts,
    ...{ passes, journal, disk, telling, metrics, log, dryRun, rescanMs, random, isAlone },
  });
  const evictions = new Evictions({ inventory, active, breaker, enforcer });
  return { collector, inventory, active, orphans, evictions, disk, relief, changes };
}

/**
 * Where a collector of this directory keeps its state: one state directory may serve several. By where the path
 * leads, so that a link to the directory leads to the same lock.
 */
export function stateDirectoryOf(stateDirectory: string, directory: string): string {
  return join(stateDirectory, createHash('sha256').update(realPath(directory)).digest('hex').slice(0, 12));
}

function storeFor(
  { stateDirectory, directory, dryRun, log }: CollectorOptions,
  onFailure: () => void,
): StateStore {
  if (stateDirectory === undefined) return memoryState();
  const store = fileState(stateDirectoryOf(stateDirectory, directory), log, onFailure);
  return dryRun ? memoryState(store) : store;
}
