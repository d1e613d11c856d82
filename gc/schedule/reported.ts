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
  return seen.map(({ schedule, entries }) => {
    const memory = memories.peek(schedule);
    const reported = { schedule, seen: entries };
    if (memory === null) return { ...reported, own: null };
    const uid = uidOf(schedule);
    const chosen = selected.get(uid) ?? new Map<string, Remembered>();
    const nextAt = nextRuns.get(uid) ?? null;
    return { ...reported, own: { memory, entry: entryOf({ node, memory, selected: chosen, nextAt }) } };
  });
}
