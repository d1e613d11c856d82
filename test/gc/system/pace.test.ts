import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Pace } from '../../../gc/system/pace.ts';

it('pace: a rest is due every four milliseconds, and lets others in', async () => {
  let now = 100;
  const pace = new Pace(() => now);
  assert.equal(pace.due(), false);
  now += 3.9;
  assert.equal(pace.due(), false);
  now += 0.1;
  assert.equal(pace.due(), true);
  let others = 0;
  setImmediate(() => others++);
  await pace.rest();
  assert.equal(others, 1);
  assert.equal(pace.due(), false);
});
