import type { Log } from '../../kube/types.ts';
import type { Instant } from '../../policy/types.ts';
import { errorCode, explain } from '../system/files.ts';

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 10 * 60_000;
const LONGEST_POSTPONEMENT_MS = 60_000;
/**
 * Waits end at multiples of this part of them. What fails together is tried again together: a hundred thousand waits
 * that end one by one would keep the collector planning all the time.
 */
const GRAIN = 1 / 4;

interface Waiting {
  readonly state: string | null;
  /** Not only postponed. */
  readonly isFailure: boolean;
  readonly attempts: number;
  readonly until: Instant;
}

/**
 * What could not be done, when it may be tried again, and that it is told once: a read-only disk fails for a
 * hundred thousand archives, and again every few minutes.
 */
export class Failures {
  readonly #waiting = new Map<string, Waiting>();
  /** By operation and error code: how many wait because of it. */
  readonly #states = new Map<string, number>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** How many of them wait because they have failed. */
  get failing(): number {
    let count = 0;
    for (const { isFailure } of this.#waiting.values()) if (isFailure) count += 1;
    return count;
  }

  isWaiting(key: string, now: Instant): boolean {
    const waiting = this.#waiting.get(key);
    return waiting !== undefined && isAhead(waiting, now);
  }

  /** Whether it waits because it has failed. */
  isFailing(key: string, now: Instant): boolean {
    return this.#waiting.get(key)?.isFailure === true && this.isWaiting(key, now);
  }

  /** When the next of them may be tried again; null when none waits. */
  nextRetry(now: Instant): Instant | null {
    let next: Instant | null = null;
    for (const waiting of this.#waiting.values()) {
      if (isAhead(waiting, now) && (next === null || waiting.until < next)) next = waiting.until;
    }
    return next;
  }

  /** @param fields for the log line, where it is one. */
  failed(key: string, operation: string, error: unknown, now: Instant, fields: object = {}): void {
    const state = `${operation} ${errorCode(error) ?? explain(error)}`;
    const isNews = !this.#states.has(state);
    this.#wait(key, state, now, LONGEST_WAIT_MS, true);
    if (!isNews) return;
    const rest = 'it stays and is tried again; where the same fails for others it is not told again';
    this.#log.error({ ...fields, err: error }, `${operation} failed: ${explain(error)}; ${rest}`);
  }

  /** As `failed`, for what each single case of is worth a line of its own. */
  failedBadly(key: string, message: string, error: unknown, now: Instant, fields: object): void {
    const isNews = !this.#waiting.has(key);
    this.#wait(key, null, now, LONGEST_WAIT_MS, true);
    if (isNews) this.#log.error({ ...fields, err: error }, message);
  }

  /** Something that is no failure, and not worth trying again at once. */
  postponed(key: string, now: Instant): void {
    this.#wait(key, null, now, LONGEST_POSTPONEMENT_MS, false);
  }

  succeeded(key: string): void {
    this.#forget(key);
  }

  /** Forgets all but these. */
  retain(isKnown: (key: string) => boolean): void {
    for (const key of [...this.#waiting.keys()]) if (!isKnown(key)) this.#forget(key);
  }

  #wait(key: string, state: string | null, now: Instant, longest: number, isFailure: boolean): void {
    const attempts = (this.#waiting.get(key)?.attempts ?? 0) + 1;
    if (state !== null) this.#states.set(state, (this.#states.get(state) ?? 0) + 1);
    this.#forget(key);
    const wait = Math.min(longest, FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 10));
    const grain = wait * GRAIN;
    const until = Math.ceil((now + wait) / grain) * grain;
    this.#waiting.set(key, { state, isFailure, attempts, until });
  }

  #forget(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    if (waiting.state === null) return;
    const left = (this.#states.get(waiting.state) ?? 1) - 1;
    if (left > 0) this.#states.set(waiting.state, left);
    else {
      this.#states.delete(waiting.state);
      this.#log.info({ was: waiting.state }, 'what failed before fails no more');
    }
  }
}

/** What would have to wait longer than any wait is long was put off by a clock that has been set back since. */
function isAhead({ until }: Waiting, now: Instant): boolean {
  return until > now && until - now <= (1 + GRAIN) * LONGEST_WAIT_MS;
}
