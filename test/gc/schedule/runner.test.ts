import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { NodePod } from '../../../kube/node-pods.ts';
import { WELL } from '../door/fake-runtime.ts';
import { Place, podOf, scheduleOf } from './place.ts';

const MINUTE = 60_000;
const EVERY_TEN = { triggers: { interval: '10m' } };

async function placeWith(...pods: readonly NodePod[]): Promise<Place> {
  const place = new Place();
  await place.start();
  place.setPods(...pods);
  return place;
}

suite('by the clock', () => {
  test('each container is taken once an interval, in the name of the schedule', async () => {
    const place = await placeWith(podOf('cart'), podOf('till'));
    place.setSchedules(scheduleOf(EVERY_TEN));
    await place.clock.advance(9 * MINUTE);
    assert.deepEqual(place.begun, []);
    await place.clock.advance(20 * MINUTE);
    assert.deepEqual(place.begun.toSorted(), [
      ...['shop/cart/main', 'shop/cart/main', 'shop/till/main', 'shop/till/main'],
    ]);
    assert.deepEqual(new Set(place.askers), new Set(['schedule shop/nightly']));
    assert.equal(place.node.onDisk().length, 4);
  });

  test('pods of other namespaces, other labels and other containers are left alone', async () => {
    const app = { app: 'cart' };
    const place = await placeWith(
      podOf('cart', { labels: app }),
      podOf('till', { labels: { app: 'till' } }),
      podOf('spy', { namespace: 'other', labels: app }),
    );
    const selector = { matchLabels: app };
    place.setSchedules(
      scheduleOf({ ...EVERY_TEN, selector }),
      scheduleOf({ ...EVERY_TEN, selector, containerNames: ['side'] }, { name: 'second', uid: 's-2' }),
    );
    await place.clock.advance(10 * MINUTE);
    assert.deepEqual(place.begun, ['shop/cart/main']);
  });

  test('what was due before anybody saw the schedule is not made up, what was missed since then is, once', async () => {
    const place = await placeWith(podOf('cart'));
    const creationTimestamp = '2026-11-21T11:01:00Z';
    place.setSchedules(scheduleOf(EVERY_TEN, { creationTimestamp }));
    await place.clock.advance(500);
    assert.equal(place.begun.length, 0);
    place.kill();
    await place.clock.advance(25 * MINUTE);
    await place.start();
    await place.clock.advance(1_000);
    assert.equal(place.begun.length, 1);
  });

  test('fifty pods at one time: two at once, each once', async () => {
    const pods = Array.from({ length: 50 }, (_, index) => podOf(`p-${index}`));
    const place = await placeWith(...pods);
    place.setSchedules(scheduleOf(EVERY_TEN));
    await place.clock.advance(11 * MINUTE);
    assert.equal(place.begun.length, 50);
    assert.equal(new Set(place.begun).size, 50);
    assert.equal(place.node.runtime.mostUnderWay, 2);
  });

  test('where policy lets one at a time through, fifty pods are not refused all the time', async () => {
    const pods = Array.from({ length: 50 }, (_, index) => podOf(`p-${index}`));
    const place = await placeWith(...pods);
    place.node.govern({ namespacePolicies: [{ namespace: 'shop', maxConcurrent: 1 }] });
    place.setSchedules(scheduleOf(EVERY_TEN));
    await place.clock.advance(14 * MINUTE);
    assert.equal(place.node.runtime.mostUnderWay, 1);
    assert.equal(new Set(place.begun).size, 50);
    const refused = place.node.audit.filter(({ metadata }) => metadata.reason === 'concurrency').length;
    assert.ok(refused <= 3 * 50, `${refused} refusals for 50 checkpoints`);
  });

  test('an edit takes effect at once, in either direction', async () => {
    const place = await placeWith(podOf('cart'));
    place.setSchedules(scheduleOf({ triggers: { interval: '1h' } }));
    await place.clock.advance(5.5 * MINUTE);
    place.setSchedules(scheduleOf({ triggers: { interval: '1m' } }));
    await place.clock.advance(3 * MINUTE);
    assert.equal(place.begun.length, 3);
    place.setSchedules(scheduleOf({ triggers: { interval: '1m' }, paused: true }));
    await place.clock.advance(10 * MINUTE);
    assert.equal(place.begun.length, 3);
    place.setSchedules();
    await place.clock.advance(10 * MINUTE);
    assert.equal(place.begun.length, 3);
  });

  test('a container that fails is left alone ever longer, told of once, and tried at once after an edit', async () => {
    const place = await placeWith(podOf('cart'));
    place.node.runtime.standard = { ...WELL, answer: 'failed', archiveMs: null };
    place.setSchedules(scheduleOf({ triggers: { interval: '1h' } }));
    await place.clock.advance(60 * MINUTE);
    assert.equal(place.begun.length, 1);
    await place.clock.advance(10 * MINUTE);
    const tries = place.begun.length;
    assert.ok(tries >= 4 && tries <= 7, `${tries} tries in ten minutes`);
    assert.equal(place.news.length, 1);
    assert.equal(place.news[0]?.reason, 'CheckpointFailed');
    place.node.runtime.standard = WELL;
    place.setSchedules(scheduleOf({ triggers: { interval: '1h' }, retain: { max: 3 } }));
    await place.clock.advance(1_000);
    assert.equal(place.begun.length, tries + 1);
    assert.equal(place.node.onDisk().length, 1);
    assert.equal(place.news[1]?.reason, 'CheckpointTaken');
  });

  test('a clock that is set ahead makes nothing up, and one that is set back goes on', async () => {
    const place = await placeWith(...Array.from({ length: 10 }, (_, index) => podOf(`p-${index}`)));
    place.setSchedules(scheduleOf(EVERY_TEN));
    await place.clock.advance(5 * MINUTE);
    const before = place.clock.now();
    place.clock.set(before + 365 * 24 * 60 * MINUTE);
    await place.clock.advance(2 * MINUTE);
    assert.equal(place.begun.length, 0);
    place.clock.set(before + 2 * MINUTE);
    await place.clock.advance(10 * MINUTE);
    assert.equal(place.begun.length, 10);
  });
});

