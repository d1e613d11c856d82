import type { Instant } from '../../policy/types.ts';

/** How many of each kind may be under way at once. */
export class Slots {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns what gives the slot back, to be called once; null when none is free. */
  take(key: string): (() => void) | null {
    const taken = this.#taken.get(key) ?? 0;
    if (taken >= this.#most) return null;
    this.#taken.set(key, taken + 1);
    return () => {
      const left = (this.#taken.get(key) ?? 1) - 1;
      if (left === 0) this.#taken.delete(key);
      else this.#taken.set(key, left);
    };
  }
}

const MOST_KEPT = 4_096;

/** How often something may happen: `burst` times at once, and then `perSecond` times in each second. */
export class Rates {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #now: () => Instant;
  /** By key; what was left at that moment. Those asked for longest ago come first. */
  readonly #left = new Map<string, { readonly left: number; readonly at: Instant }>();

  constructor(burst: number, perSecond: number, now: () => Instant) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Whether it may happen once more now. */
  has(key: string): boolean {
    return this.#of(key) >= 1;
  }

  /** It has happened. */
  spend(key: string): void {
    const left = Math.max(0, this.#of(key) - 1);
    this.#left.delete(key);
    this.#left.set(key, { left, at: this.#now() });
    const [oldest] = this.#left.keys();
    if (this.#left.size > MOST_KEPT && oldest !== undefined) this.#left.delete(oldest);
  }

  #of(key: string): number {
    const known = this.#left.get(key);
    if (known === undefined) return this.#burst;
    const seconds = Math.max(0, this.#now() - known.at) / 1_000;
    return Math.min(this.#burst, known.left + seconds * this.#perSecond);
  }
}
