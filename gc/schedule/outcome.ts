import { backoffMs } from '../../policy/schedule/due.ts';
import type { RefusalCode } from '../door/refusal.ts';

/**
 * What an order's end means. `cancelled`: nothing was asked, and the next process does it. `unknown`: an archive may
 * still come. `waits`: others have their turn first, which is nobody's failure. `final`: another try makes no sense.
 */
export type Meaning = 'cancelled' | 'unknown' | 'waits' | 'final' | 'failed';

const MEANINGS: Partial<Record<RefusalCode, Meaning>> = {
  stopping: 'cancelled',
  callerLeft: 'cancelled',
  kubeletLost: 'unknown',
  concurrency: 'waits',
  interval: 'waits',
  busy: 'waits',
  queueFull: 'waits',
  waitedTooLong: 'waits',
  denied: 'final',
  notRunning: 'final',
};

export function meaningOf(code: RefusalCode): Meaning {
  return MEANINGS[code] ?? 'failed';
}

/** Milliseconds between two tries while a pod is ending: the first, and the longest. */
const URGENT_MS = 250;
const MOST_URGENT_MS = 4_000;

/**
 * How long a container that failed is left alone, in milliseconds: for a part of the time that policy says, so that
 * those which failed together do not come back together.
 * @param failures in a row, 1 or more
 * @param random from 0 to 1
 */
export function waitMs(failures: number, urgent: boolean, random: number): number {
  const most = urgent
    ? Math.min(MOST_URGENT_MS, URGENT_MS * 2 ** Math.min(failures - 1, 10))
    : backoffMs(failures);
  return most * (0.75 + random / 4);
}
