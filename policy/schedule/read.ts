import { authorityOf } from '../authority.ts';
import { booleanAt, childFields, countAt, durationAt, type Fields, isLabel } from '../fields.ts';
import { finding, hasErrors } from '../findings.ts';
import { canonicalJson, fieldsOf, isObject, isUnwieldy, type JsonObject, own, text } from '../json.ts';
import { referenceOf, withoutManagedFields } from '../read.ts';
import { envelopeFindings, structureOf } from '../structure.ts';
import type { Authority, Finding } from '../types.ts';
import { MOST_NAMES, SCHEDULE_API_VERSION, SCHEDULE_KIND, SCHEDULE_SPEC } from './schema.ts';
import { readSelector } from './selector.ts';
import { readTriggers } from './triggers.ts';
import type { Retain, Schedule, Triggers } from './types.ts';

export interface ReadScheduleOptions {
  /** The file that the document was read from. */
  readonly file?: string;
  /** A file's word is the administrator's; in a cluster it follows from the resource. */
  readonly authority?: Authority;
}

export interface ScheduleReading {
  /** Null when the document is no such resource at all. One with errors takes nothing (`sound` is false). */
  readonly schedule: Schedule | null;
  /** What one schedule can be told without knowing policies and other schedules. */
  readonly findings: readonly Finding[];
}

const scheduleStructure = structureOf(SCHEDULE_SPEC);

/** Reads one document into a schedule. Everything that is wrong is found in one go. Never throws. */
export function readSchedule(document: unknown, options: ReadScheduleOptions = {}): ScheduleReading {
  const only = (each: Finding): ScheduleReading => ({ schedule: null, findings: [each] });
  if (isUnwieldy(withoutManagedFields(document))) {
    const message = 'is nested too deeply or holds too many values to be a resource';
    return only(finding('wrongType', '', undefined, message, 'write only the fields of the reference'));
  }
  if (!isObject(document)) {
    const remedy = `write a resource with apiVersion: ${SCHEDULE_API_VERSION} and kind: ${SCHEDULE_KIND}`;
    return only(finding('wrongKind', '', document, 'is not a resource', remedy));
  }
  const findings = envelopeFindings(document, SCHEDULE_API_VERSION, SCHEDULE_KIND);
  const otherKind = findings.filter((each) => each.code === 'wrongKind');
  if (otherKind.length > 0) return { schedule: null, findings: otherKind };
  const spec = own(document, 'spec') ?? undefined;
  if (spec === undefined) {
    findings.push(
      finding('required', 'spec', undefined, 'is missing', 'add spec with selector and triggers'),
    );
  } else {
    findings.push(...scheduleStructure(spec));
  }
  const top: Fields = { object: isObject(spec) ? spec : {}, path: 'spec', findings };
  const metadata = fieldsOf(own(document, 'metadata'));
  const reference = referenceOf(metadata, options.file);
  const draft: Omit<Schedule, 'sound' | 'retain'> = {
    reference,
    authority: options.authority ?? scheduleAuthority(document),
    createdAt: Date.parse(text(own(metadata, 'creationTimestamp'))) || 0,
    generation: wholeOr(own(metadata, 'generation'), 0),
    namespace: readNamespace(top) ?? reference.namespace,
    selector: readSelector(top),
    containers: readContainers(top),
    paused: booleanAt(top, 'paused') ?? false,
    ...readTiming(top),
  };
  const retain = readRetain(top);
  judgeSnapshots(top);
  const sound = !hasErrors(findings);
  return { schedule: { ...draft, sound, retain: sound ? retain : { min: 0 } }, findings };
}

/** In another namespace only an administrator's schedule was admitted; in its own the webhook's annotation tells. */
function scheduleAuthority(document: JsonObject): Authority {
  return isBeyondNamespace(document) ? 'administrator' : authorityOf({ metadata: own(document, 'metadata') });
}

/** True where a schedule selects pods of another namespace than its own: to write it takes the verb `govern`. */
export function isBeyondNamespace(document: JsonObject): boolean {
  const namespace = text(own(fieldsOf(own(document, 'metadata')), 'namespace')) || 'default';
  const selected = own(fieldsOf(own(document, 'spec')), 'namespace');
  return selected !== undefined && selected !== namespace;
}

function wholeOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : otherwise;
}

