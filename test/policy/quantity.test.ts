import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactQuantity, formatBytes, parseQuantity } from '../../policy/quantity.ts';

const LARGEST = 2n ** 63n - 1n;

/** Rows of Kubernetes' own table (quantity_test.go) among them; values as its `Value()` rounds them. */
const WHOLE: Readonly<Record<string, bigint>> = {
  '0': 0n,
  '0n': 0n,
  '0Ki': 0n,
  '0M': 0n,
  '0.0': 0n,
  '-0': 0n,
  '1': 1n,
  '9': 9n,
  '+7': 7n,
  '007': 7n,
  '1Ki': 1024n,
  '8Ki': 8192n,
  '7Mi': 7n << 20n,
  '6Gi': 6n << 30n,
  '5Ti': 5n << 40n,
  '4Pi': 4n << 50n,
  '3Ei': 3n << 60n,
  '8k': 8_000n,
  '50k': 50_000n,
  '7M': 7_000_000n,
  '6G': 6_000_000_000n,
  '5T': 5n * 10n ** 12n,
  '2P': 2n * 10n ** 15n,
  '1E': 10n ** 18n,
  '1e3': 1_000n,
  '1E3': 1_000n,
  '1E6': 10n ** 6n,
  '1e18': 10n ** 18n,
  '1.3E+6': 1_300_000n,
  '1.40e9': 1_400_000_000n,
  '1000e-3': 1n,
  '100.035k': 100_035n,
  '7.123456M': 7_123_456n,
  '6.987654321G': 6_987_654_321n,
  '1.01E': 1_010_000_000_000_000_000n,
  '0.5Mi': 524_288n,
  '.5Ki': 512n,
  '1.': 1n,
  '1.G': 10n ** 9n,
  '1000m': 1n,
  '2000000000n': 2n,
  '9007199254740993': 9_007_199_254_740_993n,
  '9223372036854775807': LARGEST,
  // Beyond 2^63 − 1 everything is cut.
  '9Ei': LARGEST,
  '8Ei': LARGEST,
  '9223372036854775807Ki': LARGEST,
  '12E': LARGEST,
  '1e40': LARGEST,
  '1e999999999999999999999': LARGEST,
};

/** Rounded away from zero, as Kubernetes does. */
const FRACTIONS: Readonly<Record<string, bigint>> = {
  '100m': 1n,
  '1500m': 2n,
  '1.5': 2n,
  '0.0000000001': 1n,
  '5n': 1n,
  '1e-300': 1n,
  '0.05Gi': 53_687_092n,
  '100.035Ki': 102_436n,
  '-1.5': -2n,
  '-100m': -1n,
};

const NONE = [
  '',
  ' ',
  '.',
  '+',
  '-',
  '1 ',
  ' 1',
  '1 Ki',
  '1K',
  '1ki',
  '1KI',
  '1mi',
  '1MB',
  '1Mib',
  '10%',
  '1e',
  '1E+',
  '1e3Ki',
  '1.2.3',
  '0x10',
  '1_000',
  '--1',
  '1,5',
  'Mi',
  'e3',
  'NaN',
  'Infinity',
  '١',
  `${'9'.repeat(65)}`,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  null,
  undefined,
  true,
  {},
  [],
  ['1Ki'],
];

test('whole quantities', () => {
  for (const [text, value] of Object.entries(WHOLE)) {
    assert.deepEqual(parseQuantity(text), { value, whole: true }, text);
  }
});

test('fractions are rounded and told', () => {
  for (const [text, value] of Object.entries(FRACTIONS)) {
    assert.deepEqual(parseQuantity(text), { value, whole: false }, text);
  }
});

test('numbers of JSON, where they are exact', () => {
  for (const number of [0, 10, 1e9, -1, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(parseQuantity(number), { value: BigInt(number), whole: true });
  }
  assert.deepEqual(parseQuantity(10n ** 30n), { value: LARGEST, whole: true });
});

test('what is no quantity', () => {
  for (const value of NONE) assert.equal(parseQuantity(value), undefined, String(value));
});

test('the work is bounded', () => {
  const began = performance.now();
  for (const text of [
    '1e-999999999',
    `0.${'0'.repeat(60)}1`,
    '1e999999999',
    '9'.repeat(64),
    `${'1'.repeat(1_000_000)}Ki`,
  ])
    parseQuantity(text);
  assert.ok(performance.now() - began < 50);
});

test('bytes for people', () => {
  const rows: readonly (readonly [number | bigint, string])[] = [
    [0, '0B'],
    [1, '1B'],
    [1023, '1023B'],
    [1024, '1Ki'],
    [1536, '1.5Ki'],
    [28_160, '27.5Ki'],
    [285_184, '279Ki'],
    [10 * 1024 ** 2, '10Mi'],
    [8_808_038, '8.4Mi'],
    [1_073_741_823, '1024Mi'],
    [1024 ** 3, '1Gi'],
    [2 ** 60, '1Ei'],
    [2n ** 63n - 1n, '8Ei'],
    [-2048, '-2Ki'],
  ];
  for (const [bytes, text] of rows) assert.equal(formatBytes(bytes), text);
});

test('bytes to the byte, as they can be written into a policy', () => {
  const rows: readonly (readonly [bigint, string])[] = [
    [0n, '0'],
    [1n, '1'],
    [1000n, '1k'],
    [1024n, '1Ki'],
    [1_500_000_000n, '1500M'],
    [10_485_760n, '10Mi'],
    [10_485_761n, '10485761'],
    [1_024_000n, '1000Ki'],
  ];
  for (const [bytes, text] of rows) assert.equal(exactQuantity(bytes), text);
});
