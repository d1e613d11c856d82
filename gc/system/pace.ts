/** How long a loop may hold the event loop: a door that answers within milliseconds shares it. */
const HOLD_MS = 4;

/**
 * Lets a long synchronous loop breathe:
 *
 * ```ts
 * if (pace.due()) await pace.rest();
 * ```
 *
 * Loops that share one share its time: they rest together, so that ten of them hold no longer than one.
 */
export class Pace {
  readonly #now: () => number;
  #restedAt: number;
  #resting: Promise<void> | null = null;

  /** `now` in milliseconds, from any origin; the monotonic clock unless a test has its own. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#restedAt = now();
  }

  due(): boolean {
    return this.#now() - this.#restedAt >= HOLD_MS;
  }

  rest(): Promise<void> {
    this.#resting ??= new Promise<void>((resume) => {
      setImmediate(() => {
        this.#restedAt = this.#now();
        this.#resting = null;
        resume();
      });
    });
    return this.#resting;
  }
}
