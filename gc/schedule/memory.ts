import type { Schedule, Trigger } from '../../policy/schedule/types.ts';
import type { Instant } from '../../policy/types.ts';
import type { StateStore } from '../system/state.ts';
import { readRemembered } from './memory-file.ts';

/** A checkpoint that was asked for, and of which nobody knows yet what has become. */
export interface Pending {
  readonly trigger: Trigger;
  /** The run's own time, of a run by the clock. */
  readonly slot: Instant | null;
  /** The annotation's value, where that triggered it. */
  readonly annotation: string | null;
  /** When it was asked for: an archive of it begins then or later. */
  readonly at: Instant;
}

export interface Taken {
  readonly at: Instant;
  readonly trigger: Trigger;
  readonly file: string;
}

/** What is remembered of one container under one schedule. */
export interface Remembered {
  readonly namespace: string;
  readonly pod: string;
  /** `slot` of the last run by the clock that was taken or dropped. */
  lastSlot: Instant | null;
  /** Not tried again before this. */
  notBefore: Instant | null;
  /** In a row. */
  failures: number;
  /** The value of the annotation that was answered. */
  annotation: string | null;
  /** The pod's end was answered, or could not be. */
  disrupted: boolean;
  /** How often that was tried. */
  tries: number;
  pending: Pending | null;
  /** Until the next one that is taken. */
  error: { readonly at: Instant; readonly code: string; readonly message: string } | null;
}

/** What is remembered of one schedule on this node. */
export interface ScheduleMemory {
  /** `shop/nightly` */
  readonly name: string;
  readonly uid: string;
  timing: string;
  /** When this timing was first seen: runs before it are not made up. */
  seenAt: Instant;
  generation: number;
  /** Since it was first seen here. */
  counts: { taken: number; failed: number; dropped: number };
  lastTaken: Taken | null;
  /** By `podUid/container`. */
  readonly containers: Map<string, Remembered>;
}

const DOCUMENT = 'schedules.json';
const VERSION = 1;
/** No backoff is as long. */
const LONGEST_WAIT_MS = 2 * 3_600_000;

/**
 * What outlives the process, so that nothing is taken twice: each checkpoint is written down before it is asked for
 * and when its end is known. By the schedule's UID, the pod's UID and the container.
 */
export class ScheduleMemories {
  readonly #store: StateStore;
  readonly #schedules: Map<string, ScheduleMemory>;
  #isDirty = false;

  /** @param now what the store has from a later time is of a clock that was set back since. */
  constructor(store: StateStore, now: Instant) {
    this.#store = store;
    this.#schedules = readRemembered(store.read(DOCUMENT), VERSION);
    this.distrust(now, (memory) => goesByLaterClock(memory, now));
  }

  /** What is remembered of a schedule; an edit forgets what it makes void. */
  of(schedule: Schedule, now: Instant): ScheduleMemory {
    const key = uidOf(schedule);
    const { timing, generation } = schedule;
    let memory = this.#schedules.get(key);
    if (memory === undefined) {
      const { namespace, name } = schedule.reference;
      memory = {
        ...{ name: `${namespace}/${name}`, uid: key },
        ...{ timing, generation, seenAt: now },
        counts: { taken: 0, failed: 0, dropped: 0 },
        lastTaken: null,
        containers: new Map(),
      };
      this.#schedules.set(key, memory);
      this.#isDirty = true;
    }
    if (memory.timing !== timing) {
      memory.timing = timing;
      memory.seenAt = now;
      for (const each of memory.containers.values()) each.lastSlot = null;
      this.#isDirty = true;
    }
    if (memory.generation !== generation) {
      memory.generation = generation;
      for (const each of memory.containers.values()) {
        each.notBefore = null;
        each.failures = 0;
      }
      this.#isDirty = true;
    }
    return memory;
  }

  /** What is remembered of a schedule; null where it never selected anything here. */
  peek(schedule: Schedule): ScheduleMemory | null {
    return this.#schedules.get(uidOf(schedule)) ?? null;
  }

  /** What is remembered of a container, made where there is nothing yet. */
  container(memory: ScheduleMemory, key: string, pod: { namespace: string; name: string }): Remembered {
    const known = memory.containers.get(key);
    if (known !== undefined) return known;
    const made: Remembered = {
      ...{ namespace: pod.namespace, pod: pod.name, lastSlot: null, notBefore: null, failures: 0 },
      ...{ annotation: null, disrupted: false, tries: 0, pending: null, error: null },
    };
    memory.containers.set(key, made);
    return made;
  }

  /** All that wait to be known, and those that say so. */
  *pending(): Generator<{
    readonly uid: string;
    readonly memory: ScheduleMemory;
    readonly key: string;
    readonly remembered: Remembered;
    readonly pending: Pending;
  }> {
    for (const [uid, memory] of this.#schedules) {
      for (const [key, remembered] of memory.containers) {
        const { pending } = remembered;
        if (pending !== null) yield { uid, memory, key, remembered, pending };
      }
    }
  }

  /** Forgets schedules and pods that are gone. What is pending is kept until it is known. */
  retain(isSchedule: (uid: string) => boolean, isPod: (uid: string) => boolean): void {
    for (const [uid, memory] of this.#schedules) {
      for (const [key, { pending }] of memory.containers) {
        if (pending !== null || isPod(podUidOf(key))) continue;
        memory.containers.delete(key);
        this.#isDirty = true;
      }
      const hasPending = [...memory.containers.values()].some(({ pending }) => pending !== null);
      if (isSchedule(uid) || hasPending) continue;
      this.#schedules.delete(uid);
      this.#isDirty = true;
    }
  }

  /**
   * The clock was set: runs that it skipped are not made up, and none that was taken is taken again.
   * @param isWrong whether what is remembered of a schedule goes by another clock; default: all of it.
   */
  distrust(now: Instant, isWrong: (memory: ScheduleMemory) => boolean = () => true): void {
    for (const memory of this.#schedules.values()) {
      if (!isWrong(memory)) continue;
      this.#isDirty = true;
      memory.seenAt = now;
      for (const each of memory.containers.values()) {
        each.lastSlot = null;
        each.notBefore = null;
        if (each.pending !== null) each.pending = { ...each.pending, at: Math.min(each.pending.at, now) };
      }
    }
  }

  touch(): void {
    this.#isDirty = true;
  }

  /** Keeps what has changed. */
  save(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const schedules = Array.from(this.#schedules, ([uid, { containers, ...memory }]) => [
      uid,
      { ...memory, containers: Object.fromEntries(containers) },
    ]);
    this.#store.write(DOCUMENT, { version: VERSION, schedules: Object.fromEntries(schedules) });
  }
}

export function uidOf({ reference }: Pick<Schedule, 'reference'>): string {
  return reference.uid ?? `${reference.namespace}/${reference.name}`;
}

/** Backoffs end in the future by themselves; all else that is remembered has happened. */
function goesByLaterClock({ seenAt, containers }: ScheduleMemory, now: Instant): boolean {
  if (seenAt > now) return true;
  return [...containers.values()].some(
    ({ lastSlot, notBefore, pending }) =>
      (lastSlot ?? now) > now || (pending?.at ?? now) > now || (notBefore ?? now) - now > LONGEST_WAIT_MS,
  );
}

function podUidOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
