import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Listeners } from '../certs/listeners.ts';
import { type Audit, noAudit } from '../observe/audit.ts';
import { createMetrics } from '../observe/metrics.ts';
import { Retentions } from '../policy/schedule/retentions.ts';
import type { Schedule } from '../policy/schedule/types.ts';
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
import { WaitingState } from './deciding/waiting-state.ts';
import { Enforcer } from './deleting/enforce.ts';
import { Evictions } from './deleting/evictions.ts';
import { Failures } from './deleting/failures.ts';
import { Feed } from './door/archives/feed.ts';
import { Inventory } from './inventory/inventory.ts';
import { type ReadingsStore, readingsFile, withoutSaving } from './inventory/readings-file.ts';
import { Recollection } from './inventory/recollection.ts';
import { DirectoryWatch } from './inventory/watch.ts';
import type { CollectorOptions } from './options.ts';
import { MadeBy } from './schedule/made-by.ts';
import { systemClock } from './system/clock.ts';
import { ClockWatch } from './system/clock-watch.ts';
import type { Lock } from './system/lock.ts';
import { nodeFiles } from './system/node-files.ts';
import { sameDirectoryAs } from './system/same-directory.ts';
import { fileState, memoryState, type StateStore } from './system/state.ts';
import { Announcer } from './telling/announcer.ts';
import { Journal } from './telling/journal.ts';
import { NodeReporter } from './telling/node-reporter.ts';
import { nodeSight } from './telling/node-sight.ts';
import { nodeStatus } from './telling/node-status.ts';
import { Notices } from './telling/notices.ts';
import { GovernedArchives, policySight } from './telling/policy-sight.ts';
import { Progress } from './telling/progress.ts';
import { Telling } from './telling/telling.ts';

const RESCAN_MS = 60_000;

/** For what part of the time between two scans a budget counts: the least that one of them comes behind the other. */
const BUDGET_SHARE = 0.9;

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
  /** Tells the plan what schedules keep of the archives that they had made. */
  readonly takeSchedules: (schedules: readonly Schedule[]) => void;
  /** Which archives schedules had made. */
  readonly madeBy: MadeBy;
  readonly store: StateStore;
  /** Called after each change of the inventory. */
  readonly changes: Listeners;
  readonly audit: Audit;
  readonly feed: Feed;
  readonly enforcer: Enforcer;
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
    isSingleRun = false,
    metrics = createMetrics({ ofProcess: false }),
  } = options;
  const { events } = options;
  const announcer =
    events && !dryRun
      ? new Announcer({ events, node: nodeName ?? 'unknown', policies: () => active.set })
      : null;
  const audited = dryRun ? noAudit : (options.audit ?? noAudit);
  const audit = announcer?.over(audited) ?? audited;
  const now = () => clock.now();
  const store = storeFor(options, () => metrics.errors.inc({ operation: 'state' }));
  const changes = new Listeners();
  const madeBy = new MadeBy(store);
  const feed = new Feed(clock);

  const { onFilling } = options;
  const recollection = new Recollection({
    ...{ store: readingsFor(options), now, log, metrics },
    ...(onFilling && { onFilling }),
  });
  const inventory = new Inventory({
    files,
    directory,
    clock: now,
    madeBy: (file) => madeBy.of(file),
    recall: (stamp, changedUs) => recollection.recall(stamp, changedUs),
    onChange: (change) => {
      feed.take(change);
      collector.takeChange(change);
      changes.call();
    },
    ...(patterns && patterns.length > 0 && { patterns }),
  });
  const isSameDirectory = sameDirectoryAs(directory, files);
  // While nobody knows what schedules keep, nothing that one had made goes by a limit.
  const retentions = new Retentions(options.schedules === undefined ? [] : null);
  const active = new ActivePolicies({
    ...{ directory, lenientDirectory, isSameDirectory, retentions },
    ...(!isSingleRun && { waiting: new WaitingState(store) }),
  });
  const plans = new Plans(inventory);
  const failures = new Failures(log);
  const notices = new Notices(log);
  const budget = new Budget({ store, periodMs: BUDGET_SHARE * rescanMs, elapsed: () => clock.elapsed() });
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
    onTainted: (archive) => announcer?.tainted(archive),
    onMeasured: (where) => reporter?.wake(where),
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
        ...(options.lookUpsApartMs !== undefined && { apartMs: options.lookUpsApartMs }),
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
  const governed = new GovernedArchives(() => inventory.archives());
  changes.add(() => governed.changed());
  const policies = () => policySight({ source, active, governed, report: () => collector.report });
  const sight = { inventory, disk: () => disk.measure(), metrics, notices, policies };
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
    onBlocked: (unmet) => announcer?.blocked(unmet),
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
  const takeSchedules = (schedules: readonly Schedule[]) => {
    if (!retentions.take(schedules)) return;
    plans.takeAll();
    collector.wake();
  };
  const evictions = new Evictions({ inventory, active, breaker, enforcer });
  return {
    ...{ collector, inventory, active, orphans, evictions, disk, clockWatch, relief, reporter, changes },
    ...{ takeSchedules, madeBy, store, feed, enforcer, audit },
  };
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
