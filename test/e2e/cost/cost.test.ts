import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { eventually } from '../../cluster/eventually.ts';
import { type Asked, auditReader, mostInASecond, tally } from './audit.ts';
import type { CrewWord } from './crew.ts';
import { type Fleet, makeFleet, writeArchive } from './fleet.ts';

const BASE = fileURLToPath(new URL('../../../manifests/base', import.meta.url));
const NODES = 200;
/** One node has archives of that many pods, more than an idle minute has requests; the others of three each. */
const CROWDED = 25;
const POLICIES = 20;
/** As in the DaemonSet. */
const START_WITHIN_MS = 10_000;
const IDLE_MS = 75_000;
const BUSY_MS = 20_000;

let plane: ControlPlane;
let fleet: Fleet;
let read: () => Promise<readonly Asked[]>;

before(
  async () => {
    plane = await startControlPlane({ audit: true });
    await kubectl('apply', '-k', BASE);
    await kubectl('wait', '--for=condition=Established', '--all', 'crd');
    await kubectl('create', 'namespace', 'shop');
    for (let each = 0; each < POLICIES; each += 1) await plane.apply(policy(each, 30));
    fleet = await makeFleet({ plane, nodes: NODES, podsOf: (node) => (node === 0 ? CROWDED : 3) });
    read = auditReader(plane.auditLog ?? '');
  },
  { timeout: 120_000 },
);
after(() => plane?.stop());

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/**
 * The first one is global, and makes every node look its pods up, every minute and a half if they were let; the
 * others are of the size that policies have.
 */
function policy(number: number, days: number): string {
  const spec =
    number === 0
      ? `globalPolicy: {retainOrphan: false, timeThreshold: ${days}d}`
      : `namespacePolicies: [${Array.from({ length: 8 }, (_, each) => `{namespace: team-${number}-${each}, maxCheckpoints: 20, maxTotalSize: 20Gi, timeThreshold: ${days}d}`).join(', ')}]`;
  return `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {namespace: checkpoint-warden, name: policy-${number}}
spec: {applyPoliciesImmediately: true, orphanGracePeriod: 3m, ${spec}}`;
}

/** Waits until each node has said this. */
async function allSaid(is: CrewWord['is'], within: number): Promise<readonly CrewWord[]> {
  const words: CrewWord[] = [];
  await eventually(async () => {
    words.push(...fleet.take());
    const nodes = new Set(words.flatMap((each) => (each.is === is ? each.node : [])));
    if (nodes.size < NODES)
      throw new Error(`${nodes.size} of ${NODES} have said ${is}: ${warningsIn(words)}`);
  }, within);
  return words;
}

function warningsIn(words: readonly CrewWord[]): string {
  return words.flatMap((each) => (each.is === 'warned' ? `${each.node}: ${each.message}` : [])).join('\n');
}

