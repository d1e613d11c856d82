import { test } from 'node:test';
import fc from 'fast-check';

/** Cases for each property: `CASES=100000` in CI. */
export const CASES = Number(process.env.CASES ?? 150);

/**
 * The cases are the same each time, so that a run fails only for what was changed. `SEED=new` looks for new ones;
 * a failure prints its seed, and `SEED=… CASES=… node --test FILE` runs the same cases again.
 */
const { SEED: ASKED = '20261121' } = process.env;
export const SEED = ASKED === 'new' ? Math.floor(Math.random() * 2 ** 31) : Number(ASKED);

/** A test of one property over `CASES` cases; `share` of them where a case is dear. */
export function holds<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => void,
  { share = 1, afterwards }: { readonly share?: number; readonly afterwards?: (cases: number) => void } = {},
): void {
  test(name, () => {
    const numRuns = Math.max(1, Math.ceil(CASES * share));
    try {
      fc.assert(fc.property(arbitrary, predicate), { numRuns, seed: SEED });
    } catch (error) {
      process.stderr.write(`${name}: fails with SEED=${SEED} CASES=${CASES}\n`);
      throw error;
    }
    afterwards?.(numRuns);
  });
}
