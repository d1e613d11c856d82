import { createMetrics } from '../observe/metrics.ts';
import { type Assembled, assemble } from './assemble.ts';
import type { Held } from './deciding/breaker-state.ts';
import type { PassReport } from './deciding/pass.ts';
import { openLock } from './open-lock.ts';
import type { CollectorOptions } from './options.ts';
import { type Clock, pause, systemClock, within } from './system/clock.ts';
import { explain } from './system/files.ts';
import { type Done, doneIn, notesOf, problemsOf } from './telling/outcome.ts';

/** What one run over a directory has come to. */
export interface Summary {
  /** Whether the directory could be read; if not, what it holds is not known. */
  readonly isKnown: boolean;
  readonly archives: number;
  readonly bytes: number;
  readonly deleted: number;
  readonly freedBytes: number;
  /** What a dry run would have deleted. */
  readonly wouldDelete: number;
  /** Deletions that failed; the log says how. */
  readonly failed: number;
  /** Deletions that a last look has left out. */
  readonly spared: number;
  /** Deletions that a budget leaves for the next run. */
  readonly overBudget: number;
  /** Archives that were still being written. */
  readonly growing: number;
  /** Policies that wait for confirmation. */
  readonly held: readonly Held[];
  /** Why the run did not do what the policies ask for, as sentences; empty when it did. */
  readonly problems: readonly string[];
  /** What is worth knowing of a run that did its work, as sentences. */
  readonly notes: readonly string[];
}

/** How long a single run waits for archives that were written a moment ago. */
const SETTLE_MS = 3_000;

/** How long a single run waits for the look-ups of pods. */
const LOOKUPS_MS = 60_000;
/** Somebody waits for it, and it runs on one node: twenty a second. */
const LOOKUPS_APART_MS = 50;

/** How long a run that is stopped waits for the deletions under way. */
const STOP_MS = 4_000;

/** Passes in a row that got nothing done because archives were changing, 50 ms apart. */
const MOST_IDLE_PASSES = 20;
const IDLE_MS = 50;

/** What the passes of a run have come to. */
interface Tally {
  failed: number;
  spared: number;
  /** Deletions may be under way. */
  isActing: boolean;
  isDone: boolean;
}

/**
 * Looks, plans and acts once. Rejects as `startCollector` does. An orphan's grace period goes on from run to run
 * only with a state directory.
 *
 * @param signal stops it within five seconds; the summary then says what was done until then.
 */
export async function collectOnce(given: CollectorOptions, signal?: AbortSignal): Promise<Summary> {
  const lock = await openLock(given);
  const metrics = given.metrics ?? createMetrics({ ofProcess: false });
  // A budget is for one run, however long it takes: no second scan renews it.
  const options = {
    ...{ lookUpsApartMs: LOOKUPS_APART_MS, ...given },
    ...{ metrics, isSingleRun: true, rescanMs: Number.POSITIVE_INFINITY },
  };
  const assembled = assemble(options, lock);
  const before = await doneIn(metrics);
  const tally: Tally = { failed: 0, spared: 0, isActing: false, isDone: false };
  const clock = options.clock ?? systemClock;
  let stopping: Promise<void> | null = null;
  const stop = () => {
    stopping ??= assembled.collector.stop();
    return stopping;
  };
  try {
    if (signal?.aborted !== true) {
      const running = run(assembled, clock, tally);
      await Promise.race([running, aborted(signal)]);
      // Deletions under way end, and count. Policies that do not come are not waited for.
      const waitMs = tally.isActing ? STOP_MS : 0;
      if (!tally.isDone) await Promise.all([stop(), endOf(running, waitMs, clock, options)]);
    }
    const after = await doneIn(metrics);
    const done = {
      deleted: after.deleted - before.deleted,
      freedBytes: after.freedBytes - before.freedBytes,
    };
    return summarise(assembled, options, tally, done);
  } finally {
    await stop();
    await lock?.release();
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
}

async function endOf(
  running: Promise<void>,
  waitMs: number,
  clock: Clock,
  { log }: CollectorOptions,
): Promise<void> {
  await within(clock, waitMs, running).catch((error: unknown) => {
    log.warn({ err: error }, `the run was stopped, and ended with: ${explain(error)}`);
  });
}

async function run({ collector, inventory, orphans }: Assembled, clock: Clock, tally: Tally): Promise<void> {
  await collector.prepare();
  const settled = clock.now() + SETTLE_MS;
  for (let due = inventory.nextLook(); due !== null && due <= settled; due = inventory.nextLook()) {
    if (collector.isStopping || clock.now() > settled) break;
    await pause(clock, Math.max(1, due - clock.now()));
    await inventory.look();
  }
  await collector.plan();
  const lookedUp = clock.now() + LOOKUPS_MS;
  while (orphans?.isSettled === false && clock.now() < lookedUp && !collector.isStopping)
    await pause(clock, IDLE_MS);
  let last: PassReport | null = null;
  tally.isActing = true;
  for (let idle = 0; idle < MOST_IDLE_PASSES && !collector.isStopping; ) {
    await collector.pass();
    const { report } = collector;
    // A directory that has gone meanwhile is decided on no more.
    if (report === null || report === last) break;
    last = report;
    const { deleted, failed, spared, left } = report.enforced;
    tally.failed += failed;
    tally.spared += spared;
    if (left === 0) break;
    if (deleted.length + failed + spared > 0) idle = 0;
    else await pause(clock, IDLE_MS);
    idle += 1;
  }
  tally.isDone = !collector.isStopping;
}

function summarise(assembled: Assembled, options: CollectorOptions, tally: Tally, done: Done): Summary {
  const { collector, inventory } = assembled;
  const { archives, bytes, growing } = inventory.totals();
  const { held = [], overBudget = 0, plan } = collector.report ?? {};
  const { failed, spared, isDone } = tally;
  const wanted = plan?.deletions.length ?? 0;
  return {
    isKnown: inventory.state.ok,
    ...{ archives, bytes, growing, ...done, failed, spared, overBudget, held },
    wouldDelete: options.dryRun ? wanted - overBudget : 0,
    problems: problemsOf(assembled, options, { failed, isDone }),
    notes: notesOf(assembled, options),
  };
}
