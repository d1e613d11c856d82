import type { Instant } from '../../policy/types.ts';
import type { Timers } from './timers.ts';

/** The time, and calls at a later one. Passed in, so that no test sleeps. */
export interface Clock extends Timers {
  now(): Instant;
  /** Milliseconds since the machine was started, the same for all its processes, whatever the clock is set to. */
  elapsed(): number;
}

/** Node fires a timer of more milliseconds than this (24.8 days) at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How long the machine had been running when this process began: the one is asked for in a tenth of the other's time. */
const BEGAN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's own. A call may come early, where it is too far away: who is called looks at the time. */
export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => BEGAN_MS + performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds. */
export function pause(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(ms, resolve);
  });
}

/** The promise's value; null when it takes longer than so many milliseconds. Its failure later is dropped. */
export async function within<T>(timers: Timers, ms: number, promise: Promise<T>): Promise<T | null> {
  let cancel = () => {};
  const deadline = new Promise<null>((resolve) => {
    cancel = timers.after(ms, () => resolve(null));
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    cancel();
  }
}
