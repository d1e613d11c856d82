import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { placedPodLookup } from '../../kube/placed-pods.ts';
import { clientOf } from './scripted-client.ts';

const METADATA = { namespace: 'shop', name: 'cart', uid: 'u-1' };
const RUNNING = { running: { startedAt: '2026-11-21T06:00:00Z' } };

function look(pod: object) {
  return placedPodLookup(clientOf(async () => ({ apiVersion: 'v1', kind: 'Pod', ...pod }))).get(
    'shop',
    'cart',
  );
}

suite('a pod and its place', () => {
  test('its node, its containers of all kinds, and which of them run', async () => {
    const pod = await look({
      metadata: METADATA,
      spec: {
        nodeName: 'node1',
        containers: [{ name: 'main', resources: { limits: { memory: '64Mi' } } }, { name: 'side' }],
        initContainers: [{ name: 'prepare', resources: { limits: { memory: '1G', cpu: '1' } } }],
        ephemeralContainers: [{ name: 'look' }],
      },
      status: {
        containerStatuses: [
          { name: 'side', state: { waiting: { reason: 'CrashLoopBackOff' } } },
          { name: 'main', state: RUNNING },
        ],
        initContainerStatuses: [{ name: 'prepare', state: { terminated: { exitCode: 0 } } }],
        ephemeralContainerStatuses: [{ name: 'look', state: RUNNING }],
      },
    });
    assert.deepEqual(pod, {
      uid: 'u-1',
      configHash: null,
      node: 'node1',
      containers: [
        { name: 'main', memoryLimitBytes: 64 * 1024 * 1024, running: true },
        { name: 'side', memoryLimitBytes: null, running: false },
        { name: 'prepare', memoryLimitBytes: 1_000_000_000, running: false },
        { name: 'look', memoryLimitBytes: null, running: true },
      ],
    });
  });

  test('one that is not bound, and has no status yet', async () => {
    const pod = await look({ metadata: METADATA, spec: { containers: [{ name: 'main' }] } });
    assert.equal(pod?.node, '');
    assert.deepEqual(pod?.containers, [{ name: 'main', memoryLimitBytes: null, running: false }]);
  });

  test("a static pod's mirror carries the hash of its manifest", async () => {
    const annotations = { 'kubernetes.io/config.hash': 'hash-1' };
    const pod = await look({ metadata: { ...METADATA, annotations }, spec: { nodeName: 'node1' } });
    assert.deepEqual([pod?.configHash, pod?.containers], ['hash-1', []]);
  });

  for (const [name, memory] of [
    ['no quantity', 'much'],
    ['nothing', '0'],
    ['less than nothing', '-5Mi'],
    ['an object', {}],
  ] as const) {
    test(`a memory limit that is ${name} is none`, async () => {
      const spec = { containers: [{ name: 'main', resources: { limits: { memory } } }] };
      const pod = await look({ metadata: METADATA, spec });
      assert.equal(pod?.containers[0]?.memoryLimitBytes, null);
    });
  }

  test('what is no pod of that name proves nothing', async () => {
    await assert.rejects(look({ metadata: { ...METADATA, name: 'till' } }));
    await assert.rejects(look({ metadata: { ...METADATA, namespace: 'other' } }));
    await assert.rejects(look({}));
  });

  test('names that no pod can have are never sent', async () => {
    const pods = placedPodLookup(clientOf(() => assert.fail('asked')));
    for (const [namespace, name] of [
      ['shop', '../nodes'],
      ['shop/x', 'cart'],
      ['', 'cart'],
      ['shop', 'CART'],
      ['shop', 'cart?x=1'],
    ] as const) {
      await assert.rejects(pods.get(namespace, name), /no pod can be called/);
    }
  });
});
