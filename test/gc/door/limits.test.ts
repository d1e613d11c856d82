import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../policy/json.ts';
import { FakeNode, statusesOf } from './fake-node.ts';
import { WELL } from './fake-runtime.ts';

/** Archives of the fake runtime take 9.5 KiB; the first of a container is expected to take 10. */
const COUNT = 5;
const TOTAL = { maxCheckpointSize: '10Ki', maxTotalSize: '50Ki' };

const POD = { namespace: 'shop', pod: 'cart' };
const CONTAINER = { ...POD, container: 'main' };

interface Level {
  readonly level: string;
  readonly containers: readonly string[];
  readonly govern: (limits: JsonObject) => JsonObject;
}

const LEVELS: readonly Level[] = [
  {
    level: 'a container',
    containers: ['shop/cart/main'],
    govern: (limits) => ({ containerPolicies: [{ ...CONTAINER, ...limits }] }),
  },
  {
    level: 'a pod with two containers',
    containers: ['shop/cart/main', 'shop/cart/side'],
    govern: (limits) => ({ podPolicies: [{ ...POD, ...limits }] }),
  },
  {
    level: 'a namespace with two pods',
    containers: ['shop/cart/main', 'shop/till/main'],
    govern: (limits) => ({ namespacePolicies: [{ namespace: 'shop', ...limits }] }),
  },
  ...(['Container', 'Pod', 'Namespace'] as const).map(
    (name): Level => ({
      level: `each ${name.toLowerCase()}, by the global policy`,
      containers: ['shop/cart/main'],
      govern: ({ maxCheckpoints, maxTotalSize, ...rest }) => ({
        globalPolicy: {
          ...rest,
          ...(maxCheckpoints !== undefined && { [`maxCheckpointsPer${name}`]: maxCheckpoints }),
          ...(maxTotalSize !== undefined && { [`maxTotalSizePer${name}`]: maxTotalSize }),
        },
      }),
    }),
  ),
];

for (const { level, containers, govern } of LEVELS) {
  for (const [kind, limits] of [
    ['count', { maxCheckpoints: COUNT }],
    ['total', TOTAL],
  ] as const) {
    test(`RejectNew, ${kind}, ${level}: of 50 at once exactly ${COUNT} get through`, async () => {
      const node = new FakeNode();
      node.govern(govern({ ...limits, whenFull: 'RejectNew' }));
      const most = watchMost(node);
      await node.start();
      const asked = await askFifty(node, containers);
      assert.deepEqual(statusesOf(asked), { 200: COUNT, 507: 50 - COUNT });
      assert.equal(most(), COUNT);
      assert.equal(node.onDisk().length, COUNT);
      assertSound(node);
    });

    test(`EvictOldest, ${kind}, ${level}: of 50 at once the newest ${COUNT} stay`, async () => {
      const node = new FakeNode();
      node.govern(govern({ ...limits, whenFull: 'EvictOldest' }));
      const most = watchMost(node);
      await node.start();
      const asked = await askFifty(node, containers);
      assert.deepEqual(statusesOf(asked), { 200: 50 });
      const files = node.onDisk();
      assert.equal(files.length, COUNT, files.join(' '));
      assert.equal(most(), COUNT, 'room was made too late');
      const taken = [...node.evicted].map(timeOf).sort();
      assert.ok((taken.at(-1) ?? '') <= (files.map(timeOf).sort()[0] ?? ''), 'an older one was kept');
      assertSound(node);
    });
  }
}

interface Gate {
  readonly kind: string;
  readonly limits: JsonObject;
  readonly refused: number;
  /** Of each container, of 50 requests at once. */
  readonly allowed: number;
  readonly bytes?: number;
}

const GATES: readonly Gate[] = [
  { kind: 'minInterval', limits: { minInterval: '5m' }, allowed: 1, refused: 429 },
  { kind: 'checkpointing: Deny', limits: { checkpointing: 'Deny' }, allowed: 0, refused: 403 },
  // Nothing is known of the first one.
  {
    kind: 'maxCheckpointSize',
    limits: { maxCheckpointSize: '10Ki' },
    allowed: 1,
    refused: 507,
    bytes: 20_000,
  },
];