function readNamespace(top: Fields): string | undefined {
  const value = own(top.object, 'namespace');
  if (typeof value !== 'string') return undefined;
  if (isLabel(value)) return value;
  const remedy = 'write the name of one namespace, without wildcards';
  top.findings.push(
    finding('badName', 'spec.namespace', value, 'is no name that a namespace can have', remedy),
  );
  return undefined;
}

function readContainers(top: Fields): string[] {
  const listed = own(top.object, 'containerNames');
  if (!Array.isArray(listed)) return [];
  const names: string[] = [];
  // That there are too many has been found already.
  listed.slice(0, MOST_NAMES).forEach((value: unknown, index) => {
    if (typeof value !== 'string') return;
    names.push(value);
    if (isLabel(value)) return;
    const remedy = 'write the name of one container, without wildcards; leave the list out for all';
    const message = 'is no name that a container can have';
    top.findings.push(finding('badName', `spec.containerNames[${index}]`, value, message, remedy));
  });
  return [...new Set(names)];
}

function readTiming(top: Fields): Pick<Schedule, 'triggers' | 'startingDeadlineMs' | 'jitterMs' | 'timing'> {
  const triggers = readTriggers(top);
  const startingDeadlineMs = durationAt(top, 'startingDeadline');
  const jitterMs = durationAt(top, 'jitter') ?? 0;
  const { intervalMs, cron } = triggers;
  const hasClock = intervalMs !== undefined || cron !== undefined;
  const value = (key: string) => own(top.object, key);
  for (const key of ['startingDeadline', 'jitter']) {
    const clocks = fieldsOf(own(top.object, 'triggers'));
    if (
      value(key) === undefined ||
      own(clocks, 'interval') !== undefined ||
      own(clocks, 'cron') !== undefined
    )
      continue;
    const message = 'has no effect without interval or cron';
    top.findings.push(
      finding('noEffect', `spec.${key}`, value(key), message, 'add one of the two, or remove it'),
    );
  }
  if (startingDeadlineMs !== undefined && startingDeadlineMs < 1_000) {
    const message = 'is under a second and would drop every run';
    const remedy = 'write for example 5m, or leave it out';
    top.findings.push(
      finding('outOfRange', 'spec.startingDeadline', value('startingDeadline'), message, remedy),
    );
  }
  const gap = shortestGapMs(triggers);
  if (hasClock && jitterMs > 0 && jitterMs >= gap) {
    const message = 'is not shorter than the time between two runs';
    const remedy = 'write a part of it, such as a tenth';
    top.findings.push(finding('limitsContradict', 'spec.jitter', value('jitter'), message, remedy));
  }
  return {
    triggers,
    jitterMs,
    timing: canonicalJson([intervalMs ?? null, cron?.expression ?? null, cron?.timeZone ?? null, jitterMs]),
    ...(startingDeadlineMs !== undefined && { startingDeadlineMs }),
  };
}

/** The least time between two runs by the clock, in milliseconds; Infinity where there is none. */
export function shortestGapMs({ intervalMs, cron }: Triggers): number {
  return Math.min(intervalMs ?? Number.POSITIVE_INFINITY, cron?.shortestGapMs ?? Number.POSITIVE_INFINITY);
}

function readRetain(top: Fields): Retain {
  const fields = childFields(top, 'retain');
  if (fields === undefined) return { min: 0 };
  const max = countAt(fields, 'max', 'leave it out where no number is to be kept to');
  const min = wholeOr(own(fields.object, 'min'), 0);
  if (max !== undefined && min > max) {
    const message = `holds more archives than max (${max}) allows`;
    fields.findings.push(
      finding('limitsContradict', 'spec.retain.min', min, message, 'lower min or raise max'),
    );
  }
  return { min: Math.max(0, min), ...(max !== undefined && { max }) };
}

function judgeSnapshots(top: Fields): void {
  const fields = childFields(top, 'volumeSnapshots');
  if (fields === undefined || booleanAt(fields, 'enabled') !== true) return;
  durationAt(fields, 'readyTimeout');
  const isRequired = own(fields.object, 'failurePolicy') === 'Require';
  const [code, field, message] = isRequired
    ? ([
        'notAllowed',
        'failurePolicy',
        'allows no checkpoint without volume snapshots, which are not taken here',
      ] as const)
    : (['noEffect', 'enabled', 'has no effect: volume snapshots are not taken here'] as const);
  const remedy = isRequired
    ? 'write BestEffort, or remove spec.volumeSnapshots'
    : 'remove spec.volumeSnapshots';
  top.findings.push(finding(code, `${fields.path}.${field}`, own(fields.object, field), message, remedy));
}
