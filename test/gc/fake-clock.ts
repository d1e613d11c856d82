import type { Clock } from '../../gc/system/clock.ts';

/** A clock that a test moves. */
export class FakeClock implements Clock {
  #now: number;
  #setBy = 0;
  readonly #timers = new Set<{ at: number; readonly run: () => void }>();

  constructor(start = Date.parse('2026-11-21T12:00:00Z')) {
    this.#now = start;
  }

  /** Whole milliseconds, as `Date.now`. */
  now(): number {
    return Math.floor(this.#now);
  }

  elapsed(): number {
    return this.#now - this.#setBy;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Sets a machine's clock right. Timers count what has passed, so they go off as if nothing had happened. */
  set(now: number): void {
    for (const timer of this.#timers) timer.at += now - this.#now;
    this.#setBy += now - this.#now;
    this.#now = now;
  }

  /** Moves on, and runs what falls due in its order; between two of them what it has begun comes to rest. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const next = [...this.#timers].reduce<{ at: number; run: () => void } | null>(
        (first, timer) => (timer.at <= end && (first === null || timer.at < first.at) ? timer : first),
        null,
      );
      if (next === null) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Lets everything come to rest that does not wait for a timer or a real file. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
