import type { Instant } from '../../policy/types.ts';
import type { Clock } from '../system/clock.ts';
import { type Container, containerName, fileKey } from './container.ts';
import { Refusal } from './refusal.ts';

export interface TurnsOptions {
  readonly clock: Clock;
  readonly bounds?: Partial<TurnBounds>;
}

export interface TurnBounds {
  /** Checkpoints under way on the node at once: each one freezes a container and fills the disk. */
  readonly atOnce: number;
  /** Requests that may wait for one file name, for one namespace, and in all. */
  readonly waitingForName: number;
  readonly waitingOfNamespace: number;
  readonly waiting: number;
  /** Milliseconds that one may wait. */
  readonly longestMs: number;
}

/** At one second each, those that wait for one name have their turn within the time. */
export const TURN_BOUNDS: TurnBounds = {
  atOnce: 8,
  waitingForName: 64,
  waitingOfNamespace: 128,
  waiting: 256,
  longestMs: 75_000,
};

/** The right to ask the kubelet for a checkpoint of this container, until it is given back. */
export interface Turn {
  /**
   * @param usedAt the last instant at which the kubelet may have made a file name; null when it was not asked.
   * @param holdMs for so long nobody else has this name's turn.
   */
  end(usedAt: Instant | null, holdMs?: number): void;
}

interface Waiting {
  readonly key: string;
  readonly grant: (turn: Turn) => void;
}

const SECOND = 1_000;
/** A name that is kept longer was used by a clock that has been set back since. */
const CLOCK_MS = 60_000;