suite('by annotation', () => {
  const schedule = () => scheduleOf({ triggers: { onAnnotation: true } });
  const asking = (value: string) => podOf('cart', { annotations: { 'checkpoint.criu.org/trigger': value } });

  test('a value asks once, another asks again, also the same after it was taken away', async () => {
    const place = await placeWith(podOf('cart'));
    place.setSchedules(schedule());
    await place.clock.advance(MINUTE);
    assert.equal(place.begun.length, 0);
    for (const [value, taken] of [
      ['true', 1],
      ['true', 1],
      ['again', 2],
      ['', 2],
      ['again', 3],
      ['false', 3],
    ] as const) {
      place.setPods(asking(value));
      await place.clock.advance(MINUTE);
      assert.equal(place.begun.length, taken, value);
    }
  });

  test('and is not answered twice after a restart', async () => {
    const place = await placeWith(asking('true'));
    place.setSchedules(schedule());
    await place.clock.advance(MINUTE);
    place.kill();
    await place.start();
    await place.clock.advance(MINUTE);
    assert.equal(place.begun.length, 1);
  });
});

suite('when a pod ends', () => {
  const drains = () => scheduleOf({ triggers: { onKubernetesEvents: ['NodeDrain'] } });

  for (const [name, wanted, more, cordoned, taken] of [
    ['evicted', ['PodEviction'], { disruption: 'EvictionByEvictionAPI' }, false, 1],
    ['by a taint', ['PodEviction'], { disruption: 'DeletionByTaintManager' }, false, 1],
    ['preempted', ['Preemption'], { disruption: 'PreemptionByScheduler' }, false, 1],
    [
      'preempted, and evictions are asked for',
      ['PodEviction'],
      { disruption: 'PreemptionByScheduler' },
      false,
      0,
    ],
    ['evicted from a node that is drained', ['NodeDrain'], { disruption: 'EvictionByEvictionAPI' }, true, 1],
    ['deleted on a node that is drained', ['NodeDrain'], {}, true, 1],
    ['deleted by hand', ['NodeDrain', 'PodEviction', 'Preemption'], {}, false, 0],
  ] as const) {
    test(name, async () => {
      const place = await placeWith(podOf('cart'));
      place.cordoned = cordoned;
      place.setSchedules(scheduleOf({ triggers: { onKubernetesEvents: [...wanted] } }));
      await place.clock.advance(MINUTE);
      place.setPods(podOf('cart', { endsAt: place.clock.now() + 30_000, ...more }));
      await place.clock.advance(20_000);
      assert.equal(place.begun.length, taken);
    });
  }

  test('the kubelet ends it for want of memory, without asking for its deletion', async () => {
    const place = await placeWith(podOf('cart'));
    place.setSchedules(scheduleOf({ triggers: { onKubernetesEvents: ['PodEviction'] } }));
    place.setPods(podOf('cart', { disruption: 'TerminationByKubelet' }));
    await place.clock.advance(5_000);
    assert.equal(place.begun.length, 1);
  });

  test('twenty pods at once, within a second, and the node is asked once', async () => {
    const pods = Array.from({ length: 8 }, (_, index) => podOf(`p-${index}`));
    const place = await placeWith(...pods);
    place.setSchedules(drains());
    await place.clock.advance(MINUTE);
    place.cordoned = true;
    place.setPods(...pods.map((pod) => ({ ...pod, endsAt: place.clock.now() + 30_000 })));
    await place.clock.advance(900);
    assert.equal(place.begun.length, 8);
    assert.equal(place.nodeAsked, 1);
  });

  test('a failure is tried again while it ends, also where a run by the clock has failed before', async () => {
    const place = await placeWith(podOf('cart'));
    place.node.runtime.standard = { ...WELL, answer: 'failed', archiveMs: null };
    place.setSchedules(scheduleOf({ triggers: { interval: '1h', onKubernetesEvents: ['NodeDrain'] } }));
    await place.clock.advance(60 * MINUTE + 500);
    assert.equal(place.begun.length, 1);
    place.cordoned = true;
    place.setPods(podOf('cart', { endsAt: place.clock.now() + 30_000 }));
    await place.clock.advance(1_000);
    assert.ok(place.begun.length >= 2, 'at once');
    place.node.runtime.standard = WELL;
    await place.clock.advance(8_000);
    assert.equal(place.node.onDisk().length, 1);
    await place.clock.advance(20_000);
    assert.equal(place.node.onDisk().length, 1);
  });

  test('a restart in the middle takes it once', async () => {
    const place = await placeWith(podOf('cart'));
    place.setSchedules(drains());
    place.cordoned = true;
    place.kill();
    place.setPods(podOf('cart', { endsAt: place.clock.now() + 30_000 }));
    await place.start();
    await place.clock.advance(5_000);
    place.kill();
    await place.start();
    await place.clock.advance(5_000);
    assert.equal(place.begun.length, 1);
  });
});

