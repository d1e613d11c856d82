import type { Log } from '../kube/types.ts';
import type { CollectorMetrics } from '../observe/metrics.ts';
import type { Disk, Instant } from '../policy/types.ts';
import type { PolicySource } from '../source/source.ts';
import type { ActivePolicies } from './deciding/active.ts';
import type { Breaker } from './deciding/breaker-state.ts';
import type { Budget } from './deciding/budget.ts';
import type { DiskGauge } from './deciding/disk.ts';
import type { MissingPods } from './deciding/missing-pods.ts';
import type { Orphans } from './deciding/orphans.ts';
import type { Passes, PassReport } from './deciding/pass.ts';
import type { Plans } from './deciding/plans.ts';
import { watchedPods } from './deciding/watched-pods.ts';
import type { Enforcer } from './deleting/enforce.ts';
import type { Failures } from './deleting/failures.ts';
import type { DirectoryState } from './inventory/directory.ts';
import type { Inventory, InventoryChange } from './inventory/inventory.ts';
import type { Recollection } from './inventory/recollection.ts';
import type { DirectoryWatch, Hint } from './inventory/watch.ts';
import { type Clock, within } from './system/clock.ts';
import { Pace } from './system/pace.ts';
import type { StateStore } from './system/state.ts';
import type { Journal } from './telling/journal.ts';
import type { Progress } from './telling/progress.ts';
import type { Telling } from './telling/telling.ts';

/** What a collector is made of; `assemble.ts` puts it together. */
export interface CollectorParts {
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly recollection: Recollection;
  readonly watch: DirectoryWatch;
  readonly source: PolicySource;
  readonly active: ActivePolicies;
  readonly plans: Plans;
  readonly orphans: Orphans | null;
  readonly missing: MissingPods;
  readonly state: StateStore;
  readonly breaker: Breaker;
  readonly budget: Budget;
  readonly failures: Failures;
  readonly enforcer: Enforcer;
  readonly passes: Passes;
  readonly journal: Journal;
  readonly disk: DiskGauge;
  readonly telling: Telling;
  readonly progress: Progress;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
  readonly dryRun: boolean;
  /** Milliseconds between scans; they come up to a tenth earlier or later. */
  readonly rescanMs: number;
  readonly random: () => number;
  /** Whether this is still the one collector of the directory. */
  readonly isAlone: () => boolean;
}

/** How long a stop waits for what is under way. */
const STOP_MS = 4_000;

/** How long after an error that nobody foresaw the next pass begins. */
const AFTER_CRASH_MS = 5_000;

/** A timer at most so often. */
const MOMENT_MS = 50;

/** However often the watch asks for one. */
const LEAST_BETWEEN_SCANS_MS = 2_000;

/** How often a directory that cannot be seen is looked for. */
const UNSEEN_MS = 10_000;

/** A scan takes at most this part of the time: rescans of 100,000 archives are three to five minutes apart, not one. */
const SCAN_SHARE = 1 / 500;

/** However long a scan takes, as the first one does that reads every archive. */
const LONGEST_STRETCH = 5;

/** No pass decides on a plan that changes while it is made; a directory in which nothing rests waits a little. */
const MOST_ROUNDS = 5;

/**
 * The loop of a collector. It is driven by levels, not by edges: whatever wakes it, a pass looks at what is there,
 * plans what has changed, and carries out what the plan asks for; then it sleeps until the next thing falls due.
 */
