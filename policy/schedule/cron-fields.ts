import { counted } from '../count.ts';

/** The five fields of a cron expression, each as the values that it takes. */
export interface CronFields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** Whether the field begins with `*`: then it does not restrict the other one of the two. */
  readonly anyDay: boolean;
  readonly anyWeekday: boolean;
  /** The hour field begins with `*`: the expression goes by elapsed time when clocks change. */
  readonly anyHour: boolean;
}

interface Range {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Names of the values from `from` on. */
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE: Range = { name: 'minute', from: 0, to: 59, names: [] };
const HOUR: Range = { name: 'hour', from: 0, to: 23, names: [] };
const DAY: Range = { name: 'day of month', from: 1, to: 31, names: [] };
const MONTH: Range = { name: 'month', from: 1, to: 12, names: MONTHS };
const WEEKDAY: Range = { name: 'day of week', from: 0, to: 7, names: WEEKDAYS };

const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const LONGEST = 256;
const DAYS_IN = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Why an expression is none, to be read behind the field; and what to do about it. */
export class CronFault extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** Parses the five standard fields, or `@daily` and the like. @throws CronFault */
export function parseCronFields(expression: string): CronFields {
  const text = expression.trim();
  if (text.length > LONGEST) throw new CronFault('is too long for a cron expression', EXAMPLE);
  if (/^(CRON_)?TZ=/.test(text)) {
    throw new CronFault(
      'names a time zone within the expression',
      'write it as triggers.timeZone: Europe/Berlin',
    );
  }
  const expanded = text.startsWith('@') && Object.hasOwn(MACROS, text) ? (MACROS[text] ?? '') : text;
  if (expanded.startsWith('@')) {
    throw new CronFault(
      'is no name of a cron expression',
      `write ${Object.keys(MACROS).join(', ')}, or five fields`,
    );
  }
  const fields = expanded.split(/\s+/);
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  if (fields.length !== 5) {
    const had = text === '' ? 'is empty' : `has ${counted(fields.length, 'field')}, not five`;
    throw new CronFault(had, EXAMPLE);
  }
  const parsed: CronFields = {
    minutes: valuesOf(minute, MINUTE),
    hours: valuesOf(hour, HOUR),
    days: new Set(valuesOf(day, DAY)),
    months: new Set(valuesOf(month, MONTH)),
    weekdays: new Set(valuesOf(weekday, WEEKDAY).map((each) => each % 7)),
    anyDay: isAny(day),
    anyWeekday: isAny(weekday),
    anyHour: isAny(hour),
  };
  if (!everComes(parsed)) throw new CronFault('never comes', 'write a day that one of the months has');
  return parsed;
}

const EXAMPLE =
  'write minute, hour, day of month, month and day of week: "0 3 * * *" is every night at three';

/** As cron does it: a field that begins with `*` is one that does not restrict, steps over all among them. */
function isAny(field: string): boolean {
  return field.startsWith('*') || field.startsWith('?');
}

function everComes({ days, months, anyDay, anyWeekday }: CronFields): boolean {
  if (!anyWeekday && !anyDay) return true;
  return [...months].some((month) => [...days].some((day) => day <= (DAYS_IN[month - 1] ?? 0)));
}

/** Sorted, each once. */
function valuesOf(field: string, range: Range): number[] {
  const values = new Set<number>();
  for (const part of field.split(',')) for (const value of partOf(part, range)) values.add(value);
  return [...values].sort((one, other) => one - other);
}

/** `*`, `5`, `mon`, `1-5`, each with `/2` behind it; `5/15` goes from 5 to the end. */
function partOf(part: string, range: Range): number[] {
  const match = /^(\*|\?|[0-9a-z]{1,4})(?:-([0-9a-z]{1,4}))?(?:\/(\d{1,2}))?$/i.exec(part);
  const [, first = '', last, stepText] = match ?? [];
  const isStar = first === '*' || first === '?';
  if (match === null || (isStar && last !== undefined)) throw notField(part, range);
  const step = stepText === undefined ? 1 : Number(stepText);
  if (step === 0)
    throw new CronFault(`has the step 0 in its field ${range.name}`, 'write a step of 1 or more');
  // Seven is Sunday once more, and no end of `*` or of `5/2`.
  const end = range === WEEKDAY ? 6 : range.to;
  const from = isStar ? range.from : numberOf(first, range);
  const to =
    last !== undefined
      ? numberOf(last, range)
      : isStar || stepText !== undefined
        ? Math.max(end, from)
        : from;
  if (to < from) {
    throw new CronFault(
      `has ${JSON.stringify(part)} in its field ${range.name}, which ends before it begins`,
      `write it as two: ${first}-${end},${range.from}-${last}`,
    );
  }
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

function numberOf(text: string, range: Range): number {
  const named = range.names.indexOf(text.toLowerCase());
  if (named !== -1) return range.from + named;
  if (!/^\d+$/.test(text)) throw notField(text, range);
  const value = Number(text);
  if (value < range.from || value > range.to) throw notField(text, range);
  return value;
}

function notField(part: string, { name, from, to, names }: Range): CronFault {
  const shown = JSON.stringify(part.slice(0, 40));
  const takes = names.length > 0 ? `${from} to ${to} or ${names[0]} to ${names.at(-1)}` : `${from} to ${to}`;
  return new CronFault(
    `has ${shown} in its field ${name}`,
    `that field takes ${takes}, *, lists, ranges and steps`,
  );
}
