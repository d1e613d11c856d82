import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodePod, nodePods } from '../../kube/node-pods.ts';
import { clientOf } from './scripted-client.ts';

const RUNNING = { running: { startedAt: '2026-11-21T06:00:00Z' } };

const POD = {
  metadata: {
    ...{ namespace: 'shop', name: 'cart', uid: 'u-1', labels: { app: 'cart' } },
    annotations: { 'checkpoint.criu.org/trigger': 'now', other: 'x'.repeat(1_000) },
    deletionTimestamp: '2026-11-21T07:00:30Z',
    deletionGracePeriodSeconds: 30,
  },
  spec: {
    nodeName: 'node1',
    containers: [{ name: 'main', resources: { limits: { memory: '64Mi', cpu: '1500m' } } }],
    initContainers: [
      { name: 'prepare' },
      { name: 'proxy', restartPolicy: 'Always', resources: { limits: { cpu: 2 } } },
    ],
    ephemeralContainers: [{ name: 'look' }],
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' },
    ],
    containerStatuses: [{ name: 'main', state: RUNNING }],
    initContainerStatuses: [
      { name: 'prepare', state: { terminated: { exitCode: 0 } } },
      { name: 'proxy', state: { waiting: { reason: 'CrashLoopBackOff' } } },
    ],
  },
};

test('what a schedule looks at: what runs as long as the pod, limits, its end, and own annotations', () => {
  assert.deepEqual(nodePod(POD), {
    ...{ namespace: 'shop', name: 'cart', uid: 'u-1', configHash: null, node: 'node1' },
    labels: { app: 'cart' },
    annotations: { 'checkpoint.criu.org/trigger': 'now' },
    endsAt: Date.parse('2026-11-21T07:00:30Z'),
    disruption: 'EvictionByEvictionAPI',
    containers: [
      {
        ...{ name: 'main', memoryLimitBytes: 64 * 1024 * 1024, cpuLimitCores: 1.5, running: true },
        startedAt: Date.parse('2026-11-21T06:00:00Z'),
      },
      { name: 'proxy', memoryLimitBytes: null, cpuLimitCores: 2, running: false, startedAt: null },
    ],
  });
});

for (const [name, pod] of [
  ['nothing', {}],
  ['rubbish', { metadata: 7, spec: { containers: 'x' }, status: { conditions: [null, 3] } }],
  [
    'a condition that has passed',
    { status: { conditions: [{ type: 'DisruptionTarget', status: 'False' }] } },
  ],
] as const) {
  test(`a pod with ${name} is one that nothing happens to`, () => {
    const { endsAt, disruption, containers } = nodePod(pod);
    assert.deepEqual({ endsAt, disruption, containers }, { endsAt: null, disruption: null, containers: [] });
  });
}

test('only those of the node are asked for', async () => {
  const asked: unknown[] = [];
  const client = clientOf(async ({ query }) => {
    asked.push(query?.fieldSelector);
    return {
      metadata: { resourceVersion: '1' },
      items: [{ ...POD, metadata: { ...POD.metadata, resourceVersion: '1' } }],
    };
  });
  const informer = nodePods(client, 'node1');
  await informer.start();
  await informer.stop();
  assert.deepEqual(asked, ['spec.nodeName=node1']);
  assert.equal(informer.get('shop/cart')?.uid, 'u-1');
});