for (const { level, containers, govern } of LEVELS) {
  for (const { kind, limits, allowed, refused, bytes = WELL.bytes } of GATES) {
    test(`${kind}, ${level}: of 50 at once exactly ${allowed} of each container`, async () => {
      const node = new FakeNode();
      node.runtime.standard = { ...WELL, bytes };
      node.govern(govern(limits));
      await node.start();
      const asked = await askFifty(node, containers);
      const passed = allowed * containers.length;
      assert.deepEqual(statusesOf(asked), { ...(passed > 0 && { 200: passed }), [refused]: 50 - passed });
      assert.equal(node.runtime.begun.length, passed);
      assertSound(node);
    });
  }
}

const CONCURRENT: readonly (readonly [level: string, policies: JsonObject, containers: readonly string[]])[] =
  [
    [
      'a namespace',
      { namespacePolicies: [{ namespace: 'shop', maxConcurrent: 3 }] },
      Array.from({ length: 50 }, (_, index) => `shop/pod-${index}/main`),
    ],
    [
      'everything',
      { globalPolicy: { maxConcurrent: 3 } },
      Array.from({ length: 50 }, (_, index) => `ns-${index}/pod/main`),
    ],
    [
      'a pod',
      { podPolicies: [{ namespace: 'shop', pod: 'cart', maxConcurrent: 3 }] },
      ['main', 'side', 'c', 'b-c'].map((each) => `shop/cart/${each}`),
    ],
  ];

for (const [level, policies, containers] of CONCURRENT) {
  test(`maxConcurrent, ${level}: of ${containers.length} at once exactly 3`, async () => {
    const node = new FakeNode();
    node.govern(policies);
    node.runtime.standard = { ...WELL, answerMs: 60_000, archiveMs: 59_000 };
    await node.start();
    const asked = containers.map((each) => node.ask(each));
    await node.clock.advance(1_000);
    assert.equal(node.runtime.underWay, 3);
    assert.deepEqual(statusesOf(asked), { none: 3, 429: containers.length - 3 });
    await node.clock.advance(70_000);
    assert.equal(statusesOf(asked)['200'], 3);
    assert.equal(node.runtime.mostUnderWay, 3);
    assertSound(node);
  });
}

async function askFifty(node: FakeNode, containers: readonly string[]) {
  const asked = Array.from({ length: 50 }, (_, index) =>
    node.ask(containers[index % containers.length] ?? ''),
  );
  await node.clock.advance(100_000);
  return asked;
}

/** @returns how many archives there were at most. */
function watchMost(node: FakeNode): () => number {
  let most = 0;
  node.runtime.onWrite = (file) => {
    most = Math.max(most, node.onDisk().length);
    void node.door?.inventory.look([file]);
  };
  return () => most;
}

async function settledAsk(node: FakeNode, container: string) {
  const asked = node.ask(container);
  await node.clock.advance(20_000);
  return asked;
}

function assertSound(node: FakeNode): void {
  assert.deepEqual(node.runtime.overwritten, [], 'two archives had one name');
  assert.deepEqual(node.runtime.doubled, [], 'one name was under way twice');
  assert.deepEqual(node.door?.ledger.reserved(), [], 'a reservation was left');
}

function timeOf(file: string): string {
  return /\d{4}-\d\d-\d\dT.*Z/.exec(file)?.[0] ?? '';
}

