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
import { type ReadingsStore, readingsFile, withoutSaving } from './inventory/readings-file.ts';
import { Recollection } from './inventory/recollection.ts';
import { DirectoryWatch } from './inventory/watch.ts';
import type { CollectorOptions } from './options.ts';
import { systemClock } from './system/clock.ts';
import { ClockWatch } from './system/clock-watch.ts';
import type { Lock } from './system/lock.ts';
import { nodeFiles } from './system/node-files.ts';
import { sameDirectoryAs } from './system/same-directory.ts';
import { fileState, memoryState, type StateStore } from './system/state.ts';
import { Journal } from './telling/journal.ts';
import { NodeReporter } from './telling/node-reporter.ts';
import { nodeSight } from './telling/node-sight.ts';
import { nodeStatus } from './telling/node-status.ts';
import { Notices } from './telling/notices.ts';
import { Progress } from './telling/progress.ts';
import { Telling } from './telling/telling.ts';

const RESCAN_MS = 60_000;

export interface Assembled {
  readonly collector: Collector;
  readonly inventory: Inventory;
  readonly active: ActivePolicies;
  readonly orphans: Orphans | null;
  readonly evictions: Evictions;
  readonly disk: DiskGauge;
  /** Null where there is no node's object to write. */
  readonly reporter: NodeReporter | null;
  readonly relief: Relief;
  readonly clockWatch: ClockWatch;
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

  const { onFilling } = options;
  const recollection = new Recollection({
    ...{ store: readingsFor(options), now, log, metrics },
    ...(onFilling && { onFilling }),
  });
  const inventory = new Inventory({
    files,
    directory,
    clock: now,
    recall: (stamp, changedNs) => recollection.recall(stamp, changedNs),
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
  const journal = new Journal({
    ...{ audit, directory, now },
    node: nodeName,
    growing: () => inventory.growing(),
  });
  const telling = new Telling({
    ...{ directory, source, inventory, active, audit, notices, metrics, log, now },
    onMeasured: () => reporter?.wake(),
  });
  const { pods, progress: watcher } = options;
  const elapsed = () => clock.elapsed();
  const progress = new Progress({ directory, log, elapsed, ...(watcher && { watcher }) });
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
  const sight = { inventory, disk: () => disk.measure(), metrics, notices };
  const writer = dryRun ? undefined : options.nodeObject;
  const reporter = writer
    ? new NodeReporter({
        ...{ writer, clock, random, metrics, log },
        status: async () => nodeStatus(await nodeSight(sight)),
      })
    : null;
  const clockWatch = new ClockWatch(clock, log, () => plans.takeAll(), store);
  const passes = new Passes({
    plans,
    breaker,
    budget,
    relief,
    enforcer,
    failures,
    clock,
    clockWatch,
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
    recollection,
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
    ...{ passes, journal, disk, telling, progress, metrics, log, dryRun, rescanMs, random, isAlone },
  });
  const evictions = new Evictions({ inventory, active, breaker, enforcer });
  return { collector, inventory, active, orphans, evictions, disk, clockWatch, relief, reporter, changes };
}

/**
 * Where a collector of this directory keeps its state: one state directory may serve several. By where the path
 * leads, so that a link to the directory leads to the same lock.
 */
export function stateDirectoryOf(stateDirectory: string, directory: string): string {
  return join(stateDirectory, createHash('sha256').update(realPath(directory)).digest('hex').slice(0, 12));
}

function readingsFor({ stateDirectory, directory, dryRun, readings }: CollectorOptions): ReadingsStore {
  const path = stateDirectory && join(stateDirectoryOf(stateDirectory, directory), 'readings');
  const store = readings ?? (path === undefined ? null : readingsFile(path));
  return store === null || dryRun ? withoutSaving(store) : store;
}

function storeFor(
  { state, stateDirectory, directory, dryRun, log }: CollectorOptions,
  onFailure: () => void,
): StateStore {
  if (state !== undefined) return state;
  if (stateDirectory === undefined) return memoryState();
  const store = fileState(stateDirectoryOf(stateDirectory, directory), log, onFailure);
  return dryRun ? memoryState(store) : store;
}