export class Collector {
  readonly #parts: CollectorParts;
  #rescanAt: Instant = 0;
  #scannedAt: Instant = 0;
  /** The watch asks for a scan, and nothing is done before it. */
  #wantsScan = false;
  #disk: Disk | null = null;
  #passing: Promise<void> | null = null;
  #again = false;
  #cancelTimer: (() => void) | null = null;
  #stopping = false;
  #isStopped = false;
  #sourceKnown = false;
  /** Whether it runs by itself; a single run is driven from outside. */
  #isLooping = false;
  #report: PassReport | null = null;
  readonly #ended = Promise.withResolvers<void>();
  #endSubscription = () => {};

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    this.#ended.promise.catch(() => {});
  }

  /** Resolves after `stop`; rejects when the collector cannot go on. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** What the last pass has decided and done; null before the first. */
  get report(): PassReport | null {
    return this.#report;
  }

  /**
   * Resolves when the policies are known and the first pass is over. Rejects when the policies cannot be had.
   * @param open called at once, for a first scan may take long; when it rejects, no policy is acted on.
   */
  async start(open: () => Promise<unknown> = async () => {}): Promise<void> {
    this.#parts.watch.start();
    await Promise.all([open(), this.prepare()]);
    if (!this.#stopping) this.#parts.log.info({}, 'the directory was looked at, and the policies are known');
    this.#isLooping = true;
    this.wake();
    await this.idle();
  }

  /** Resolves when the policies are known and the directory was scanned; nothing is deleted before. */
  async prepare(): Promise<void> {
    const { source } = this.#parts;
    this.#endSubscription = source.onChange(() => {
      if (this.#sourceKnown) this.#takePolicies();
      this.wake();
    });
    await Promise.all([source.start(), this.#rescan()]);
    this.#sourceKnown = true;
  }

  /** Plans and does not act: what the look-ups of pods go by. */
  async plan(): Promise<void> {
    if (this.#takePolicies()) await this.#plan();
  }

  /** Tells that something may have changed. */
  wake(): void {
    if (this.#stopping || !this.#isLooping) return;
    this.#again = true;
    this.#passing ??= this.#passUntilDone();
  }

  /** Resolves when no pass is under way. */
  async idle(): Promise<void> {
    while (this.#passing !== null) await this.#passing;
  }

  /** Takes a hint of the watch. What a look finds comes back as a change, also while a pass is under way. */
  takeHint(hint: Hint): void {
    if (this.#stopping) return;
    const { inventory, plans, log, metrics } = this.#parts;
    if (hint.kind === 'all') {
      this.#wantsScan = true;
      plans.takeAll();
      this.wake();
      return;
    }
    // While nothing was scanned a look shows nothing, and what it was hinted at would be lost.
    if (!inventory.state.ok) this.#rescanAt = 0;
    inventory.look(hint.names).catch((error: unknown) => {
      metrics.errors.inc({ operation: 'look' });
      log.error({ err: error }, 'a look at the directory failed; the next scan makes up for it');
    });
  }

  /** Whether a pass may still act on its plan: when a scan is due it looks at everything again first. */
  isInTime(): boolean {
    return !this.#stopping && !this.#wantsScan && this.#parts.clock.now() < this.#rescanAt;
  }

  takeChange(change: InventoryChange): void {
    const { plans, journal, active, enforcer, telling } = this.#parts;
    const isOurs = (file: string) => enforcer.isDeleting(file);
    const onlyOurs = change.added.length + change.modified.length === 0;
    plans.take(change, onlyOurs && change.removed.every(({ file }) => isOurs(file)));
    // A look found it gone or replaced. It may be back by now, and no event tells of that.
    if (change.directoryChanged && !change.directory.ok)
      this.#rescanAt = Math.min(this.#rescanAt, this.#parts.clock.now() + LEAST_BETWEEN_SCANS_MS);
    telling.archives(change);
    if (journal.take(change, isOurs) && active.checkpointTaken()) {
      plans.takeAll();
      telling.policies();
    }
    this.wake();
  }

  /** Ends within five seconds; a deletion under way is finished, or left as a tombstone. May be called twice. */
  async stop(): Promise<void> {
    const { watch, orphans, source, clock, missing, state, inventory, recollection, log } = this.#parts;
    if (!this.#stopping) log.info({}, 'stopping');
    this.#stopping = true;
    this.#cancelTimer?.();
    this.#endSubscription();
    watch.stop();
    orphans?.stop();
    const remembered = this.#parts.isAlone() ? recollection.save(inventory) : null;
    const ending = [this.idle(), source.stop(), remembered];
    const done = await within(clock, STOP_MS, Promise.allSettled(ending));
    missing.save();
    state.retry();
    for (const each of done ?? []) {
      if (each.status === 'rejected') log.error({ err: each.reason }, 'something could not be stopped');
    }
    if (done === null) log.warn({}, 'stopped while something was under way; the next start finishes it');
    else if (!this.#isStopped) log.info({}, 'stopped');
    this.#isStopped = true;
    this.#ended.resolve();
  }

  async #passUntilDone(): Promise<void> {
    try {
      while (this.#again && !this.#stopping) {
        this.#again = false;
        await this.pass();
      }
    } catch (error) {
      const { metrics, log, clock } = this.#parts;
      metrics.errors.inc({ operation: 'pass' });
      log.error({ err: error }, 'a pass ended early; the next one begins in a few seconds');
      this.#again = false;
      this.#sleepUntil([clock.now() + AFTER_CRASH_MS]);
    } finally {
      this.#passing = null;
    }
    // What came in while the pass ended.
    if (this.#again) this.wake();
  }

  /** Looks, plans and acts, once. */
  async pass(): Promise<void> {
    const { clock, inventory, plans, active, orphans, passes, failures, telling } = this.#parts;
    if (this.#isScanDue()) await this.#rescan();
    if (this.#wantsScan) return this.#sleepUntil([this.#scannedAt + LEAST_BETWEEN_SCANS_MS]);
    await this.#look();
    // What is not seen is not planned either: waiting periods go on.
    if (this.#stopping || !this.#takePolicies() || !inventory.state.ok) return this.#sleepUntil([]);
    await this.#plan();
    if (this.#stopping || !inventory.state.ok) return this.#sleepUntil([]);
    const mindsDisk = plans.policies.global?.resource.pressure !== undefined;
    if (mindsDisk) this.#disk = await this.#parts.disk.read();
    // Policies that came meanwhile would be judged by a plan that they had no part in.
    if (!plans.isWhole) {
      this.#again = true;
      return this.#sleepUntil([]);
    }
    this.#report = await passes.run(this.#disk, orphans?.isSettled ?? true);
    await this.#parts.disk.expect(this.#report.enforced.deleted);
    this.#parts.missing.save();
    this.#parts.metrics.failingDeletions.set(failures.failing);
    telling.measure();
    if (plans.isOutdated(clock.now())) this.#again = true;
    const dues = [inventory.nextLook(), plans.nextDue(), active.nextDue(), failures.nextRetry(clock.now())];
    // Others fill a disk, too, and no event tells of that.
    if (mindsDisk) dues.push(clock.now() + this.#parts.rescanMs);
    const renewedMs = this.#report.overBudget > 0 ? this.#parts.budget.msUntilMore() : null;
    if (renewedMs !== null) dues.push(clock.now() + renewedMs);
    this.#sleepUntil(dues);
  }

  /** Plans until nothing is outdated: proofs of orphans that are known already change the plan at once. */
  async #plan(): Promise<void> {
    const { clock, inventory, plans, active, orphans } = this.#parts;
    for (let round = 0; round < MOST_ROUNDS && plans.isOutdated(clock.now()); round += 1) {
      const planned = await plans.update(active.set, active.vetoes, clock.now());
      if (orphans === null) continue;
      const pace = new Pace();
      for (const [namespace, pods] of planned) {
        if (pace.due()) await pace.rest();
        const archives =
          pods === null
            ? inventory.archivesOf(namespace)
            : [...pods].flatMap((pod) => inventory.archivesOf(namespace, pod));
        orphans.watch(namespace, pods, watchedPods(archives, active.set));
      }
      // The inventory tells of new proofs in a microtask.
      await null;
    }
  }

  #isScanDue(): boolean {
    const { clock } = this.#parts;
    const since = clock.now() - this.#scannedAt;
    if (this.#wantsScan) return since < 0 || since >= LEAST_BETWEEN_SCANS_MS;
    // Or the clock was set back.
    return clock.now() >= this.#rescanAt || since < 0;
  }

  async #rescan(): Promise<void> {
    const { clock, inventory, watch, metrics, disk, telling, rescanMs, random } = this.#parts;
    const { recollection } = this.#parts;
    const began = clock.now();
    this.#scannedAt = began;
    this.#wantsScan = false;
    this.#rescanAt = began + rescanMs * (0.9 + 0.2 * random());
    if (!this.#parts.isAlone()) return this.#giveUp();
    this.#parts.state.retry();
    const wasOk = inventory.state.ok;
    let state = await this.#scan();
    if (!state.ok && inventory.identity !== null) {
      // Another directory than before: from the second scan on it is known which.
      telling.directory(state);
      state = await this.#scan();
    }
    const apartMs = Math.min((clock.now() - began) / SCAN_SHARE, LONGEST_STRETCH * rescanMs);
    if (Number.isFinite(apartMs)) this.#rescanAt = Math.max(this.#rescanAt, began + apartMs);
    watch.check();
    metrics.directoryOk.set(state.ok ? 1 : 0);
    if (state.ok) {
      metrics.lastScan.set(clock.now() / 1_000);
      metrics.scanSeconds.set((clock.now() - began) / 1_000);
      this.#disk = await disk.read();
    } else {
      metrics.errors.inc({ operation: 'scan' });
      // One that was replaced is known only after a second look, and one that is missing may come at any time.
      const againMs = wasOk ? LEAST_BETWEEN_SCANS_MS : UNSEEN_MS;
      this.#rescanAt = Math.min(this.#rescanAt, began + againMs);
    }
    telling.directory(state);
    if (state.ok && !this.#stopping) await this.#tidy();
    if (state.ok && !this.#stopping) await recollection.scanned(inventory);
  }

  /** Says how far it is until everything was seen once: only then every archive may have to be read. */
  async #scan(): Promise<DirectoryState> {
    const { inventory, progress } = this.#parts;
    if (inventory.state.ok) return await inventory.scan();
    try {
      return await inventory.scan((step) => progress.report(step));
    } finally {
      progress.end();
    }
  }

  /** Finishes what was left half done, and forgets what is there no more. */
  async #tidy(): Promise<void> {
    const { inventory, enforcer, failures, orphans, missing, dryRun } = this.#parts;
    if (!dryRun) await enforcer.finishTombstones();
    const tombstones = new Set(inventory.tombstones().map(({ name }) => name));
    failures.retain((name) => inventory.get(name) !== null || tombstones.has(name));
    // Before the first pass no pod is watched yet.
    if (orphans?.isSettled && this.#report) missing.retain((...pod) => orphans.isWatching(...pod));
  }

  async #look(): Promise<void> {
    const { inventory, clock } = this.#parts;
    const next = inventory.nextLook();
    if (next !== null && next <= clock.now()) await inventory.look();
  }

  /** Whether it is known what the policies are. */
  #takePolicies(): boolean {
    const { source, active, breaker, plans, telling, clock } = this.#parts;
    telling.source();
    // Policies that were known once go on acting when the source loses contact.
    if (!active.isKnown && !source.isFresh()) return false;
    if (active.update(source.resources(), clock.now())) plans.takeAll();
    // What only cannot be seen now is not gone.
    if (source.isFresh()) breaker.retain(active.references());
    telling.policies();
    return true;
  }

  #giveUp(): void {
    const message = 'another collector has taken this directory over, or the lock was removed; this one ends';
    this.#parts.log.error({}, message);
    this.#ended.reject(new Error(message));
    this.#stopping = true;
  }

  /** Until the first of these instants, or the next scan. */
  #sleepUntil(dues: readonly (Instant | null)[]): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#stopping || !this.#isLooping) return;
    const { clock } = this.#parts;
    const next = dues.reduce<Instant>((least, due) => Math.min(least, due ?? least), this.#rescanAt);
    // A moment at least: what stays due because it cannot be done must not spin.
    this.#cancelTimer = clock.after(Math.max(MOMENT_MS, next - clock.now()), () => {
      this.#cancelTimer = null;
      this.wake();
    });
  }
}
