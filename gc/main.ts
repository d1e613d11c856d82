import { assemble } from './assemble.ts';
import type { PassReport } from './deciding/pass.ts';
import type { RunningDoor } from './door/main.ts';
import { openDoor } from './open-door.ts';
import { openLock } from './open-lock.ts';
import { openSchedules } from './open-schedules.ts';
import type { CollectorOptions, DoorPart } from './options.ts';
import type { RunningSchedules } from './schedule/main.ts';

export { collectOnce, type Summary } from './once.ts';
export { type PlanDirectoryOptions, type PlannedDirectory, planDirectory } from './plan-directory.ts';
export { planReport } from './telling/report.ts';
export type { CollectorOptions, DoorPart };

export interface RunningCollector {
  /** Resolves after `stop`; rejects with a sentence when the collector cannot go on. */
  readonly ended: Promise<void>;
  /** What the last pass has decided and done; null before the first. */
  readonly report: PassReport | null;
  /** Where the node's door is; null without one. */
  readonly doorUrl: string | null;
  /** Resolves when no pass is under way. */
  idle(): Promise<void>;
  /** Ends within five seconds, whatever is under way. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts the collector of a directory; resolves when its policies are known and a first pass is over. Rejects with
 * a sentence when the directory has a collector already, or the policies cannot be had. Its door opens at once, and
 * refuses what it cannot judge before the directory was scanned.
 *
 * @param signal stops it, also while it starts; then it resolves early.
 */
export async function startCollector(
  options: CollectorOptions,
  signal?: AbortSignal,
): Promise<RunningCollector> {
  const lock = await openLock(options);
  const assembled = assemble(options, lock);
  const { collector, reporter } = assembled;
  let opening: Promise<RunningDoor | null> = Promise.resolve(null);
  const open = () => {
    opening = openDoor(options, assembled);
    return opening;
  };
  let schedules: RunningSchedules | null = null;
  let stopped: Promise<void> | null = null;
  const stop = () => {
    // All at once: each takes its time, and there are five seconds.
    const parts = [collector.stop(), close(opening), reporter?.stop(), schedules?.stop()];
    stopped ??= Promise.all(parts).then(() => lock?.release());
    return stopped;
  };
  const aborted = Promise.withResolvers<void>();
  signal?.addEventListener('abort', () => stop().then(aborted.resolve, aborted.reject), { once: true });
  try {
    if (signal?.aborted) await stop();
    else await Promise.race([collector.start(open), aborted.promise]);
  } catch (error) {
    await stop();
    throw error;
  }
  collector.ended.catch(stop);
  const door = await opening;
  if (stopped === null) schedules = openSchedules(options, assembled, door);
  return {
    ended: collector.ended,
    doorUrl: door?.url ?? null,
    get report() {
      return collector.report;
    },
    idle: () => collector.idle(),
    stop,
  };
}

/** A door that could not be opened has told it. */
async function close(opening: Promise<RunningDoor | null>): Promise<void> {
  const door = await opening.catch(() => null);
  await door?.stop();
}
