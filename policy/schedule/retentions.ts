import type { Authority } from '../types.ts';
import { scheduleKey } from './retain.ts';
import type { Retain, Schedule } from './types.ts';

export interface Retention {
  readonly retain: Retain;
  /** A tenant's floor gives way to an administrator's policy. */
  readonly authority: Authority;
}

/** Holds every archive that a schedule made, while nobody knows what the schedules say. */
const ALL: Retention = { retain: { min: Number.POSITIVE_INFINITY }, authority: 'administrator' };

/** What the schedules keep of the archives that they had made; changes in place, and all plans look here. */
export class Retentions {
  #byKey: ReadonlyMap<string, Retention> | null;

  /** @param schedules null: not known yet; then nothing that a schedule made goes by a limit. */
  constructor(schedules: Iterable<Schedule> | null = []) {
    this.#byKey = null;
    if (schedules !== null) this.take(schedules);
  }

  get isKnown(): boolean {
    return this.#byKey !== null;
  }

  /** True when nobody keeps anything, as without schedules. */
  get isEmpty(): boolean {
    return this.#byKey?.size === 0;
  }

  /** Takes all schedules that there are. One with errors keeps and limits nothing. @returns whether anything changed. */
  take(schedules: Iterable<Schedule>): boolean {
    const before = this.#byKey;
    const after = new Map<string, Retention>();
    for (const each of schedules) {
      const { retain, authority } = each;
      if (retain.min > 0 || retain.max !== undefined) after.set(scheduleKey(each), { retain, authority });
    }
    this.#byKey = after;
    return before === null || !isSame(before, after);
  }

  /** @param madeBy `Archive.madeBy` */
  of(madeBy: string): Retention | undefined {
    return this.#byKey === null ? ALL : this.#byKey.get(madeBy);
  }
}

function isSame(one: ReadonlyMap<string, Retention>, other: ReadonlyMap<string, Retention>): boolean {
  if (one.size !== other.size) return false;
  for (const [key, { retain, authority }] of one) {
    const each = other.get(key);
    if (each === undefined || each.authority !== authority) return false;
    if (each.retain.min !== retain.min || each.retain.max !== retain.max) return false;
  }
  return true;
}
