import { test } from 'node:test';
import fc from 'fast-check';

/** Cases for each property: `CASES=100000` in CI. */
export const CASES = Number(process.env.CASES ?? 300);

/**
 * A failure prints its seed; `SEED=… CASES=… node --test FILE` runs the same cases again. The quick run's are
 * always the same, so that it fails only for a reason; CI's are new ones each time.
 */
const SEED = process.env.SEED ?? (process.env.CASES === undefined ? '20261121' : undefined);

/** A test of one property over `CASES` cases; `share` of them where a case is dear. */
export function holds<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => void,
  { share = 1, afterwards }: { readonly share?: number; readonly afterwards?: (cases: number) => void } = {},
): void {
  test(name, () => {
    const numRuns = Math.max(1, Math.ceil(CASES * share));
    const seed = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED);
    try {
      fc.assert(fc.property(arbitrary, predicate), { numRuns, seed });
    } catch (error) {
      process.stderr.write(`${name}: fails with SEED=${seed} CASES=${CASES}\n`);
      throw error;
    }
    afterwards?.(numRuns);
  });
}
