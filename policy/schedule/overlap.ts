import { finding } from '../findings.ts';
import { resourceKey } from '../govern.ts';
import type { Finding } from '../types.ts';
import { mayMeet } from './selector.ts';
import type { Schedule, Triggers } from './types.ts';

/** Schedules that are named; of a hundred others the first few say enough. */
const MOST_NAMED = 3;
/** Schedules of one namespace that are compared: it is done while the API server waits. */
const MOST_COMPARED = 1_000;

/** A warning where other schedules may checkpoint the same container at the same occasion. */
export function overlapFindings(schedule: Schedule, others: Iterable<Schedule>): Finding[] {
  if (!schedule.sound || schedule.paused) return [];
  let compared = 0;
  const rivals: { readonly name: string; readonly occasion: string }[] = [];
  for (const other of others) {
    if (other.namespace !== schedule.namespace) continue;
    if (resourceKey(other.reference) === resourceKey(schedule.reference)) continue;
    if (!other.sound || other.paused) continue;
    compared += 1;
    if (compared > MOST_COMPARED) break;
    if (!meet(schedule, other)) continue;
    const occasion = sharedOccasion(schedule.triggers, other.triggers);
    if (occasion !== null) rivals.push({ name: namedSchedule(other), occasion });
  }
  if (rivals.length === 0) return [];
  const named = rivals.slice(0, MOST_NAMED).map(({ name, occasion }) => `${name} (${occasion})`);
  const more = rivals.length > MOST_NAMED ? ` and ${rivals.length - MOST_NAMED} more` : '';
  const message = `may select containers that are under another schedule already: ${named.join(', ')}${more}; each takes its own checkpoints`;
  const remedy = 'make the selectors or containerNames exclude each other unless both are meant';
  return [finding('overlappingSchedules', 'spec.selector', undefined, message, remedy)];
}

function meet(one: Schedule, other: Schedule): boolean {
  const all = one.containers.length === 0 || other.containers.length === 0;
  return (all || one.containers.some((each) => other.containers.includes(each))) && mayMeet(one, other);
}

/** What both wait for, in a word; null where they never act together. */
function sharedOccasion(one: Triggers, other: Triggers): string | null {
  if (hasClock(one) && hasClock(other)) return 'by the clock';
  if (one.onAnnotation && other.onAnnotation) return 'onAnnotation';
  const disruption = one.disruptions.find((each) => other.disruptions.includes(each));
  if (disruption !== undefined) return disruption;
  if (one.threshold?.cpu && other.threshold?.cpu) return 'cpuPercent';
  return one.threshold?.memory && other.threshold?.memory ? 'memoryPercent' : null;
}

function hasClock({ intervalMs, cron }: Triggers): boolean {
  return intervalMs !== undefined || cron !== undefined;
}

/** `team-a/hourly`, with the file when it came from one. */
function namedSchedule({ reference }: Schedule): string {
  const key = resourceKey(reference);
  return reference.file === undefined ? key : `${key} (${reference.file})`;
}
