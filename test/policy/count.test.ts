import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, formatCount } from '../../policy/count.ts';

test('whole numbers are written as English has them', () => {
  for (const count of [
    0,
    7,
    999,
    1_000,
    12_345,
    999_999,
    1_000_000,
    123_456_789,
    2 ** 53 - 1,
    -1,
    -999,
    -1_000,
  ])
    assert.equal(formatCount(count), count.toLocaleString('en'));
});

test('one is one', () => {
  assert.equal(counted(1, 'archive'), '1 archive');
  assert.equal(counted(0, 'archive'), '0 archives');
  assert.equal(counted(12_345, 'archive'), '12,345 archives');
});
