import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Withheld } from '../../../gc/door/judge.ts';
import { REFUSALS, Refusal } from '../../../gc/door/refusal.ts';
import { refused } from '../../../gc/door/reply.ts';
import type { JsonObject } from '../../../policy/json.ts';
import type { Decision } from '../../../policy/types.ts';
import { FakeNode } from './fake-node.ts';
import { WELL } from './fake-runtime.ts';

const CART = { namespace: 'shop', pod: 'cart', container: 'main' };

/** What each refusal by a policy has to tell. */
interface Row {
  readonly limit: string;
  readonly policies: JsonObject;
  readonly policy: string;
  readonly field: string;
  readonly status: number;
  readonly retry?: string;
  /** The limit's value and the usage. */
  readonly usage: RegExp;
  readonly remedy: RegExp;
  /** Checkpoints before. */
  readonly before?: number;
  /** Others under way. */
  readonly meanwhile?: readonly string[];
  readonly bytes?: number;
}

const REJECT = { whenFull: 'RejectNew' };

const ROWS: readonly Row[] = [
  {
    limit: 'checkpointing: Deny',
    policies: { podPolicies: [{ namespace: 'shop', pod: 'cart', checkpointing: 'Deny' }] },
    policy: 'pod/shop/cart',
    field: 'spec.podPolicies[0].checkpointing',
    status: 403,
    usage: /checkpoints of shop\/cart\/main are denied/,
    remedy: /ask whoever keeps that policy to allow them/,
  },
  {
    limit: 'maxCheckpoints',
    policies: { containerPolicies: [{ ...CART, ...REJECT, maxCheckpoints: 2 }] },
    policy: 'container/shop/cart/main',
    field: 'spec.containerPolicies[0].maxCheckpoints',
    status: 507,
    before: 2,
    usage: /with it container shop\/cart\/main has 3 archives, 2 allowed \(maxCheckpoints\)/,
    remedy: /delete an archive, or ask for a higher maxCheckpoints/,
  },
  {
    limit: 'maxTotalSize',
    policies: { namespacePolicies: [{ namespace: 'shop', ...REJECT, maxTotalSize: '25Ki' }] },
    policy: 'namespace/shop',
    field: 'spec.namespacePolicies[0].maxTotalSize',
    status: 507,
    before: 2,
    usage: /with it namespace shop takes \d[\d.]*Ki, 25Ki allowed \(maxTotalSize\)/,
    remedy: /delete an archive, or ask for a higher maxTotalSize; .* are expected: the largest of its last 2/,
  },
  {
    limit: 'maxCheckpointSize',
    policies: { containerPolicies: [{ ...CART, maxCheckpointSize: '10Ki' }] },
    policy: 'container/shop/cart/main',
    field: 'spec.containerPolicies[0].maxCheckpointSize',
    status: 507,
    before: 1,
    bytes: 20_000,
    usage: /an archive of about [\d.]+Ki is expected, 10Ki allowed \(maxCheckpointSize\)/,
    remedy: /ask for a higher maxCheckpointSize; .* are expected: its last archive and a tenth more/,
  },
  {
    limit: 'minInterval',
    policies: { globalPolicy: { minInterval: '60s' } },
    policy: 'global',
    field: 'spec.globalPolicy.minInterval',
    status: 429,
    retry: '40',
    before: 1,
    usage: /the last began 20s ago, one in 1m allowed \(minInterval of the global policy/,
    remedy: /try again in 40s/,
  },
  {
    limit: 'maxConcurrent',
    policies: { namespacePolicies: [{ namespace: 'shop', maxConcurrent: 1 }] },
    policy: 'namespace/shop',
    field: 'spec.namespacePolicies[0].maxConcurrent',
    status: 429,
    retry: '5',
    meanwhile: ['shop/till/main'],
    usage: /1 is under way, 1 allowed at once \(maxConcurrent of namespace\/shop/,
    remedy: /try again in 5s/,
  },
];

for (const row of ROWS) {
  const { limit, policies, before = 0, meanwhile = [], bytes = WELL.bytes } = row;
  test(`${limit}: the limit, the usage, the policy and what to do are named`, async () => {
    const node = new FakeNode();
    node.runtime.standard = { ...WELL, bytes };
    await node.start();
    for (let index = 0; index < before; index += 1) {
      node.ask('shop/cart/main');
      await node.clock.advance(20_000);
    }
    node.govern(policies);
    for (const each of meanwhile) node.ask(each);
    const { reply } = await askedAfter(node, 100);
    assert.equal(reply?.status, row.status, reply?.body);
    assert.match(reply?.body ?? '', row.usage);
    assert.match(reply?.body ?? '', row.remedy);
    assert.match(reply?.body ?? '', /^[^\n]+\n$/);
    assert.ok(reply?.body.includes(`the limit is ${row.field} of ops/quotas`), reply?.body);
    assert.equal(reply?.headers['retry-after'], row.retry);
    const { metadata } = node.audit.at(-1) ?? {};
    assert.deepEqual(
      [metadata?.verdict, metadata?.status, metadata?.policy, metadata?.resource, metadata?.field],
      ['refused', row.status, row.policy, 'ops/quotas', row.field],
    );
    assert.deepEqual(node.door?.ledger.reserved().length, meanwhile.length);
  });
}

async function askedAfter(node: FakeNode, ms: number) {
  const asked = node.ask('shop/cart/main');
  await node.clock.advance(ms);
  return asked;
}

const WHY = 'ops/quotas waits for the confirmation of an administrator';

/** A node with three archives of a container, whose policy then acts, or is held. */
async function withheldNode(
  limits: JsonObject,
  withheld: (decision: Decision) => boolean,
): Promise<FakeNode> {
  const node = new FakeNode();
  const evict = (decisions: readonly Decision[]): Withheld[] =>
    decisions.filter(withheld).map((decision) => ({ decision, why: WHY }));
  node.more = { withheld: evict };
  await node.start();
  for (let index = 0; index < 3; index += 1) {
    node.ask('shop/cart/main');
    await node.clock.advance(20_000);
  }
  node.govern({ containerPolicies: [{ ...CART, ...limits }] });
  return node;
}

test('a policy that is held deletes nothing, so what does not fit is refused', async () => {
  const node = await withheldNode({ maxCheckpoints: 3 }, () => true);
  const files = node.onDisk();
  const { reply } = await askedAfter(node, 5_000);
  assert.equal(reply?.status, 507);
  assert.equal(
    reply?.body,
    `a checkpoint of shop/cart/main does not fit: with it container shop/cart/main has 4 archives, 3 allowed (maxCheckpoints), and what would have to go for it stays: ${WHY}; the limit is spec.containerPolicies[0].maxCheckpoints of ops/quotas; delete an archive, or ask an administrator to let the collector act\n`,
  );
  assert.equal(reply?.headers['checkpoint-warden-refusal'], 'evictionWithheld');
  assert.deepEqual(node.onDisk(), files);
  assert.equal(node.runtime.begun.length, 3);
  assert.deepEqual(node.door?.ledger.reserved(), []);
  const { metadata } = node.audit.at(-1) ?? {};
  assert.deepEqual(
    [metadata?.policy, metadata?.resource, metadata?.field],
    ['container/shop/cart/main', 'ops/quotas', 'spec.containerPolicies[0].maxCheckpoints'],
  );
});

test('what is over its age and is held takes its place; where there is room it stands in nobody’s way', async () => {
  const limits = { timeThreshold: '50s', maxCheckpoints: 4 };
  const node = await withheldNode(limits, () => true);
  const files = node.onDisk();
  assert.equal((await askedAfter(node, 5_000)).reply?.status, 200, 'the fourth');
  const { reply } = await askedAfter(node, 5_000);
  assert.equal(reply?.status, 507, 'the fifth');
  assert.match(reply?.body ?? '', /what would have to go for it stays/);
  assert.equal(node.onDisk().length, files.length + 1);
});

test('deletions that are not withheld are carried out', async () => {
  const node = await withheldNode({ maxCheckpoints: 3 }, () => false);
  const [oldest] = node.onDisk();
  assert.equal((await askedAfter(node, 5_000)).reply?.status, 200);
  assert.equal(node.onDisk().length, 3);
  assert.deepEqual(node.evicted, [oldest]);
});

test('every refusal has a sentence with a remedy, and fits in one line', () => {
  for (const [code, { status, remedy }] of Object.entries(REFUSALS)) {
    assert.ok(status >= 400 && status < 600, code);
    assert.match(remedy, /^[^A-Z.\n][^\n]{5,}[^.]$/, code);
  }
  const { headers, body } = refused(Refusal.of('waitedTooLong', 'it was late', { retryAfterSeconds: 7 }));
  assert.equal(headers['retry-after'], '7');
  assert.equal(body, 'it was late; try again later\n');
});

test('what is out of order is told once in ten seconds, not at each request', async () => {
  const node = new FakeNode();
  node.more = { pods: { get: () => Promise.reject(new Error('no answer')) } };
  await node.start();
  const ask = async (count: number) => {
    for (let index = 0; index < count; index += 1) node.ask('shop/cart/main');
    await node.clock.advance(100);
  };
  await ask(20);
  await ask(20);
  await node.clock.advance(10_000);
  await ask(1);
  assert.deepEqual(
    node.lines.map(({ level, fields }) => [level, 'leftOut' in fields ? fields.leftOut : null]),
    [
      ['error', null],
      ['error', 39],
    ],
  );
  assert.equal(node.audit.length, 41);
});

test('of too many requests at once the last are refused, before anybody is asked for them', async () => {
  const node = new FakeNode();
  let asked = 0;
  node.more = {
    authenticator: {
      authenticate() {
        asked += 1;
        return new Promise(() => {});
      },
    },
  };
  await node.start();
  const requests = Array.from({ length: 520 }, () => node.ask('shop/cart/main'));
  await node.clock.advance(100);
  const busy = requests.flatMap(({ reply }) => (reply === null ? [] : [reply]));
  assert.deepEqual([asked, busy.length], [512, 8]);
  for (const { status, headers, body } of busy) {
    assert.deepEqual([status, headers['retry-after']], [503, '5']);
    assert.match(body, /^5\d\d requests are under way on this node; try again in a moment\n$/);
  }
});

test('a 429 and a 503 say when to try again', async () => {
  const node = new FakeNode();
  node.more = { turnBounds: { waitingForName: 1, longestMs: 3_000 } };
  node.runtime.standard = { ...WELL, answerMs: 10_000, archiveMs: 9_000 };
  await node.start();
  const [first, second, third] = [1, 2, 3].map(() => node.ask('shop/cart/main'));
  await node.clock.advance(4_000);
  assert.deepEqual([second?.reply?.status, third?.reply?.status], [429, 429]);
  assert.match(second?.reply?.body ?? '', /had no turn within 3s; try again later/);
  assert.match(third?.reply?.body ?? '', /^1 checkpoint waits for shop\/cart\/main, and no more may; try/);
  for (const { reply } of [second, third].filter((each) => each !== undefined)) {
    assert.match(reply?.headers['retry-after'] ?? '', /^\d+$/);
  }
  node.policies = null;
  await node.clock.advance(10_000);
  assert.equal(first?.reply?.status, 200);
  const unknown = node.ask('shop/till/main');
  await node.clock.advance(100);
  assert.deepEqual([unknown.reply?.status, unknown.reply?.headers['retry-after']], [503, '2']);
});
