import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClockWatch } from '../../../gc/system/clock-watch.ts';
import { FakeLog } from '../collector-bench.ts';
import { FakeNode } from './fake-node.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test('a clock that is set ahead makes no archive old for a request either', async () => {
  const node = new FakeNode();
  const policies = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3, timeThreshold: '30d' }] };
  node.govern(policies);
  const watch = new ClockWatch(node.clock, new FakeLog(), () => {});
  node.more = { trustedNow: () => watch.trustedNow() };
  await node.start();
  for (const pod of ['cart', 'till', 'desk']) {
    const asked = node.ask(`shop/${pod}/main`);
    await node.clock.advance(5_000);
    assert.equal(asked.reply?.status, 200);
  }
  const [oldest = ''] = node.onDisk().filter((file) => file.includes('cart'));
  node.clock.set(node.clock.now() + 365 * DAY);
  await node.clock.advance(1_000);
  const asked = node.ask('shop/hall/main');
  await node.clock.advance(5_000);
  assert.equal(asked.reply?.status, 200);
  // The oldest has to go for the count, and nothing for its age.
  assert.deepEqual(node.evicted, [oldest]);

  // A time that stays is believed.
  await node.clock.advance(15 * 60_000);
  const later = node.ask('shop/hall/main');
  await node.clock.advance(5_000);
  assert.equal(later.reply?.status, 200);
  assert.equal(node.evicted.length, 3);
});
