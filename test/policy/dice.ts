import fc from 'fast-check';

/**
 * Choices read out of one number, least significant first. A world of numbers is drawn ten times as fast as one
 * of nested records and still shrinks: 0 chooses the first, which is the plainest, everywhere.
 */
export class Dice {
  #rest: number;

  constructor(number: number) {
    this.#rest = number;
  }

  /** 0 to sides − 1. */
  roll(sides: number): number {
    const value = this.#rest % sides;
    this.#rest = Math.floor(this.#rest / sides);
    return value;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.roll(times) === times - 1;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.roll(choices.length)] ?? choices[0];
  }

  /** A number from `least` to `most`, or, as often as `times` says, nothing. */
  maybe(times: number, least: number, most: number): number | undefined {
    return this.once(times) ? least + this.roll(most - least + 1) : undefined;
  }
}

/** A number with some 50 bits for `Dice`. */
export const roll = fc.noBias(fc.maxSafeNat());