/**
 * Gives turns: one file name at a time, and never twice in one second, for the runtime would write both checkpoints
 * into one file; two containers can have one name. Names keep their order; namespaces take turns, so that one with
 * many requests does not keep the others waiting.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #bounds: TurnBounds;
  readonly #busy = new Set<string>();
  /** The next turn of a name is not before this. */
  readonly #notBefore = new Map<string, Instant>();
  /** By namespace; the one that is first has waited longest since it had a turn. */
  readonly #waiting = new Map<string, Waiting[]>();
  #cancelTimer = () => {};

  constructor({ clock, bounds = {} }: TurnsOptions) {
    this.#clock = clock;
    this.#bounds = { ...TURN_BOUNDS, ...bounds };
  }

  /** How many have their turn, and how many wait. */
  get counts(): { readonly busy: number; readonly waiting: number } {
    return { busy: this.#busy.size, waiting: this.#waitingIn().length };
  }

  /** Whether a turn would be given at once. */
  isFree(container: Container): boolean {
    const key = fileKey(container);
    return this.#isReady(key, this.#clock.now()) && !this.#waitingIn().some((each) => each.key === key);
  }

  /** A name, by its `fileKey`, that was used by a process that is gone. */
  block(key: string, usedAt: Instant, holdMs: number): void {
    this.#use(key, usedAt, holdMs);
  }

  /**
   * Resolves when it is this container's turn.
   * @param signal aborted when the caller has gone; then it rejects with the signal's reason.
   * @throws Refusal queueFull, waitedTooLong
   */
  async take(container: Container, signal: AbortSignal): Promise<Turn> {
    signal.throwIfAborted();
    const { namespace } = container;
    const key = fileKey(container);
    this.#requireRoom(container, key);
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    const waiting: Waiting = { key, grant: resolve };
    const leave = (reason: unknown) => {
      if (this.#remove(namespace, waiting)) reject(reason);
    };
    const onAbort = () => leave(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const cancel = this.#clock.after(this.#bounds.longestMs, () => {
      const seconds = Math.round(this.#bounds.longestMs / SECOND);
      const message = `${containerName(container)} had no turn within ${seconds}s`;
      leave(Refusal.of('waitedTooLong', message, { retryAfterSeconds: 10 }));
    });
    const line = this.#waiting.get(namespace);
    if (line === undefined) this.#waiting.set(namespace, [waiting]);
    else line.push(waiting);
    this.#give();
    try {
      return await promise;
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  stop(): void {
    this.#cancelTimer();
  }

  #requireRoom(container: Container, key: string): void {
    const { waiting, waitingForName, waitingOfNamespace } = this.#bounds;
    const all = this.#waitingIn();
    const forName = all.filter((each) => each.key === key).length;
    const ofNamespace = this.#waiting.get(container.namespace)?.length ?? 0;
    const full =
      forName >= waitingForName
        ? `${waits(forName)} for ${containerName(container)}`
        : ofNamespace >= waitingOfNamespace
          ? `${waits(ofNamespace, ` of namespace ${container.namespace}`)} on this node`
          : all.length >= waiting
            ? `${waits(all.length)} on this node`
            : null;
    if (full === null) return;
    const retryAfterSeconds = Math.max(5, Math.min(60, forName));
    throw Refusal.of('queueFull', `${full}, and no more may`, { retryAfterSeconds });
  }

  #waitingIn(): Waiting[] {
    return [...this.#waiting.values()].flat();
  }

  #isReady(key: string, now: Instant): boolean {
    return !this.#busy.has(key) && this.#busy.size < this.#bounds.atOnce && this.#readyAt(key, now) <= now;
  }

  #readyAt(key: string, now: Instant): Instant {
    const instant = this.#notBefore.get(key) ?? Number.NEGATIVE_INFINITY;
    return instant - now > CLOCK_MS ? Number.NEGATIVE_INFINITY : instant;
  }

  #remove(namespace: string, waiting: Waiting): boolean {
    const line = this.#waiting.get(namespace) ?? [];
    const index = line.indexOf(waiting);
    if (index < 0) return false;
    line.splice(index, 1);
    if (line.length === 0) this.#waiting.delete(namespace);
    return true;
  }

  /** Gives all turns that can be given now, by one look at the clock: what is not ready by it is waited for. */
  #give(): void {
    const now = this.#clock.now();
    for (let next = this.#next(now); next !== null; next = this.#next(now)) {
      const [namespace, waiting] = next;
      this.#remove(namespace, waiting);
      const line = this.#waiting.get(namespace);
      if (line !== undefined) {
        // To the end of the line of namespaces.
        this.#waiting.delete(namespace);
        this.#waiting.set(namespace, line);
      }
      this.#busy.add(waiting.key);
      waiting.grant(this.#turn(waiting.key));
    }
    this.#sleep(now);
  }

  #next(now: Instant): [namespace: string, waiting: Waiting] | null {
    for (const [namespace, line] of this.#waiting) {
      const waiting = line.find(({ key }) => this.#isReady(key, now));
      if (waiting !== undefined) return [namespace, waiting];
    }
    return null;
  }

  #turn(key: string): Turn {
    let ended = false;
    return {
      end: (usedAt, holdMs = 0) => {
        if (ended) return;
        ended = true;
        this.#busy.delete(key);
        if (usedAt !== null) this.#use(key, usedAt, holdMs);
        this.#give();
      },
    };
  }

  /** File names have a resolution of one second, whose bounds are the same in every time zone. */
  #use(key: string, usedAt: Instant, holdMs: number): void {
    const now = this.#clock.now();
    for (const [each, until] of this.#notBefore) if (until <= now) this.#notBefore.delete(each);
    const nextSecond = (Math.floor(usedAt / SECOND) + 1) * SECOND;
    this.#notBefore.set(key, Math.max(this.#readyAt(key, now), nextSecond, now + holdMs));
  }

  /** Until the first name becomes ready for which somebody waits. */
  #sleep(now: Instant): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const dues = this.#waitingIn()
      .map(({ key }) => this.#readyAt(key, now))
      .filter((due) => due > now);
    if (dues.length === 0) return;
    this.#cancelTimer = this.#clock.after(Math.min(...dues) - now, () => this.#give());
  }
}

function waits(count: number, whose = ''): string {
  return count === 1 ? `1 checkpoint${whose} waits` : `${count} checkpoints${whose} wait`;
}