/** Sums of the API server's own metrics, by name. */
async function metrics(): Promise<(pattern: RegExp) => number> {
  const lines = (await kubectl('get', '--raw', '/metrics')).split('\n');
  return (pattern) =>
    lines.filter((line) => pattern.test(line)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const OPEN_WATCHES =
  /^apiserver_longrunning_requests\{.*resource="checkpoint(restoreoperators|schedules)".*verb="WATCH"/;
const KINDS = ['checkpointrestoreoperators', 'checkpointschedules'];
const CPU = /^process_cpu_seconds_total /;
const MEMORY = /^process_resident_memory_bytes /;
const EVENT_BYTES =
  /^apiserver_watch_events_sizes_sum\{.*(checkpointrestoreoperators|CheckpointRestoreOperator)/;

const beyondWatches = (requests: readonly Asked[]) => requests.filter(({ verb }) => verb !== 'watch');
const lists = (requests: readonly Asked[]) => requests.filter(({ verb }) => verb === 'list');
const spreadMs = (requests: readonly Asked[]) =>
  Math.max(...requests.map((each) => each.at)) - Math.min(...requests.map((each) => each.at));

function tell(t: TestContext, what: object): void {
  t.diagnostic(JSON.stringify(what));
}

/** Started, and what the API server was asked until every node had written its object and watched. */
async function started(): Promise<readonly Asked[]> {
  fleet.start(START_WITHIN_MS);
  await allSaid('ready', 150_000);
  const requests: Asked[] = [];
  const nodesThat = (did: (asked: Asked) => boolean) =>
    new Set(requests.filter(did).map(({ node }) => node)).size;
  await eventually(async () => {
    requests.push(...(await read()));
    const least = Math.min(
      nodesThat(({ resource, status }) => resource === 'checkpointnodes/status' && status < 300),
      ...KINDS.map((kind) => nodesThat(({ verb, resource }) => verb === 'watch' && resource === kind)),
    );
    if (least < NODES) throw new Error(`${least} nodes are at it: ${JSON.stringify(tally(requests))}`);
  }, 60_000);
  return requests;
}

suite('what 200 nodes cost one API server', () => {
  test('a first start: each lists policies and schedules once, at times of its own', async (t) => {
    const before = await metrics();
    const requests = await started();
    const now = await metrics();
    tell(t, {
      ...tally(requests),
      listsSpreadMs: spreadMs(lists(requests)),
      mostListsInASecond: mostInASecond(lists(requests)),
      mostRequestsInASecond: mostInASecond(requests),
      watchesOpen: now(OPEN_WATCHES),
      serverCpuSeconds: now(CPU) - before(CPU),
      serverMemoryMB: [before(MEMORY) / 1e6, now(MEMORY) / 1e6],
      collectorsMemoryMB: (await fleet.memory()) / 1e6,
    });
    assertOneList(requests);
    assert.equal(now(OPEN_WATCHES), 2 * NODES);
    assertSpread(requests);
  });

  test('a policy that changes reaches all by their watches, without a list', async (t) => {
    await read();
    fleet.take();
    const before = await metrics();
    const at = Date.now();
    await plane.apply(policy(1, 29));
    const words = await allSaid('told', 20_000);
    const after = words.flatMap((each) => (each.is === 'told' ? each.at - at : []));
    const now = await metrics();
    const requests = await read();
    tell(t, {
      ...tally(requests),
      slowestMs: Math.max(...after),
      bytesANode: (now(EVENT_BYTES) - before(EVENT_BYTES)) / NODES,
    });
    assert.deepEqual(lists(requests), []);
  });

  test('an idle node makes at most one request a minute beside its watch', async (t) => {
    // The first look-ups of the crowded node are a second apart.
    await sleep(CROWDED * 1_000);
    await read();
    const before = await metrics();
    await sleep(IDLE_MS);
    const requests = await read();
    const now = await metrics();
    const beside = beyondWatches(requests);
    const ofNode = Object.groupBy(beside, ({ node }) => node);
    const most = Math.max(0, ...Object.values(ofNode).map((each) => each?.length ?? 0));
    const minutes = IDLE_MS / 60_000;
    tell(t, {
      ...tally(requests),
      aMinuteANode: beside.length / NODES / minutes,
      most,
      serverCpuSecondsAMinute: (now(CPU) - before(CPU)) / minutes,
    });
    assert.ok(beside.length <= NODES * minutes, `${beside.length} requests of ${NODES} nodes`);
    // Its heartbeat and one look-up may fall together.
    for (const [node, each = []] of Object.entries(ofNode)) {
      assert.ok(each.length <= minutes + 1, `${node}: ${JSON.stringify(tally(each))}`);
    }
  });

  test('a checkpoint a second on a node is a write every five seconds or more rarely', async (t) => {
    await read();
    const [busy] = fleet.members;
    assert.ok(busy);
    const end = Date.now() + BUSY_MS;
    for (let number = 100; Date.now() < end; number += 1) {
      await writeArchive(busy.directory, 'cart-0-0', 'of-another', number);
      await sleep(1_000);
    }
    const requests = (await read()).filter(({ node }) => node === busy.node);
    const object = await kubectl('get', '--raw', `/apis/criu.org/v1/checkpointnodes/${busy.node}`);
    tell(t, { ...tally(requests), bytesOfTheObject: object.length });
    const writes = requests.filter(({ resource }) => resource.startsWith('checkpointnodes'));
    assert.ok(writes.length >= 2 && writes.length <= BUSY_MS / 5_000 + 1, `${writes.length} writes`);
    assert.ok(object.length < 4_096, `${object.length} bytes`);
  });

  test('all nodes that start anew at once come one after the other', async (t) => {
    await fleet.kill();
    await read();
    fleet.take();
    const before = await metrics();
    const requests = await started();
    const now = await metrics();
    tell(t, {
      ...tally(requests),
      listsSpreadMs: spreadMs(lists(requests)),
      mostListsInASecond: mostInASecond(lists(requests)),
      mostRequestsInASecond: mostInASecond(requests),
      serverCpuSeconds: now(CPU) - before(CPU),
      objects: now(/^apiserver_resource_objects\{.*checkpointnodes/),
    });
    assertOneList(requests);
    assertSpread(requests);
  });
});

function assertOneList(requests: readonly Asked[]): void {
  for (const kind of KINDS) {
    const nodes = lists(requests).flatMap(({ node, resource }) => (resource === kind ? node : []));
    assert.deepEqual([nodes.length, new Set(nodes).size], [NODES, NODES], kind);
  }
  assert.equal(lists(requests).length, 2 * NODES, 'and nothing else');
}

/** A machine with two cores starts two hundred collectors in many seconds of its own; none of them hides a burst. */
function assertSpread(requests: readonly Asked[]): void {
  const within = START_WITHIN_MS / 1_000;
  assert.ok(spreadMs(lists(requests)) > START_WITHIN_MS / 2);
  assert.ok(
    mostInASecond(lists(requests)) <= (3 * 2 * NODES) / within,
    `${mostInASecond(lists(requests))} lists in a second`,
  );
}
