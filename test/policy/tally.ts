import assert from 'node:assert/strict';

/** Counts what generated cases come to, so that a property cannot become empty without anybody noticing. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }

  /** Fails unless each came up at least this often a case; with few cases at least once. */
  expect(cases: number, least: Readonly<Record<string, number>>): void {
    // Fewer prove nothing about how often something comes up.
    if (cases < 200) return;
    const rare = Object.entries(least)
      .map(([what, share]) => ({ what, times: this.#counts.get(what) ?? 0, least: Math.ceil(share * cases) }))
      .filter(({ times, least }) => times < least);
    assert.deepEqual(rare, [], `too rare in ${cases} cases; came up: ${this.#summary(cases)}`);
  }

  #summary(cases: number): string {
    return [...this.#counts].map(([what, times]) => `${what} ${(times / cases).toFixed(3)}`).join(', ');
  }
}
