import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { KubeError } from '../../../kube/error.ts';
import { PolicyCatalog } from '../../../policy/catalog.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { type NodeFacts, readNode } from '../../../policy/node-facts.ts';
import { seenDigest } from '../../../source/seen.ts';
import type { StoredPolicy } from '../../../source/source.ts';
import { StatusKeeper } from '../../../webhook/status/keeper.ts';
import { FakeClock } from '../../gc/fake-clock.ts';
import { resource } from '../../policy/build.ts';

/** An API server in so far as it keeps statuses, with the replicas that write them. */
let clock: FakeClock;
let policies: StoredPolicy[];
let nodes: NodeFacts[];
let writes: string[];
let outcomes: string[];
let turns: string[];
let fault: Error | null;
let isFresh: boolean;
let keepers: StatusKeeper[];

beforeEach(() => {
  clock = new FakeClock();
  [policies, nodes, writes, outcomes, turns, keepers] = [[], [], [], [], [], []];
  [fault, isFresh] = [null, true];
});

function replica(random: number, stored = () => policies): StatusKeeper {
  const keeper = new StatusKeeper({
    policies: { stored, isFresh: () => isFresh },
    catalog: () => new PolicyCatalog(policies.flatMap((each) => each.resource ?? [])),
    nodes: { values: () => nodes, isFresh: () => isFresh },
    writer: {
      async write({ name, resourceVersion }, status) {
        if (fault !== null) throw fault;
        const index = policies.findIndex((each) => each.name === name);
        const stored = policies[index];
        if (stored?.resourceVersion !== resourceVersion) return false;
        writes.push(`${name} ${Math.round((clock.now() - START) / 1_000)}s`);
        policies = policies.with(index, {
          ...stored,
          status,
          resourceVersion: `${Number(resourceVersion) + 1}`,
        });
        for (const each of keepers) each.wake();
        return true;
      },
    },
    now: () => clock.now(),
    after: (ms, act) => clock.after(ms, act),
    random: () => random,
    onWrite: (outcome) => outcomes.push(outcome),
    onTurn: ({ name }, { type, status }) => turns.push(`${name} ${type} ${status}`),
    log: { info() {}, warn() {}, error() {} },
  });
  keepers.push(keeper);
  return keeper;
}
const START = new FakeClock().now();

function stored(name: string, status: JsonObject = {}): StoredPolicy {
  const spec = { namespacePolicies: [{ namespace: name, maxCheckpoints: 5 }] };
  const made = resource(spec, { namespace: 'ops', name });
  const reference = { ...made.reference, uid: `uid-${name}`, generation: 1 };
  return {
    ...{ namespace: 'ops', name, uid: `uid-${name}`, generation: 1, resourceVersion: '1' },
    ...{ resource: { ...made, reference }, findings: [], status },
  };
}

/** Its second version. */
function edited(policy: StoredPolicy): StoredPolicy {
  const { resource: former } = policy;
  const made = former && { ...former, reference: { ...former.reference, generation: 2 } };
  return { ...policy, generation: 2, resource: made };
}

function node(
  name: string,
  archives: Readonly<Record<string, number>> = {},
  seen = seenDigest(policies),
  state = 'Acting',
): NodeFacts {
  return readNode({
    metadata: { name },
    status: {
      policiesSeen: seen,
      lastScanTime: new Date(clock.now()).toISOString(),
      policies: Object.entries(archives).map(([policy, count]) => {
        return {
          uid: `uid-${policy}`,
          generation: 1,
          state,
          archives: count,
          bytes: count * 1_024,
        };
      }),
    },
  });
}

const wake = () => {
  for (const each of keepers) each.wake();
};

test('two replicas write once between them, and a third finds nothing to write', async () => {
  policies = [stored('a'), stored('b')];
  nodes = [node('n1', { a: 3 }), node('n2')];
  for (const random of [0.1, 0.9]) replica(random);
  wake();
  await clock.advance(30_000);
  assert.deepEqual(writes, ['a 1s', 'b 1s']);
  replica(0.5).wake();
  await clock.advance(300_000);
  assert.equal(writes.length, 2);
  assert.equal(policies[0]?.status.archives, 3);
  assert.deepEqual(turns.slice(0, 4), [
    'a Accepted True',
    'a Conflicted False',
    'a Enforced True',
    'a Confirming False',
  ]);
});

test('one that looks at a former version is told that it comes too late, and finds it written', async () => {
  policies = [stored('a')];
  nodes = [node('n1')];
  const former = policies;
  const late = replica(0, () => (clock.now() < START + 3_000 ? former : policies));
  policies = policies.map((each) => ({ ...each, resourceVersion: '2' }));
  late.wake();
  await clock.advance(2_000);
  assert.deepEqual([outcomes, writes], [['outdated'], []]);
  late.wake();
  await clock.advance(10_000);
  assert.deepEqual(outcomes, ['outdated', 'written']);
});

