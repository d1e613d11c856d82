import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, startCluster } from '../../cluster/nodes/cluster.ts';
import { container } from '../../cluster/nodes/pods.ts';
import { type DoorAnswer, type NodeCollector, startCollector } from './collector.ts';
import { archivesOf, countStatuses, readArchives, sizeOf, watchMost } from './directory.ts';
import { applyPolicy, callerWithRight, install } from './install.ts';

type Limits = Readonly<Record<string, unknown>>;

const REQUESTS = 50;
const ALLOWED = 3;
/** An archive of a test container has some 280 KiB; 320 are expected of the first, and a tenth more of the next. */
const KINDS: Readonly<Record<string, Limits>> = {
  count: { maxCheckpoints: ALLOWED, whenFull: 'RejectNew' },
  total: { maxCheckpointSize: '320Ki', maxTotalSize: '1Mi', whenFull: 'RejectNew' },
};

interface Level {
  readonly level: string;
  /** `cart/main` */
  readonly containers: readonly string[];
  readonly govern: (namespace: string, limits: Limits) => Limits;
}

const LEVELS: readonly Level[] = [
  {
    level: 'container',
    containers: ['cart/main'],
    govern: (namespace, limits) => ({
      containerPolicies: [{ namespace, pod: 'cart', container: 'main', ...limits }],
    }),
  },
  {
    level: 'pod',
    containers: ['cart/main', 'cart/side'],
    govern: (namespace, limits) => ({ podPolicies: [{ namespace, pod: 'cart', ...limits }] }),
  },
  {
    level: 'namespace',
    containers: ['cart/main', 'till/main'],
    govern: (namespace, limits) => ({ namespacePolicies: [{ namespace, ...limits }] }),
  },
];

/** Of a container, one checkpoint at a time is let through anyway. */
const GATES: Readonly<Record<string, Limits>> = {
  size: { maxCheckpointSize: '100Ki' },
  interval: { minInterval: '1h' },
  concurrency: { maxConcurrent: 1 },
  denied: { checkpointing: 'Deny' },
};

const rowsOf = (kinds: Readonly<Record<string, Limits>>) =>
  LEVELS.flatMap(({ level, containers, govern }) =>
    Object.entries(kinds).map(([kind, limits]) => {
      const namespace = `${level}-${kind}`;
      const spec = govern(namespace, limits);
      return { name: `${kind} of a ${level}`, level, namespace, containers, spec };
    }),
  );
const ROWS = rowsOf(KINDS);

const GLOBAL = {
  maxCheckpointsPerContainer: 2,
  maxCheckpointsPerPod: 3,
  maxCheckpointsPerNamespace: 4,
  whenFull: 'RejectNew',
};
/** For as many archives. */
const GLOBAL_TOTAL = {
  maxCheckpointSize: '320Ki',
  maxTotalSizePerContainer: '640Ki',
  maxTotalSizePerPod: '1Mi',
  maxTotalSizePerNamespace: '1300Ki',
  whenFull: 'RejectNew',
};

/** The rest of the policies, one namespace for each test. */
const NAMESPACES: readonly Limits[] = [
  { namespace: 'newest', maxCheckpoints: ALLOWED },
  { namespace: 'latest', maxCheckpointSize: '320Ki', maxTotalSize: '1Mi' },
];

let cluster: Cluster;
let token: string;
let gc: NodeCollector;
let directory: string;

before(async () => {
  cluster = await startCluster({ nodes: 1 });
  const installed = await install(cluster);
  for (const { namespace, spec } of [...ROWS, ...rowsOf(GATES)]) await applyPolicy(cluster, namespace, spec);
  await applyPolicy(cluster, 'others', { globalPolicy: GLOBAL, namespacePolicies: NAMESPACES });
  token = await callerWithRight(cluster, 'caller');
  const node = cluster.node('node1');
  directory = node.checkpointDirectory;
  gc = await startCollector(installed, { node });
});
after(() => cluster?.stop());

