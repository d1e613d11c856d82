import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rates, Slots } from '../../../webhook/gateway/slots.ts';

test('slots: as many as there are for each key, and free again', () => {
  const slots = new Slots(2);
  const first = slots.take('ada');
  assert.ok(first && slots.take('ada') && slots.take('eve'));
  assert.equal(slots.take('ada'), null);
  first();
  assert.ok(slots.take('ada'));
  assert.equal(slots.take('ada'), null);
});

test('rates: a burst, then so many a second, each key for itself', () => {
  let now = 0;
  const rates = new Rates(3, 2, () => now);
  for (let time = 0; time < 3; time += 1) {
    assert.ok(rates.has('a'));
    rates.spend('a');
  }
  assert.deepEqual([rates.has('a'), rates.has('b')], [false, true]);
  now = 400;
  assert.ok(!rates.has('a'));
  now = 500;
  assert.ok(rates.has('a'));
  rates.spend('a');
  assert.ok(!rates.has('a'));
  now = 1_000_000;
  for (let time = 0; time < 3; time += 1) {
    assert.ok(rates.has('a'));
    rates.spend('a');
  }
  assert.ok(!rates.has('a'));
});

test('rates: a clock that is set back does not punish', () => {
  let now = 1_000_000;
  const rates = new Rates(1, 1, () => now);
  rates.spend('a');
  now = 0;
  assert.ok(!rates.has('a'));
  rates.spend('a');
  now = 1_000;
  assert.ok(rates.has('a'));
});

test('rates: as many keys as one likes, and no more memory', () => {
  const rates = new Rates(1, 1, () => 0);
  for (let key = 0; key < 10_000; key += 1) rates.spend(String(key));
  assert.ok(rates.has('0'));
  assert.ok(!rates.has('9999'));
});
