import assert from 'node:assert/strict';
import fc from 'fast-check';
import { exactDuration, formatDuration, parseDuration } from '../../policy/duration.ts';
import { exactQuantity, formatBytes, parseQuantity } from '../../policy/quantity.ts';
import { holds } from './cases.ts';

const LARGEST = 2n ** 63n - 1n;
const SUFFIXES: Readonly<Record<string, readonly [numerator: bigint, denominator: bigint]>> = {
  '': [1n, 1n],
  n: [1n, 10n ** 9n],
  u: [1n, 10n ** 6n],
  m: [1n, 1000n],
  k: [1000n, 1n],
  M: [10n ** 6n, 1n],
  G: [10n ** 9n, 1n],
  T: [10n ** 12n, 1n],
  P: [10n ** 15n, 1n],
  E: [10n ** 18n, 1n],
  Ki: [2n ** 10n, 1n],
  Mi: [2n ** 20n, 1n],
  Gi: [2n ** 30n, 1n],
  Ti: [2n ** 40n, 1n],
  Pi: [2n ** 50n, 1n],
  Ei: [2n ** 60n, 1n],
};

const digits = fc.nat(10 ** 9).map(String);
const numbers = fc.oneof(
  digits,
  fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String),
  fc.tuple(digits, digits).map(([whole, fraction]) => `${whole}.${fraction}`),
  digits.map((fraction) => `.${fraction}`),
  digits.map((whole) => `${whole}.`),
);
const exponents = fc
  .tuple(fc.constantFrom('e', 'E'), fc.integer({ min: -30, max: 30 }))
  .map(([e, power]) => `${e}${power}`);
const suffixes = fc.oneof(fc.constantFrom(...Object.keys(SUFFIXES)), exponents);

/** The number as a fraction of whole numbers, without a float on the way. */
function rational(number: string, suffix: string): [numerator: bigint, denominator: bigint] {
  const [whole = '', fraction = ''] = number.split('.');
  const [numerator, denominator] = [BigInt(`0${whole}${fraction}`), 10n ** BigInt(fraction.length)];
  const unit = SUFFIXES[suffix];
  if (unit) return [numerator * unit[0], denominator * unit[1]];
  const power = Number(suffix.slice(1));
  return power < 0
    ? [numerator, denominator * 10n ** BigInt(-power)]
    : [numerator * 10n ** BigInt(power), denominator];
}

holds(
  'quantities are exact, far beyond 2^53',
  fc.tuple(fc.constantFrom('', '+', '-'), numbers, suffixes),
  ([sign, number, suffix]) => {
    const [numerator, denominator] = rational(number, suffix);
    const up = (numerator + denominator - 1n) / denominator;
    const magnitude = up > LARGEST ? LARGEST : up;
    const parsed = parseQuantity(`${sign}${number}${suffix}`);
    assert.equal(parsed?.value, sign === '-' ? -magnitude : magnitude);
    if (up <= LARGEST) assert.equal(parsed?.whole, numerator % denominator === 0n);
  },
);

holds('what is no quantity is told from one that is', fc.string({ maxLength: 12 }), (text) => {
  const isOne = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?$/.test(text);
  assert.equal(parseQuantity(text) !== undefined, isOne, JSON.stringify(text));
});

holds('exact quantities read back as they were', fc.bigInt({ min: 0n, max: LARGEST }), (bytes) => {
  assert.deepEqual(parseQuantity(exactQuantity(bytes)), { value: bytes, whole: true });
  assert.match(formatBytes(bytes), /^\d{1,4}(\.\d)?(B|[KMGTPE]i)$/);
});

holds('exact durations read back as they were', fc.nat(2 ** 40), (ms) => {
  assert.equal(parseDuration(exactDuration(ms)), ms);
  const rounded = parseDuration(formatDuration(ms)) ?? Number.NaN;
  assert.ok(rounded <= ms && (rounded > ms * 0.95 || ms < 1), `${ms} as ${formatDuration(ms)}`);
});
