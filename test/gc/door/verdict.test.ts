import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../../gc/door/refusal.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { FakeNode, podOf } from './fake-node.ts';

const CART = { namespace: 'shop', pod: 'cart', container: 'main' };

async function started(limits?: JsonObject): Promise<FakeNode> {
  const node = new FakeNode();
  if (limits !== undefined) node.govern({ containerPolicies: [{ ...CART, ...limits }] });
  await node.start();
  return node;
}

async function checkpoint(node: FakeNode): Promise<void> {
  const asked = node.ask('shop/cart/main');
  await node.clock.advance(10_000);
  assert.equal(asked.reply?.status, 200, asked.reply?.body);
}

/** The whole answer, with its status. */
async function verdict(node: FakeNode, path = 'shop/cart/main'): Promise<Record<string, unknown>> {
  const asked = node.ask('', { method: 'GET', url: `/verdict/${path}` });
  await node.clock.advance(100);
  const { reply } = asked;
  assert.equal(reply?.status, 200, reply?.body);
  assert.equal(reply?.headers['content-type'], 'application/json');
  return JSON.parse(reply?.body ?? '');
}

test('allowed, with the grounds of the estimate', async () => {
  const node = await started();
  assert.deepEqual(await verdict(node), {
    allowed: true,
    grounds: '100Mi are expected: the default, as neither an archive nor a memory limit of it is known',
  });
});

test('allowed, and what would go for it: it stays, and nothing is reserved or asked', async () => {
  const node = await started({ maxCheckpoints: 1 });
  await checkpoint(node);
  const [begun, audits, lines, files] = [
    node.runtime.begun.length,
    node.audit.length,
    node.lines.length,
    node.onDisk(),
  ];
  const writes = node.journal.writes;
  for (let round = 0; round < 3; round += 1) {
    const { allowed, grounds } = await verdict(node);
    assert.equal(allowed, true);
    assert.match(String(grounds), /its last archive and a tenth more; one archive would be deleted for it$/);
  }
  assert.deepEqual(node.onDisk(), files);
  assert.equal(node.runtime.begun.length, begun);
  assert.equal(node.journal.writes, writes, 'the ledger was written');
  assert.deepEqual(node.door?.ledger.reserved(), []);
  assert.equal(node.audit.length, audits, 'an audit record');
  assert.equal(node.lines.length, lines, 'a log line');
});

test('no: with status, code, sentence and when to try again', async () => {
  const node = await started({ minInterval: '60s' });
  await checkpoint(node);
  const { message, ...rest } = await verdict(node);
  assert.deepEqual(rest, { allowed: false, status: 429, code: 'interval', retryAfterSeconds: 50 });
  assert.match(String(message), /comes too soon: the last began 10s ago, one in 1m allowed \(minInterval of/);
});

test('no: over the count, with no time to try again at', async () => {
  const node = await started({ maxCheckpoints: 1, whenFull: 'RejectNew' });
  await checkpoint(node);
  const { message, ...rest } = await verdict(node);
  assert.deepEqual(rest, { allowed: false, status: 507, code: 'count' });
  assert.match(String(message), /the limit is spec\.containerPolicies\[0\]\.maxCheckpoints of ops\/quotas$/);
});

const UNKNOWN: readonly {
  readonly name: string;
  readonly path: string;
  readonly status: number;
  readonly code: string;
  readonly prepare?: (node: FakeNode) => unknown;
}[] = [
  { name: 'a container', path: 'shop/cart/other', status: 404, code: 'noContainer' },
  {
    name: 'policies',
    path: 'shop/cart/main',
    status: 503,
    code: 'policiesUnknown',
    prepare: (node) => {
      node.policies = null;
    },
  },
  {
    name: 'a directory',
    path: 'shop/cart/main',
    status: 503,
    code: 'directoryUnknown',
    prepare: (node) => {
      node.files.fault('stat', '/checkpoints', 'EACCES');
      return node.door?.inventory.scan();
    },
  },
];

for (const { name, path, status, code, prepare } of UNKNOWN) {
  test(`no: ${name} that is not known`, async () => {
    const node = await started();
    await prepare?.(node);
    const answer = await verdict(node, path);
    assert.deepEqual([answer.allowed, answer.status, answer.code], [false, status, code]);
  });
}

for (const [name, pod, status, code] of [
  ['no such pod', null, 404, 'noPod'],
  ['a pod of another node', podOf('shop', 'cart', { node: 'node2' }), 404, 'elsewhere'],
] as const) {
  test(`no: ${name}`, async () => {
    const node = new FakeNode();
    node.more = { pods: { get: async () => pod } };
    await node.start();
    const answer = await verdict(node);
    assert.deepEqual([answer.allowed, answer.status, answer.code], [false, status, code]);
  });
}

test('while a checkpoint is under way there is an answer at once', async () => {
  const node = await started({ maxCheckpoints: 1, whenFull: 'RejectNew' });
  node.ask('shop/cart/main');
  await node.clock.advance(100);
  const { allowed, message } = await verdict(node);
  assert.equal(allowed, false);
  assert.match(String(message), /1 of them under way/);
});

test('whoever may only take checkpoints gets no verdict, and the other way round', async () => {
  const asked: unknown[] = [];
  const node = new FakeNode();
  node.more = {
    authorizer: {
      async authorize(_, __, verb) {
        asked.push(verb);
        throw Refusal.of('forbidden', 'no');
      },
    },
  };
  await node.start();
  const replies = [
    node.ask('', { method: 'GET', url: '/verdict/shop/cart/main' }),
    node.ask('shop/cart/main'),
  ];
  await node.clock.advance(100);
  assert.deepEqual(
    replies.map(({ reply }) => [reply?.status, reply?.headers['content-type']]),
    [
      [403, 'text/plain; charset=utf-8'],
      [403, 'text/plain; charset=utf-8'],
    ],
  );
  assert.deepEqual(asked, ['get', 'create']);
  assert.equal(node.audit.length, 1, 'of the checkpoint alone');
});
