import type { EventNews } from '../kube/events.ts';
import { SCHEDULE_API_VERSION, SCHEDULE_KIND } from '../policy/schedule/schema.ts';
import type { Assembled } from './assemble.ts';
import type { RunningDoor } from './door/main.ts';
import type { CollectorOptions } from './options.ts';
import { type RunningSchedules, runSchedules } from './schedule/main.ts';
import type { ScheduleNews } from './schedule/telling.ts';

/** Takes the checkpoints of schedules through the node's door; null where there is no door, or no cluster. */
export function openSchedules(
  { schedules, nodeName, log, metrics, clock, random, events }: CollectorOptions,
  { inventory, madeBy, store, takeSchedules, changes }: Assembled,
  door: RunningDoor | null,
): RunningSchedules | null {
  if (schedules === undefined || door === null || nodeName === undefined) return null;
  const running = runSchedules({
    ...schedules,
    ...{ inventory, madeBy, log, node: nodeName, orders: door, state: store },
    onSchedules: takeSchedules,
    ...(events && { onNews: (news) => events.tell(eventOf(news)) }),
    ...(metrics && { registry: metrics.registry }),
    ...(clock && { clock }),
    ...(random && { random }),
  });
  changes.add(() => running.directoryChanged());
  return running;
}

function eventOf({ schedule, type, reason, message }: ScheduleNews): EventNews {
  const [namespace = '', name = ''] = schedule.name.split('/');
  const about = { apiVersion: SCHEDULE_API_VERSION, kind: SCHEDULE_KIND, namespace, name };
  return { about: { ...about, uid: schedule.uid }, type, reason, action: 'Checkpoint', note: message };
}
