import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchedObjects } from '../../../gc/schedule/watched.ts';
import { KubeError } from '../../../kube/error.ts';
import { scheduleInformer } from '../../../kube/schedules.ts';
import { clientOf } from '../../kube/scripted-client.ts';
import { FakeClock, settled } from '../fake-clock.ts';

test('a kind that is not installed yet is looked for again, and told of once', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  let installed = false;
  let changes = 0;
  const client = clientOf(async () => {
    if (!installed) throw new KubeError('forbidden', { status: 403 });
    return {
      metadata: { resourceVersion: '1' },
      items: [{ metadata: { namespace: 'shop', name: 'nightly', uid: 'u', resourceVersion: '1' } }],
    };
  });
  const tell = (_: object, message: string) => void told.push(message);
  const log = { info: tell, warn: tell, error: tell };
  const watched = new WatchedObjects({
    ...{ what: 'schedules', timers: clock, log },
    make: () => scheduleInformer(client, () => 'one'),
  });
  watched.onChange(() => {
    changes += 1;
  });
  assert.equal(watched.values(), null);
  watched.want(true);
  for (let round = 0; round < 3; round += 1) {
    await settled();
    await clock.advance(30_000);
  }
  assert.equal(watched.values(), null, 'nobody knows them');
  installed = true;
  await clock.advance(30_000);
  await settled();
  assert.deepEqual(watched.values(), ['one']);
  assert.ok(changes >= 1);
  assert.deepEqual(told, [
    'schedules cannot be watched; it is tried again each half minute',
    'schedules can be watched now',
  ]);
  await watched.stop();
  assert.equal(watched.values(), null);
});
