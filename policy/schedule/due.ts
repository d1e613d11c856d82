import type { Instant } from '../types.ts';
import type { Due, History, Schedule, ScheduledContainer } from './types.ts';

/**
 * Whether a run by the clock (`interval` or `cron`) is due for a container, and when to ask again. Nodes, restarts and
 * replicas agree: nothing but the arguments counts. Of several missed runs only the last is made up.
 */
export function due(schedule: Schedule, container: ScheduledContainer, history: History, now: Instant): Due {
  throw new Error(`to come: ${schedule.timing} ${container.pod} ${history.since} ${now}`);
}

/**
 * How long a container that failed is left alone, in milliseconds: 30 s after the first failure in a row, doubling up
 * to an hour, never longer than until the next run would be due anyway.
 * @param failures in a row, 1 or more
 */
export function backoffMs(failures: number): number {
  return Math.min(3_600_000, 30_000 * 2 ** Math.min(failures - 1, 10));
}
