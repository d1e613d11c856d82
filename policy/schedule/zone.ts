import type { Instant } from '../types.ts';

/** A wall clock's reading, as milliseconds since the epoch of a clock that shows UTC. */
export type WallTime = number;

/** A time between two changes of a zone's clock. */
export interface Segment {
  readonly from: Instant;
  /** Exclusive. */
  readonly to: Instant;
  /** What the wall clock is ahead of UTC, in milliseconds. */
  readonly offset: number;
}

const SECOND = 1_000;
const HOUR = 3_600_000;
const KNOWN = new Map<string, Zone>();
/** Zones are few, each takes some ten kilobytes, and names come from tenants in any case of letters. */
const MOST_KNOWN = 200;

/** A time zone by the data that the runtime brings (`Intl`). */
export class Zone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;

  private constructor(name: string) {
    this.name = name;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'narrow',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  static get utc(): Zone {
    return Zone.of('UTC') ?? new Zone('UTC');
  }

  /** @returns undefined for what is no IANA name; offsets such as `+02:00` are none. */
  static of(name: string): Zone | undefined {
    const known = KNOWN.get(name);
    if (known !== undefined) return known;
    if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
    let zone: Zone;
    try {
      zone = new Zone(name);
    } catch (error) {
      // So does Intl say that it knows no such zone.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
    if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
    KNOWN.set(name, zone);
    return zone;
  }

  /** What the wall clock shows. */
  wall(at: Instant): WallTime {
    return at + this.offset(at);
  }

  /** What the wall clock is ahead of UTC, in milliseconds; whole seconds. */
  offset(at: Instant): number {
    const field: Record<string, string> = {};
    for (const { type, value } of this.#format.formatToParts(at)) field[type] = value;
    const [year, month, day] = [Number(field.year), Number(field.month), Number(field.day)];
    const wall = Date.UTC(
      year,
      month - 1,
      day,
      Number(field.hour),
      Number(field.minute),
      Number(field.second),
    );
    return wall - Math.floor(at / SECOND) * SECOND;
  }

  /** The times of one offset each that make up a period; clocks that change twice within an hour are not seen. */
  segments(from: Instant, to: Instant): readonly Segment[] {
    const segments: Segment[] = [];
    let start = from;
    let offset = this.offset(from);
    for (let at = from; at < to; ) {
      const next = Math.min(at + HOUR, to);
      const after = this.offset(next);
      if (after !== offset) {
        const change = this.#change(at, next, offset);
        segments.push({ from: start, to: change, offset });
        start = change;
        offset = after;
      }
      at = next;
    }
    segments.push({ from: start, to, offset });
    return segments;
  }

  /** The first instant of another offset, to the second. */
  #change(from: Instant, to: Instant, offset: number): Instant {
    let [low, high] = [Math.floor(from / SECOND), Math.floor(to / SECOND)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offset(middle * SECOND) === offset) low = middle;
      else high = middle;
    }
    return high * SECOND;
  }
}
