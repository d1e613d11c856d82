import { booleanAt, childFields, durationAt, type Fields } from '../fields.ts';
import { finding } from '../findings.ts';
import { own } from '../json.ts';
import { Cron } from './cron.ts';
import { CronFault } from './cron-fields.ts';
import { DEFAULT_POLL_SECONDS, DEFAULT_TIME_ZONE, DISRUPTIONS } from './schema.ts';
import type { Bounds, ResourceThreshold, Triggers } from './types.ts';
import { Zone } from './zone.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** What makes the schedule act. What is wrong with it goes into the findings. */
export function readTriggers(top: Fields): Triggers {
  const fields = childFields(top, 'triggers');
  if (fields === undefined) return { onAnnotation: false, disruptions: [] };
  const intervalMs = readInterval(fields);
  const cron = readCron(fields);
  const threshold = readThreshold(fields);
  const listed = own(fields.object, 'onKubernetesEvents');
  const triggers: Triggers = {
    onAnnotation: booleanAt(fields, 'onAnnotation') ?? false,
    disruptions: Array.isArray(listed) ? DISRUPTIONS.filter((each) => listed.includes(each)) : [],
    ...(intervalMs !== undefined && { intervalMs }),
    ...(cron !== undefined && { cron }),
    ...(threshold !== undefined && { threshold }),
  };
  warnOfNone(fields, triggers);
  return triggers;
}

function warnOfNone(fields: Fields, { onAnnotation }: Triggers): void {
  const events = own(fields.object, 'onKubernetesEvents');
  const written = ['interval', 'cron', 'resourceThreshold'].some(
    (key) => own(fields.object, key) !== undefined,
  );
  if (written || onAnnotation || (Array.isArray(events) && events.length > 0)) return;
  const remedy = 'add interval, cron, onAnnotation, resourceThreshold or onKubernetesEvents';
  fields.findings.push(
    finding(
      'neverTriggers',
      fields.path,
      undefined,
      'has no trigger, so no checkpoint is ever taken',
      remedy,
    ),
  );
}

function readInterval(fields: Fields): number | undefined {
  const ms = durationAt(fields, 'interval');
  if (ms === undefined || ms >= MINUTE) return ms;
  const field = `${fields.path}.interval`;
  const value = own(fields.object, 'interval');
  if (ms >= SECOND) {
    const message = 'checkpoints every container more than once a minute, and it stands still meanwhile';
    fields.findings.push(
      finding('shortInterval', field, value, message, 'write 5m or more unless that is meant'),
    );
    return ms;
  }
  fields.findings.push(finding('outOfRange', field, value, 'is under a second', 'write for example 15m'));
  return undefined;
}

function readCron(fields: Fields): Cron | undefined {
  const [expression, given] = [own(fields.object, 'cron'), own(fields.object, 'timeZone')];
  const zone = Zone.of(typeof given === 'string' ? given : DEFAULT_TIME_ZONE);
  if (zone === undefined) {
    const remedy = 'write a name such as Europe/Berlin, America/New_York or UTC';
    const message = 'is no time zone that is known here';
    fields.findings.push(finding('badTimeZone', `${fields.path}.timeZone`, given, message, remedy));
  }
  if (typeof expression !== 'string') {
    if (expression !== undefined || given === undefined) return undefined;
    const message = 'has no effect without cron';
    fields.findings.push(
      finding('noEffect', `${fields.path}.timeZone`, given, message, 'add cron, or remove it'),
    );
    return undefined;
  }
  const field = `${fields.path}.cron`;
  try {
    const cron = new Cron(expression, zone ?? Zone.utc);
    if (cron.shortestGapMs <= MINUTE) {
      const message = 'checkpoints every container once a minute, and it stands still meanwhile';
      fields.findings.push(
        finding('shortInterval', field, expression, message, 'write */5 for every five minutes'),
      );
    }
    return zone && cron;
  } catch (error) {
    if (!(error instanceof CronFault)) throw error;
    fields.findings.push(finding('badCron', field, expression, error.message, error.remedy));
    return undefined;
  }
}

function readThreshold(top: Fields): ResourceThreshold | undefined {
  const fields = childFields(top, 'resourceThreshold');
  if (fields === undefined) return undefined;
  const [cpu, memory] = [readBounds(fields, 'cpuPercent'), readBounds(fields, 'memoryPercent')];
  const seconds = own(fields.object, 'pollIntervalSeconds');
  if (cpu === undefined && memory === undefined) {
    const remedy = 'add cpuPercent or memoryPercent with upper or lower';
    const message = 'names no bound, so it never triggers';
    fields.findings.push(finding('neverTriggers', fields.path, undefined, message, remedy));
  }
  return {
    pollMs: SECOND * (typeof seconds === 'number' && seconds >= 1 ? seconds : DEFAULT_POLL_SECONDS),
    ...(cpu && { cpu }),
    ...(memory && { memory }),
  };
}

function readBounds(top: Fields, key: 'cpuPercent' | 'memoryPercent'): Bounds | undefined {
  const fields = childFields(top, key);
  if (fields === undefined) return undefined;
  const [lower, upper] = [percentAt(fields, 'lower'), percentAt(fields, 'upper')];
  if (lower !== undefined && upper !== undefined && lower >= upper) {
    const message = `is not below upper (${upper})`;
    fields.findings.push(
      finding('limitsContradict', `${fields.path}.lower`, lower, message, 'lower it, or raise upper'),
    );
  }
  const never = (name: 'lower' | 'upper', why: string, remedy: string) =>
    fields.findings.push(
      finding('neverTriggers', `${fields.path}.${name}`, own(fields.object, name), why, remedy),
    );
  if (upper !== undefined && upper >= 100 && key === 'memoryPercent') {
    never('upper', 'never triggers: at its limit a container is ended', 'write less than 100, such as 80');
  }
  if (lower === 0) never('lower', 'never triggers: no usage is below 0', 'write more than 0, or remove it');
  if (lower === undefined && upper === undefined) return undefined;
  return { ...(lower !== undefined && { lower }), ...(upper !== undefined && { upper }) };
}

function percentAt({ object }: Fields, key: string): number | undefined {
  const value = own(object, key);
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
}