test('maxConcurrent: no more under way than allowed, and the others are told when to try again', async () => {
  const node = new FakeNode();
  node.govern({ namespacePolicies: [{ namespace: 'shop', maxConcurrent: 2 }] });
  await node.start();
  const asked = Array.from({ length: 10 }, (_, index) => node.ask(`shop/pod-${index}/main`));
  await node.clock.advance(5_000);
  assert.deepEqual(statusesOf(asked), { 200: 2, 429: 8 });
  assert.equal(node.runtime.mostUnderWay, 2);
  const refused = asked.find(({ reply }) => reply?.status === 429)?.reply;
  assert.equal(refused?.headers['retry-after'], '5');
  assert.match(refused?.body ?? '', /2 are under way, 2 allowed at once \(maxConcurrent of namespace\/shop/);
});

test('maxConcurrent: an archive that is there is not under way, although it was made a moment ago', async () => {
  const node = new FakeNode();
  node.govern({ namespacePolicies: [{ namespace: 'shop', maxConcurrent: 1 }] });
  await node.start();
  for (const pod of ['a', 'b', 'c']) {
    const asked = node.ask(`shop/${pod}/main`);
    await node.clock.advance(300);
    assert.equal(asked.reply?.status, 200, asked.reply?.body);
  }
});

test('minInterval counts from start to start, over a restart, and says how long to wait', async () => {
  const node = new FakeNode();
  node.govern({ containerPolicies: [{ ...CONTAINER, minInterval: '60s' }] });
  await node.start();
  assert.equal((await settledAsk(node, 'shop/cart/main')).reply?.status, 200);
  node.files.remove(`/checkpoints/${node.onDisk()[0]}`);
  node.kill();
  await node.start();
  const early = (await settledAsk(node, 'shop/cart/main')).reply;
  assert.equal(early?.status, 429);
  assert.equal(early?.headers['retry-after'], '40');
  await node.clock.advance(20_000);
  assert.equal((await settledAsk(node, 'shop/cart/main')).reply?.status, 200);
});

test('checkpointing: Deny is 403, and nothing is asked of the kubelet', async () => {
  const node = new FakeNode();
  node.govern({ podPolicies: [{ ...POD, checkpointing: 'Deny' }] });
  await node.start();
  const { reply } = await settledAsk(node, 'shop/cart/main');
  assert.equal(reply?.status, 403);
  assert.equal(
    reply?.body,
    'checkpoints of shop/cart/main are denied (checkpointing: Deny of pod/shop/cart in ops/quotas); ask whoever keeps that policy to allow them; the limit is spec.podPolicies[0].checkpointing of ops/quotas\n',
  );
  assert.deepEqual(node.runtime.begun, []);
});

test('one that is too large is refused with the grounds of the estimate', async () => {
  const node = new FakeNode();
  node.govern({ containerPolicies: [{ ...CONTAINER, maxCheckpointSize: '4Ki' }] });
  node.runtime.standard = { ...WELL, bytes: 20_000 };
  await node.start();
  // Nothing is known of it, so it may be as large as it is allowed to be.
  assert.equal((await settledAsk(node, 'shop/cart/main')).reply?.status, 200);
  const { reply } = await settledAsk(node, 'shop/cart/main');
  assert.equal(reply?.status, 507);
  assert.match(reply?.body ?? '', /\(maxCheckpointSize\), by container\/shop\/cart\/main in ops\/quotas/);
  assert.match(reply?.body ?? '', /are expected: its last archive and a tenth more\n$/);
});

test('the disk needs room for three times the archive, of those under way too', async () => {
  const node = new FakeNode();
  node.files.disk = { ...node.files.disk, freeBytes: 3.5 * 100 * 1024 * 1024 };
  await node.start();
  const asked = ['a', 'b'].map((pod) => node.ask(`shop/${pod}/main`));
  await node.clock.advance(5_000);
  assert.deepEqual(statusesOf(asked), { 200: 1, 507: 1 });
  assert.match(asked[1]?.reply?.body ?? '', /does not fit on the disk: 350Mi are free, 600Mi are needed/);
});

test('a pinned archive does not go: the request is refused, and nothing was promised', async () => {
  const node = new FakeNode();
  node.govern({ containerPolicies: [{ ...CONTAINER, maxCheckpoints: 1 }] });
  await node.start();
  await settledAsk(node, 'shop/cart/main');
  node.files.write(`/checkpoints/${node.onDisk()[0]}.keep`, '');
  await node.door?.inventory.scan();
  const { reply } = await settledAsk(node, 'shop/cart/main');
  assert.equal(reply?.status, 507);
  assert.match(reply?.body ?? '', /unpin or delete an archive/);
  assertSound(node);
});

test('what must go and cannot be deleted stops the request', async () => {
  const node = new FakeNode();
  node.govern({ containerPolicies: [{ ...CONTAINER, maxCheckpoints: 1 }] });
  await node.start();
  await settledAsk(node, 'shop/cart/main');
  node.files.fault('rename', `/checkpoints/${node.onDisk()[0]}`, 'EIO');
  const { reply } = await settledAsk(node, 'shop/cart/main');
  assert.equal(reply?.status, 507);
  assert.match(reply?.body ?? '', /an archive of shop would have to go .* could not be deleted/);
  assert.equal(node.runtime.begun.length, 1);
  assertSound(node);
});

test('what must go and was made a moment ago is waited for', async () => {
  const node = new FakeNode();
  node.govern({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] });
  await node.start();
  const first = node.ask('shop/cart/main');
  await node.clock.advance(350);
  assert.equal(first.reply?.status, 200);
  const second = node.ask('shop/till/main');
  await node.clock.advance(3_000);
  assert.equal(second.reply?.status, 200);
  assert.deepEqual(node.onDisk().length, 1);
  assert.match(node.onDisk()[0] ?? '', /till/);
});
