import type { Assembled } from './assemble.ts';
import type { RunningDoor } from './door/main.ts';
import type { CollectorOptions } from './options.ts';
import { type RunningSchedules, runSchedules } from './schedule/main.ts';

/** Takes the checkpoints of schedules through the node's door; null where there is no door, or no cluster. */
export function openSchedules(
  { schedules, nodeName, log, metrics, clock, random }: CollectorOptions,
  { inventory, madeBy, store, takeSchedules, changes }: Assembled,
  door: RunningDoor | null,
): RunningSchedules | null {
  if (schedules === undefined || door === null || nodeName === undefined) return null;
  const running = runSchedules({
    ...schedules,
    ...{ inventory, madeBy, log, node: nodeName, orders: door, state: store },
    onSchedules: takeSchedules,
    ...(metrics && { registry: metrics.registry }),
    ...(clock && { clock }),
    ...(random && { random }),
  });
  changes.add(() => running.directoryChanged());
  return running;
}
