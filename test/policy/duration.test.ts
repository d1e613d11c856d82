import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactDuration, formatDuration, parseDuration } from '../../policy/duration.ts';

const DAY = 86_400_000;

const DURATIONS: Readonly<Record<string, number>> = {
  '0': 0,
  '0s': 0,
  '40d': 40 * DAY,
  '30d12h': 30.5 * DAY,
  '90m': 5_400_000,
  '1w': 7 * DAY,
  '1w1d': 8 * DAY,
  '1h15m30.918s': 4_530_918,
  // Go's own.
  '5s': 5_000,
  '30s': 30_000,
  '1478s': 1_478_000,
  '-5s': -5_000,
  '+5s': 5_000,
  '-0': 0,
  '+0': 0,
  '5.0s': 5_000,
  '5.6s': 5_600,
  '5.s': 5_000,
  '.5s': 500,
  '10ns': 1e-5,
  '11us': 0.011,
  '12µs': 0.012,
  '12μs': 0.012,
  '13ms': 13,
  '3h30m': 12_600_000,
  '10.5s4m': 250_500,
  '-2m3.4s': -123_400,
  '1h2m3s4ms': 3_723_004,
  '36525d': 36_525 * DAY,
};

const NONE = [
  '',
  '3',
  '-',
  '+',
  's',
  '.',
  '-.',
  '.s',
  '+.s',
  '3000000h',
  '40 d',
  ' 40d',
  '40d ',
  '40D',
  '1y',
  '1M',
  '1mo',
  '1h-2m',
  '1.2.3h',
  '1e3s',
  'P40D',
  '36526d',
  '1d'.repeat(33),
  '∞',
  '４０d',
  40,
  null,
  undefined,
  true,
  {},
];

test('durations', () => {
  for (const [text, ms] of Object.entries(DURATIONS)) {
    const parsed = parseDuration(text);
    assert.ok(parsed !== undefined && Math.abs(parsed - ms) < 1e-6, `${text}: ${parsed}`);
  }
});

test('what is no duration', () => {
  for (const value of NONE) assert.equal(parseDuration(value), undefined, String(value));
});

test('durations for people, in their two largest units', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [0.4, '0ms'],
    [500, '500ms'],
    [1_000, '1s'],
    [61_000, '1m1s'],
    [3_600_000, '1h'],
    [3_605_000, '1h'],
    [40 * DAY, '40d'],
    [41 * DAY + 2 * 3_600_000 + 5, '41d2h'],
    [-90_000, '-1m30s'],
  ];
  for (const [ms, text] of rows) assert.equal(formatDuration(ms), text, String(ms));
});

test('durations to the millisecond, as they can be written into a policy', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [0.4, '1ms'],
    [DAY + 1, '1d1ms'],
    [93_784_005, '1d2h3m4s5ms'],
    [7 * DAY, '7d'],
  ];
  for (const [ms, text] of rows) assert.equal(exactDuration(ms), text);
});
