import { fieldsOf, isObject, type JsonObject, own, text } from '../../policy/json.ts';
import type { Pending, Remembered, ScheduleMemory, Taken } from './memory.ts';
import { isTrigger } from './triggers.ts';

/** Reads what an earlier process has kept; nothing, where it is of another version. */
export function readRemembered(document: unknown, version: number): Map<string, ScheduleMemory> {
  const schedules = new Map<string, ScheduleMemory>();
  if (!isObject(document) || own(document, 'version') !== version) return schedules;
  for (const [uid, each] of Object.entries(fieldsOf(own(document, 'schedules')))) {
    if (isObject(each)) schedules.set(uid, scheduleIn(uid, each));
  }
  return schedules;
}

function scheduleIn(uid: string, value: JsonObject): ScheduleMemory {
  const counts = fieldsOf(own(value, 'counts'));
  const containers = Object.entries(fieldsOf(own(value, 'containers')));
  return {
    uid,
    name: text(own(value, 'name')),
    timing: text(own(value, 'timing')),
    seenAt: numberIn(value, 'seenAt') ?? 0,
    generation: numberIn(value, 'generation') ?? 0,
    counts: {
      taken: numberIn(counts, 'taken') ?? 0,
      failed: numberIn(counts, 'failed') ?? 0,
      dropped: numberIn(counts, 'dropped') ?? 0,
    },
    lastTaken: takenIn(own(value, 'lastTaken')),
    containers: new Map(containers.map(([key, each]) => [key, containerIn(fieldsOf(each))])),
  };
}

function containerIn(value: JsonObject): Remembered {
  return {
    namespace: text(own(value, 'namespace')),
    pod: text(own(value, 'pod')),
    lastSlot: numberIn(value, 'lastSlot'),
    notBefore: numberIn(value, 'notBefore'),
    failures: numberIn(value, 'failures') ?? 0,
    annotation: textIn(value, 'annotation'),
    disrupted: own(value, 'disrupted') === true,
    tries: numberIn(value, 'tries') ?? 0,
    pending: pendingIn(own(value, 'pending')),
    error: errorIn(own(value, 'error')),
  };
}

function pendingIn(value: unknown): Pending | null {
  const fields = fieldsOf(value);
  const [at, trigger] = [numberIn(fields, 'at'), own(fields, 'trigger')];
  if (at === null || !isTrigger(trigger)) return null;
  return { at, trigger, slot: numberIn(fields, 'slot'), annotation: textIn(fields, 'annotation') };
}

function takenIn(value: unknown): Taken | null {
  const fields = fieldsOf(value);
  const [at, trigger] = [numberIn(fields, 'at'), own(fields, 'trigger')];
  return at === null || !isTrigger(trigger) ? null : { at, trigger, file: text(own(fields, 'file')) };
}

function errorIn(value: unknown): Remembered['error'] {
  const fields = fieldsOf(value);
  const at = numberIn(fields, 'at');
  return at === null ? null : { at, code: text(own(fields, 'code')), message: text(own(fields, 'message')) };
}

function numberIn(value: JsonObject, key: string): number | null {
  const found = own(value, key);
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}

function textIn(value: JsonObject, key: string): string | null {
  const found = own(value, key);
  return typeof found === 'string' ? found : null;
}