/** Runs the pods of `cart/main`, `cart/side`, … */
async function run(namespace: string, containers: readonly string[]): Promise<void> {
  const pods = Map.groupBy(containers, (each) => each.split('/')[0] ?? '');
  await Promise.all(
    Array.from(pods, ([name, own]) => {
      const spec = { containers: own.map((each) => container(each.split('/')[1] ?? '')) };
      return cluster.runPod({ name, namespace, node: 'node1', spec });
    }),
  );
}

function ask(namespace: string, path: string): Promise<DoorAnswer> {
  return gc.ask(`/checkpoint/${namespace}/${path}`, { token });
}

/** All at once, one container after the other. */
function askOften(namespace: string, containers: readonly string[], times = REQUESTS): Promise<DoorAnswer[]> {
  return Promise.all(
    Array.from({ length: times }, (_, index) => ask(namespace, containers[index % containers.length] ?? '')),
  );
}

function tellOne(t: TestContext, answers: readonly DoorAnswer[]): void {
  t.diagnostic(JSON.stringify(countStatuses(answers)));
  const refused = answers.find(({ status }) => status !== 200);
  if (refused) t.diagnostic(`${refused.status} ${refused.body.trim()}`);
}

suite('RejectNew', { concurrency: 3 }, () => {
  for (const { name, namespace, containers } of ROWS) {
    test(`${name}: of ${REQUESTS} requests at once exactly ${ALLOWED} get through`, async (t) => {
      await run(namespace, containers);
      const watch = watchMost(directory, namespace);
      const answers = await askOften(namespace, containers);
      const { most, seen } = await watch.stop();
      tellOne(t, answers);
      assert.deepEqual(countStatuses(answers), { 200: ALLOWED, 507: REQUESTS - ALLOWED });
      assert.equal(most, ALLOWED);
      assert.equal(seen.size, ALLOWED);
      for (const { status, headers, body } of answers) {
        if (status === 200) continue;
        assert.equal(headers['checkpoint-warden-refusal'], name.split(' ')[0]);
        assert.match(body, /does not fit: .* the limit is spec\.\w+\[0\]\.max\w+ of /);
        assert.ok(body.includes(`checkpoint-warden/${namespace}`), body);
      }
    });
  }

  test('the three counts of the global policy hold at once', (t) => globalHolds(t, 'everybody', 'count'));
});

/** Two archives of a container, three of a pod and four of a namespace. */
async function globalHolds(t: TestContext, namespace: string, code: string): Promise<void> {
  const containers = ['cart/main', 'cart/side', 'till/main'];
  await run(namespace, containers);
  const watch = watchMost(directory, namespace);
  const answers = await askOften(namespace, containers);
  const { most, seen } = await watch.stop();
  tellOne(t, answers);
  assert.deepEqual(countStatuses(answers), { 200: 4, 507: REQUESTS - 4 });
  for (const { status, headers } of answers)
    if (status !== 200) assert.equal(headers['checkpoint-warden-refusal'], code);
  assert.equal(most, 4);
  const count = (start: string) => [...seen].filter((file) => file.startsWith(`checkpoint-${start}`)).length;
  for (const each of [`cart_${namespace}-main`, `cart_${namespace}-side`, `till_${namespace}-main`]) {
    assert.ok(count(each) <= 2, `${count(each)} of ${each}`);
  }
  assert.ok(count(`cart_${namespace}`) <= 3, `${count(`cart_${namespace}`)} of the pod`);
}

