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

it('pace: loops that share one hold no longer than one', async () => {
  let now = 0;
  const pace = new Pace(() => now);
  let turns = 0;
  const count = () => {
    turns += 1;
    if (turns < 100) setImmediate(count);
  };
  setImmediate(count);
  let longest = 0;
  let held = 0;
  let lastTurn = 0;
  const loop = async () => {
    for (let item = 0; item < 40; item += 1) {
      if (turns !== lastTurn) held = 0;
      lastTurn = turns;
      now += 1;
      held += 1;
      longest = Math.max(longest, held);
      if (pace.due()) await pace.rest();
    }
  };
  await Promise.all(Array.from({ length: 5 }, loop));
  // Four of the first loop that is awake, and one of each other before it looks at the time.
  assert.ok(longest <= 4 + 5, `${longest} ms in one turn`);
});
