import type { Instant } from '../types.ts';
import { type CronFields, parseCronFields } from './cron-fields.ts';
import type { Segment, WallTime, Zone } from './zone.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A first of February that is a Monday, asked for by steps, can be a dozen years away. */
const MOST_DAYS = 366 * 30;
const MOST_DAYS_KNOWN = 8;
/** Wall clocks are at most this far from UTC, and change by at most a day. */
const MARGIN = 40 * HOUR;

/**
 * A parsed cron expression in its time zone. When clocks change, an expression whose hour field begins with `*` goes
 * by elapsed time: each minute of the wall clock that it names, as often as it is shown. One that names hours runs once
 * at each: what falls into the gap runs at the gap's end, and of an hour that comes twice the first counts.
 */
export class Cron {
  /** As it was written. */
  readonly expression: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly #fields: CronFields;
  readonly #zone: Zone;
  /** Days that were looked at: those at which a clock changes are dear. */
  readonly #days = new Map<WallTime, Iterable<Instant>>();
  /** The last answer, and between which runs it holds: all containers of a schedule ask the same. */
  #window: { readonly previous: Instant; readonly next: Instant } | null = null;

  /** @throws CronFault */
  constructor(expression: string, zone: Zone) {
    this.expression = expression;
    this.timeZone = zone.name;
    this.#fields = parseCronFields(expression);
    this.#zone = zone;
  }

  /** The shortest time between two runs, clock changes apart, in milliseconds. */
  get shortestGapMs(): number {
    const { hours, minutes } = this.#fields;
    const times = hours.flatMap((hour) => minutes.map((minute) => hour * HOUR + minute * MINUTE));
    const [first = 0] = times;
    // The first run of the next day, which may not be one of the expression's: the gap is then longer.
    return Math.min(
      DAY,
      ...[...times.slice(1), first + DAY].map((time, index) => time - (times[index] ?? 0)),
    );
  }

  /** The first run after an instant; null when none comes within thirty years. */
  next(after: Instant): Instant | null {
    if (this.#window !== null && this.#window.previous <= after && after < this.#window.next) {
      return this.#window.next;
    }
    const next = this.#search(after, 1);
    const previous = next === null ? null : this.#search(after, -1);
    if (next !== null && previous !== null) this.#window = { previous, next };
    return next;
  }

  /** The last run at or before an instant; null when there was none for thirty years. */
  previous(at: Instant): Instant | null {
    if (this.#window !== null && this.#window.previous <= at && at < this.#window.next) {
      return this.#window.previous;
    }
    return this.#search(at, -1);
  }

  /** The nearest run after `at` (1), or at or before it (-1). */
  #search(at: Instant, direction: 1 | -1): Instant | null {
    const today = Math.floor(this.#zone.wall(at) / DAY) * DAY;
    let found: Instant | null = null;
    let left = 1;
    // From a day before: where a clock is set back over midnight, a day's last hour comes after the next day's first.
    for (let index = -1; index < MOST_DAYS && left > 0; index += 1) {
      // Once found, the day behind may hold one that is nearer.
      if (found !== null) left -= 1;
      for (const run of this.#runsOf(today + direction * index * DAY)) {
        if (direction === 1 ? run <= at : run > at) continue;
        if (found === null || (direction === 1 ? run < found : run > found)) found = run;
      }
    }
    return found;
  }

  /** The runs of a day of the wall clock, in no order. @param day its midnight */
  #runsOf(day: WallTime): Iterable<Instant> {
    if (!this.#isOn(day)) return [];
    const known = this.#days.get(day);
    if (known !== undefined) return known;
    const runs = this.#runsOn(day);
    if (this.#days.size >= MOST_DAYS_KNOWN) this.#days.clear();
    this.#days.set(day, runs);
    return runs;
  }

  #runsOn(day: WallTime): Iterable<Instant> {
    const [from, to] = [day - MARGIN, day + DAY + MARGIN];
    if (this.#zone.offset(from) === this.#zone.offset(to)) {
      const offset = this.#zone.offset(from);
      return this.#timesOf(day).map((time) => time - offset);
    }
    const segments = this.#zone.segments(from, to);
    const { anyHour } = this.#fields;
    const runs = new Set<Instant>();
    for (const time of this.#timesOf(day)) {
      const shown = segments.filter(
        (each) => time >= each.from + each.offset && time < each.to + each.offset,
      );
      for (const { offset } of anyHour ? shown : shown.slice(0, 1)) runs.add(time - offset);
      const gap = shown.length === 0 && !anyHour ? gapEnd(time, segments) : null;
      if (gap !== null) runs.add(gap);
    }
    return runs;
  }

  #timesOf(day: WallTime): WallTime[] {
    const { hours, minutes } = this.#fields;
    return hours.flatMap((hour) => minutes.map((minute) => day + hour * HOUR + minute * MINUTE));
  }

  /** Where both day fields restrict, either is enough: so the standard says. */
  #isOn(day: WallTime): boolean {
    const { days, months, weekdays, anyDay, anyWeekday } = this.#fields;
    const date = new Date(day);
    if (!months.has(date.getUTCMonth() + 1)) return false;
    const [onDay, onWeekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
    return anyDay || anyWeekday ? onDay && onWeekday : onDay || onWeekday;
  }
}

/** When the clock jumps over a wall time. */
function gapEnd(time: WallTime, segments: readonly Segment[]): Instant | null {
  const next = segments.find((each, index) => {
    const before = segments[index - 1];
    return before !== undefined && time >= before.to + before.offset && time < each.from + each.offset;
  });
  return next?.from ?? null;
}
