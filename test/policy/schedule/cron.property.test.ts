import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Cron } from '../../../policy/schedule/cron.ts';
import { Zone } from '../../../policy/schedule/zone.ts';
import { holds } from '../cases.ts';

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

/** Changes of clocks of every kind, as `[zone, about when]`. */
const PLACES = [
  ['UTC', '2026-02-27'],
  ['Europe/Berlin', '2026-03-28'],
  ['Europe/Berlin', '2026-10-24'],
  ['America/New_York', '2026-03-07'],
  ['America/New_York', '2026-10-31'],
  // By half an hour.
  ['Australia/Lord_Howe', '2026-04-04'],
  ['Australia/Lord_Howe', '2026-10-03'],
  // Over midnight, forwards and back.
  ['Africa/Cairo', '2026-04-23'],
  ['Asia/Beirut', '2026-10-24'],
  ['America/Havana', '2026-10-31'],
  ['America/St_Johns', '2010-11-06'],
  // A day that was not.
  ['Pacific/Apia', '2011-12-29'],
  ['Africa/Casablanca', '2026-02-14'],
  ['America/Santiago', '2026-09-05'],
  ['Asia/Kathmandu', '2026-12-30'],
] as const;

interface Minute {
  readonly at: number;
  /** Of a clock that shows UTC. */
  readonly wall: number;
}

/** Each minute of eight days, as the wall clock shows it. */
const minutesOf = new Map(
  PLACES.map(([timeZone, date]) => {
    const format = new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
    const start = Date.parse(date) - 3 * DAY;
    const minutes: Minute[] = [];
    for (let at = start; at < start + 8 * DAY; at += MINUTE) {
      minutes.push({ at, wall: Date.parse(`${format.format(at).replace(' ', 'T')}Z`) });
    }
    return [`${timeZone} ${date}`, minutes] as const;
  }),
);

interface Field {
  readonly text: string;
  readonly takes: (value: number) => boolean;
}

const star: Field = { text: '*', takes: () => true };
const fieldOf = (from: number, to: number): fc.Arbitrary<Field> => {
  const number = fc.integer({ min: from, max: to });
  const pair = fc
    .tuple(number, number)
    .map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const);
  const single = number.map((value): Field => ({ text: `${value}`, takes: (each) => each === value }));
  const step = fc.integer({ min: 1, max: 20 });
  const range = fc.tuple(pair, step).map(
    ([[low, high], by]): Field => ({
      text: `${low}-${high}/${by}`,
      takes: (each) => each >= low && each <= high && (each - low) % by === 0,
    }),
  );
  const stepped = step.map((by): Field => ({ text: `*/${by}`, takes: (each) => (each - from) % by === 0 }));
  const list = fc.array(fc.oneof(single, range), { minLength: 1, maxLength: 4 }).map(
    (parts): Field => ({
      text: parts.map((each) => each.text).join(','),
      takes: (value) => parts.some((each) => each.takes(value)),
    }),
  );
  return fc.oneof({ weight: 2, arbitrary: fc.constant(star) }, stepped, single, list);
};

const expressions = fc.record({
  minute: fieldOf(0, 59),
  // Clocks change early in the day.
  hour: fc.oneof(fieldOf(0, 23), fieldOf(0, 4)),
  day: fc.oneof({ weight: 3, arbitrary: fc.constant(star) }, fieldOf(1, 28)),
  month: fc.oneof({ weight: 5, arbitrary: fc.constant(star) }, fieldOf(1, 12)),
  weekday: fc.oneof({ weight: 3, arbitrary: fc.constant(star) }, fieldOf(0, 6)),
});

type Expression = typeof expressions extends fc.Arbitrary<infer T> ? T : never;

/** What cron(8) says, minute by minute. */
function runsOf({ minute, hour, day, month, weekday }: Expression, minutes: readonly Minute[]): number[] {
  const matches = (wall: number) => {
    const date = new Date(wall);
    const onDay = day.takes(date.getUTCDate());
    const onWeekday = weekday.takes(date.getUTCDay());
    const either = !day.text.startsWith('*') && !weekday.text.startsWith('*');
    return (
      minute.takes(date.getUTCMinutes()) &&
      hour.takes(date.getUTCHours()) &&
      month.takes(date.getUTCMonth() + 1) &&
      (either ? onDay || onWeekday : onDay && onWeekday)
    );
  };
  if (hour.text.startsWith('*')) return minutes.filter(({ wall }) => matches(wall)).map(({ at }) => at);
  const runs: number[] = [];
  let shown = (minutes[0]?.wall ?? 0) - MINUTE;
  for (const { at, wall } of minutes) {
    // What the clock has shown before it was set back does not count again; what it jumped over counts now.
    let runsNow = false;
    for (let time = shown + MINUTE; time <= wall; time += MINUTE) runsNow ||= matches(time);
    if (runsNow) runs.push(at);
    shown = Math.max(shown, wall);
  }
  return runs;
}

const cases = fc.record({
  place: fc.constantFrom(...PLACES),
  expression: expressions,
  at: fc.nat(3 * 1_440),
});

let runs = 0;
holds(
  'the next and the last run are those that a walk through every minute finds, whatever the clocks do',
  cases,
  ({ place, expression, at }) => {
    const [timeZone, date] = place;
    const { minute, hour, day, month, weekday } = expression;
    const text = [minute, hour, day, month, weekday].map((each) => each.text).join(' ');
    const zone = Zone.of(timeZone);
    assert(zone);
    const minutes = minutesOf.get(`${timeZone} ${date}`) ?? [];
    const expected = runsOf(expression, minutes);
    const [first, last] = [minutes[0], minutes.at(-1)];
    assert(first && last);
    const cron = new Cron(text, zone);
    const now = Date.parse(date) - DAY + at * MINUTE + 31_000;
    const next = expected.find((each) => each > now);
    const previous = expected.findLast((each) => each <= now);
    const [ours, before] = [cron.next(now), cron.previous(now)];
    if (next !== undefined) assert.equal(ours, next, text);
    else assert(ours === null || ours > last.at, text);
    if (previous !== undefined) assert.equal(before, previous, text);
    else assert(before === null || before < first.at, text);
    if (next !== undefined && previous !== undefined) {
      runs += 1;
      const after = expected.filter((each) => each > now).slice(0, 30);
      const found: (number | null)[] = [];
      for (const _ of after) found.push(cron.next(found.at(-1) ?? now));
      assert.deepEqual(found, after, text);
      // From a run itself, too, which is the last one at its own time.
      assert.equal(new Cron(text, zone).previous(next), next, text);
      assert.equal(new Cron(text, zone).next(previous), next, text);
    }
  },
  { share: 0.15, afterwards: (count) => assert(runs > count / 4, `only ${runs} of ${count} had a run`) },
);
