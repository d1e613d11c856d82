import type { SeenSchedule } from './main.ts';
import type { Remembered, ScheduleMemories } from './memory.ts';
import { uidOf } from './memory.ts';
import type { Reported } from './reporter.ts';
import type { Runner } from './runner.ts';
import { entryOf } from './status.ts';

/** What this node has to say of each schedule now. */
export function reportedNow(
  node: string,
  seen: readonly SeenSchedule[],
  { targets, nextRuns }: Pick<Runner, 'targets' | 'nextRuns'>,
  memories: ScheduleMemories,
): readonly Reported[] {
  const selected = new Map<string, Map<string, Remembered>>();
  for (const { schedule, key, remembered } of targets) {
    const uid = uidOf(schedule);
    const own = selected.get(uid) ?? new Map<string, Remembered>();
    own.set(key, remembered);
    selected.set(uid, own);
  }
  return seen.flatMap(({ schedule, entries }) => {
    const uid = uidOf(schedule);
    const memory = memories.peek(schedule);
    if (memory === null) return [];
    const own = selected.get(uid) ?? new Map<string, Remembered>();
    const { taken, failed, dropped } = memory.counts;
    const hasToDo = own.size > 0 || taken + failed + dropped > 0;
    const nextAt = nextRuns.get(uid) ?? null;
    const entry = hasToDo ? entryOf({ node, memory, selected: own, nextAt }) : null;
    return [{ schedule, memory, entry, seen: entries }];
  });
}