suite('other limits', { concurrency: 2 }, () => {
  for (const { level, containers } of LEVELS) {
    test(`maxCheckpointSize of a ${level}: too large from its first archive on, which is deleted`, async () => {
      const namespace = `${level}-size`;
      await run(namespace, ['cart/main']);
      assert.equal((await ask(namespace, 'cart/main')).status, 200);
      const second = await ask(namespace, 'cart/main');
      assert.equal(second.status, 507, second.body);
      assert.match(second.body, /an archive of about \w+ is expected, 100Ki allowed \(maxCheckpointSize\)/);
      assert.match(second.body, /its last archive and a tenth more/);
    });

    test(`minInterval of a ${level}: of ${REQUESTS} at once one gets through, the others are told when`, async () => {
      const namespace = `${level}-interval`;
      await run(namespace, ['cart/main']);
      const answers = await askOften(namespace, ['cart/main']);
      assert.deepEqual(countStatuses(answers), { 200: 1, 429: REQUESTS - 1 });
      for (const { status, headers, body } of answers) {
        if (status === 200) continue;
        const seconds = Number(headers['retry-after']);
        assert.ok(seconds > 3_500 && seconds <= 3_600, `${seconds} ${body}`);
        assert.ok(body.includes(`one in 1h allowed (minInterval of ${level}/${namespace}`), body);
      }
    });

    if (level !== 'container') {
      test(`maxConcurrent of a ${level}: while one is under way the next is told to come again`, async () => {
        const namespace = `${level}-concurrency`;
        await run(namespace, containers);
        const answers = await askOften(namespace, containers, 2);
        assert.deepEqual(countStatuses(answers), { 200: 1, 429: 1 });
        const refused = answers.find(({ status }) => status === 429);
        assert.equal(refused?.headers['retry-after'], '5');
        assert.match(refused?.body ?? '', /1 is under way, 1 allowed at once \(maxConcurrent/);
      });
    }

    test(`checkpointing: Deny of a ${level}`, async () => {
      const namespace = `${level}-denied`;
      await run(namespace, ['cart/main']);
      const { status, body } = await ask(namespace, 'cart/main');
      assert.equal(status, 403);
      assert.ok(body.includes(`denied (checkpointing: Deny of ${level}/${namespace}`), body);
      assert.deepEqual(await archivesOf(directory, namespace), []);
    });
  }
});

suite('EvictOldest', { concurrency: 2 }, () => {
  for (const namespace of ['newest', 'latest']) {
    test(`${namespace}: never more than ${ALLOWED} there, and the newest stay`, async (t) => {
      const containers = ['cart/main', 'till/main'];
      await run(namespace, containers);
      const watch = watchMost(directory, namespace);
      const answers = await askOften(namespace, containers, 8);
      const { most, seen } = await watch.stop();
      tellOne(t, answers);
      assert.deepEqual(countStatuses(answers), { 200: 8 });
      assert.equal(seen.size, 8);
      assert.ok(most <= ALLOWED, `${most} at once`);
      const left = await archivesOf(directory, namespace);
      const timeOf = (file: string) => file.slice(-'2026-11-21T08:01:29Z.tar'.length);
      const oldestLeft = left.map(timeOf).sort()[0] ?? '';
      for (const file of seen) if (!left.includes(file)) assert.ok(timeOf(file) <= oldestLeft, file);
      const evicted = (await gc.audit()).filter(
        ({ operation, resource }) => operation === 'delete' && resource.namespace === namespace,
      );
      assert.equal(evicted.length, 8 - left.length);
      for (const { metadata } of evicted) assert.equal(metadata.by, 'checkpoint-warden');
    });
  }
});

test('the three totals of the global policy hold at once', async (t) => {
  await applyPolicy(cluster, 'others', { globalPolicy: GLOBAL_TOTAL, namespacePolicies: NAMESPACES });
  // An informer knows it within a moment.
  await sleep(2_000);
  await globalHolds(t, 'everything', 'total');
});

test('every archive is whole, and is whose its name says', async () => {
  const archives = await readArchives(directory);
  assert.ok(archives.length > 20, `${archives.length}`);
  for (const { file, identity, staleTailBytes, state } of archives) {
    assert.equal(state, 'complete', file);
    assert.equal(staleTailBytes, 0, file);
    assert.ok(identity !== null, file);
    const { namespace, pod, container } = identity;
    assert.ok(file.startsWith(`checkpoint-${pod}_${namespace}-${container}-`), file);
    assert.ok((await sizeOf(directory, file)) > 100_000, file);
  }
});
