import type { Instant } from '../types.ts';
import type { Due, History, Schedule, ScheduledContainer } from './types.ts';

/**
 * Whether a run by the clock (`interval` or `cron`) is due for a container, and when to ask again. Nodes, restarts and
 * replicas agree: nothing but the arguments counts. Of several missed runs only the last is made up, and none whose
 * time was before `history.since`.
 */
export function due(schedule: Schedule, container: ScheduledContainer, history: History, now: Instant): Due {
  if (schedule.paused || !schedule.sound) return { now: false, next: null };
  const offset = jitterOf(schedule, container);
  const next = nextRun(schedule, now - offset);
  if (next === null) return { now: false, next: null };
  const last = lastRun(schedule, now - offset);
  const slot = last === null ? null : last.at + offset;
  const nextAt = next + offset;
  if (last === null || slot === null || slot < history.since || slot <= (history.lastSlot ?? slot - 1)) {
    return { now: false, next: nextAt };
  }
  const { startingDeadlineMs } = schedule;
  const deadline = startingDeadlineMs === undefined ? nextAt : slot + startingDeadlineMs;
  if (now > deadline) return { now: false, next: nextAt, dropped: slot };
  if (history.notBefore !== null && now < history.notBefore) {
    return { now: false, next: Math.min(history.notBefore, nextAt, deadline + 1) };
  }
  return { now: true, trigger: last.trigger, slot, next: nextAt };
}

/**
 * How long a container that failed is left alone, in milliseconds: 30 s after the first failure in a row, doubling up
 * to an hour.
 * @param failures in a row, 1 or more
 */
export function backoffMs(failures: number): number {
  return Math.min(3_600_000, 30_000 * 2 ** Math.min(Math.max(failures, 1) - 1, 10));
}

/** What a container's runs are put off by, in whole milliseconds, less than `jitterMs`. */
export function jitterOf(
  { jitterMs, reference }: Pick<Schedule, 'jitterMs' | 'reference'>,
  { namespace, pod, container }: ScheduledContainer,
): number {
  if (jitterMs === 0) return 0;
  const whose = reference.uid ?? `${reference.namespace}/${reference.name}`;
  return Math.floor((hash(`${whose}/${namespace}/${pod}/${container}`) / 2 ** 32) * jitterMs);
}

interface Run {
  readonly at: Instant;
  readonly trigger: 'interval' | 'cron';
}

/** The last run at or before an instant, jitter apart. */
function lastRun({ createdAt, triggers: { intervalMs, cron } }: Schedule, at: Instant): Run | null {
  const times = intervalMs === undefined ? 0 : Math.floor((at - createdAt) / intervalMs);
  const byInterval = intervalMs !== undefined && times >= 1 ? createdAt + times * intervalMs : null;
  const byCron = cron?.previous(at) ?? null;
  if (byCron !== null && byCron >= (byInterval ?? byCron)) return { at: byCron, trigger: 'cron' };
  return byInterval === null ? null : { at: byInterval, trigger: 'interval' };
}

/** The first run after an instant, jitter apart; null where no clock triggers. */
function nextRun({ createdAt, triggers: { intervalMs, cron } }: Schedule, after: Instant): Instant | null {
  const byCron = cron?.next(after) ?? null;
  if (intervalMs === undefined) return byCron;
  const byInterval = createdAt + Math.max(1, Math.floor((after - createdAt) / intervalMs) + 1) * intervalMs;
  return byCron === null ? byInterval : Math.min(byCron, byInterval);
}

/** FNV-1a with the finish of MurmurHash3, so that names which differ in their last letter fall far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