test('what people wait for is written at once; figures give way the more nodes there are', async () => {
  policies = [stored('a'), stored('b')];
  nodes = Array.from({ length: 5_000 }, (_, index) => node(`n${index}`));
  replica(0);
  wake();
  await clock.advance(5_000);
  assert.deepEqual(writes, ['a 1s', 'b 1s']);
  writes = [];
  // Checkpoints everywhere, all the time.
  for (let second = 0; second < 300; second += 1) {
    nodes = nodes.with(second, node(`n${second}`, { a: 1, b: 1 }));
    wake();
    await clock.advance(1_000);
  }
  // 250 copies a second to 5,000 nodes: one write in 20 s.
  assert.ok(writes.length >= 10 && writes.length <= 16, String(writes.length));
  assert.ok(
    writes.some((each) => each.startsWith('b ')),
    'each has its turn',
  );
  writes = [];
  nodes = nodes.with(0, node('n0', { a: 1 }, undefined, 'WaitsForCheckpoint'));
  wake();
  await clock.advance(1_500);
  assert.deepEqual(
    writes.map((each) => each.slice(0, 1)),
    ['a'],
    'no longer enforced',
  );
  assert.equal(turns.at(-1), 'a Enforced False');
});

test('an edit of one policy makes nobody write another, while all nodes take it in', async () => {
  policies = [stored('a'), stored('b'), stored('c')];
  nodes = Array.from({ length: 50 }, (_, index) => node(`n${index}`));
  replica(0);
  wake();
  await clock.advance(15_000);
  [writes, turns] = [[], []];
  const before = seenDigest(policies);
  policies = policies.map((each, index) => (index === 0 ? edited(each) : each));
  for (let index = 0; index < 50; index += 1) {
    nodes = nodes.with(index, node(`n${index}`));
    wake();
    await clock.advance(200);
  }
  await clock.advance(60_000);
  assert.deepEqual([...new Set(writes.map((each) => each.slice(0, 1)))], ['a']);
  assert.deepEqual(turns, ['a Enforced False', 'a Enforced True']);
  assert.notEqual(seenDigest(policies), before);
});

test('a replica that starts while a node lags behind says what the other has said', async () => {
  policies = [stored('a'), stored('b')];
  nodes = [node('n1'), node('n2')];
  replica(0.1);
  wake();
  await clock.advance(15_000);
  policies = policies.map((each, index) => (index === 0 ? edited(each) : each));
  nodes = [node('n1'), node('n2', {}, 'other')];
  wake();
  await clock.advance(15_000);
  assert.deepEqual(turns.slice(-1), ['a Enforced False']);
  writes = [];
  replica(0.9).wake();
  await clock.advance(10 * 60_000);
  assert.deepEqual(writes, []);
});

test('a node that joins is not missing anywhere until it has had time to tell', async () => {
  policies = [stored('a')];
  nodes = [node('n1')];
  replica(0);
  wake();
  await clock.advance(15_000);
  [writes, turns] = [[], []];
  const creationTimestamp = new Date(clock.now()).toISOString();
  nodes = [...nodes, readNode({ metadata: { name: 'n2', creationTimestamp }, status: {} })];
  wake();
  await clock.advance(9 * 60_000);
  assert.deepEqual(turns, []);
  nodes = nodes.with(0, node('n1'));
  await clock.advance(3 * 60_000);
  assert.deepEqual(turns, ['a Enforced False']);
});

test('a node that is not heard of makes nobody write before its time, and then once', async () => {
  policies = [stored('a')];
  nodes = [node('n1'), node('n2')];
  replica(0);
  wake();
  await clock.advance(10 * 60_000);
  assert.equal(writes.length, 1);
  nodes = nodes.with(0, node('n1'));
  await clock.advance(8 * 60_000);
  assert.equal(writes.length, 2);
  assert.deepEqual([policies[0]?.status.nodes, turns.at(-1)], ['1/2', 'a Confirming False']);
});

test('while it is not known what is so, nothing is written', async () => {
  policies = [stored('a')];
  replica(0);
  isFresh = false;
  wake();
  await clock.advance(300_000);
  assert.deepEqual(writes, []);
});

test('a failure is counted and tried again in a minute, and keeps no other policy waiting', async () => {
  policies = [stored('a'), stored('b')];
  fault = new KubeError('no', { status: 422 });
  replica(0);
  wake();
  await clock.advance(30_000);
  assert.deepEqual(outcomes, ['failed', 'failed']);
  fault = null;
  await clock.advance(60_000);
  assert.deepEqual(outcomes.slice(2), ['written', 'written']);
});

test('somebody who holds a field that is not to be there is not fought with', async () => {
  policies = [stored('a', { confirming: { digests: 'aa' } })];
  const keeper = replica(0);
  const [own] = policies;
  for (let minute = 0; minute < 10; minute += 1) {
    keeper.wake();
    await clock.advance(6_000);
    // Theirs again.
    policies = policies.map((each) => ({ ...each, status: { ...each.status, ...own?.status } }));
  }
  assert.ok(writes.length <= 2, String(writes.length));
});