test('a bound of usage triggers when it is crossed, and again after it has been back', async () => {
  const [container] = podOf('cart').containers;
  assert.ok(container);
  const limited = { ...container, memoryLimitBytes: 1_000, cpuLimitCores: 0.5 };
  const place = await placeWith(podOf('cart', { containers: [limited] }), podOf('unlimited'));
  const uses = (memoryBytes: number, cpuCores: number) => {
    for (const uid of ['u-cart', 'u-unlimited']) place.usage.set(`${uid}/main`, { memoryBytes, cpuCores });
  };
  uses(100, 0.1);
  const resourceThreshold = {
    cpuPercent: { lower: 10 },
    memoryPercent: { upper: 80 },
    pollIntervalSeconds: 30,
  };
  place.setSchedules(scheduleOf({ triggers: { resourceThreshold } }));
  await place.clock.advance(MINUTE);
  const taken: number[] = [];
  for (const [memory, cpu] of [
    [700, 0.4],
    [900, 0.4],
    [950, 0.4],
    [700, 0.4],
    [900, 0.4],
    [900, 0.01],
  ] as const) {
    uses(memory, cpu);
    await place.clock.advance(MINUTE);
    taken.push(place.begun.length);
  }
  assert.deepEqual(taken, [0, 1, 1, 1, 2, 3]);
  assert.deepEqual(new Set(place.begun), new Set(['shop/cart/main']));
});

test('what a schedule has taken is known as its own, after a restart too, and the archives of others are not', async () => {
  const place = await placeWith(podOf('cart'));
  place.node.ask('shop/cart/main');
  await place.clock.advance(5_000);
  place.setSchedules(scheduleOf({ triggers: { interval: '1m' } }));
  await place.clock.advance(2.5 * MINUTE);
  const makers = () => place.node.onDisk().map((file) => place.node.door?.inventory.get(file)?.madeBy);
  assert.deepEqual(makers(), [undefined, 'shop/nightly', 'shop/nightly']);
  place.kill();
  await place.start();
  assert.deepEqual(makers(), [undefined, 'shop/nightly', 'shop/nightly']);
  assert.equal(place.toPlan.at(-1)?.length, 1);
});

test('of schedules that select nothing here nothing is kept or written', async () => {
  const place = await placeWith(podOf('cart'));
  const others = Array.from({ length: 2_000 }, (_, index) =>
    scheduleOf(EVERY_TEN, { namespace: `team-${index}`, uid: `s-${index}` }),
  );
  place.setSchedules(...others);
  await place.clock.advance(10 * MINUTE);
  assert.equal(place.begun.length + place.statuses.length, 0);
  assert.deepEqual(place.state('schedules.json'), null);
});

test('its status is written by this node for itself, and seldom', async () => {
  const place = await placeWith(podOf('cart'), podOf('till'));
  place.setSchedules(scheduleOf({ triggers: { interval: '1m' } }));
  await place.clock.advance(10.5 * MINUTE);
  const last = place.statuses.at(-1);
  assert.equal(last?.manager, 'checkpoint-warden-collector/node1');
  assert.deepEqual(last.status, {
    nodes: [
      {
        node: 'node1',
        ...{ containers: 2, taken: 20, failed: 0, dropped: 0, failing: 0, failures: [] },
        ...{
          lastCheckpointTime: '2026-11-21T12:10:00Z',
          lastTrigger: 'interval',
          nextTime: '2026-11-21T12:11:00Z',
        },
        reportedAt: '2026-11-21T12:10:01Z',
      },
    ],
    checkpointsCreated: 20,
    lastCheckpointTime: '2026-11-21T12:10:00Z',
  });
  assert.ok(place.statuses.length <= 12, `${place.statuses.length} writes in ten minutes`);
});
