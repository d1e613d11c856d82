import type { Instant } from '../types.ts';

/** A parsed cron expression in its time zone. */
export interface Cron {
  /** As it was written. */
  readonly expression: string;
  /** IANA name; `UTC` where none was given. */
  readonly timeZone: string;
  /** The shortest time between two runs, clock changes apart. */
  readonly shortestGapMs: number;
  /** The first run after an instant; null when none comes within some years. */
  next(after: Instant): Instant | null;
  /** The last run at or before an instant; null when there was none for some years. */
  previous(at: Instant): Instant | null;
}
