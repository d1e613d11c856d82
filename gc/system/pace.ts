/** How long a loop may hold the event loop: a door that answers within milliseconds shares it. */
const HOLD_MS = 4;

/**
 * Lets a long synchronous loop breathe:
 *
 * ```ts
 * if (pace.due()) await pace.rest();
 * ```
 */
export class Pace {
  readonly #now: () => number;
  #restedAt: number;

  /** `now` in milliseconds, from any origin; the monotonic clock unless a test has its own. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#restedAt = now();
  }

  due(): boolean {
    return this.#now() - this.#restedAt >= HOLD_MS;
  }

  async rest(): Promise<void> {
    await new Promise<void>((resume) => setImmediate(resume));
    this.#restedAt = this.#now();
  }
}
