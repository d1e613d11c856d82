import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../policy/json.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { container } from '../cluster/nodes/pods.ts';
import type { NodeCollector } from './door/collector.ts';
import { archivesOf } from './door/directory.ts';
import { type Installed, install, kubectl } from './door/install.ts';
import { BASE_IMAGE, type Images, startImages } from './schedule/images.ts';
import { applySchedule, mostAtOnce, startOn, statusOf, takenBy } from './schedule/place.ts';

/** A program that says so when it is told to end. */
const COUNTING = "trap 'echo got TERM; exit 0' TERM; i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done";
/** Grows to some 64 MiB after a while. */
const GROWING =
  'sleep 12; s=x; i=0; while [ $i -lt 26 ]; do s=$s$s; i=$((i + 1)); done; while :; do sleep 1; done';

let cluster: Cluster;
let installed: Installed;
let images: Images;
const gcs = new Map<string, NodeCollector>();

before(async () => {
  cluster = await startCluster({ nodes: 2 });
  installed = await install(cluster);
  images = await startImages(cluster);
  for (const node of cluster.nodes) gcs.set(node.name, await startOn(installed, node));
});
after(() => cluster?.stop());

function gcOf(node: string): NodeCollector {
  const gc = gcs.get(node);
  assert.ok(gc, node);
  return gc;
}

/** A container of the image that can be pulled again. */
function pulled(script: string): JsonObject {
  return { ...container('main', script), image: BASE_IMAGE, imagePullPolicy: 'IfNotPresent' };
}

/** A pod whose end a schedule may use: TERM comes only after the hook. */
function lasting(spec: JsonObject = {}, more: JsonObject = {}): JsonObject {
  return {
    terminationGracePeriodSeconds: 25,
    containers: [{ ...pulled(COUNTING), lifecycle: { preStop: { sleep: { seconds: 8 } } }, ...more }],
    ...spec,
  };
}

async function pod(namespace: string, name: string, node: string | null, spec?: JsonObject): Promise<void> {
  const placed = node === null ? {} : { node };
  await cluster.createPod({ name, namespace, ...placed, labels: { pod: name }, ...(spec && { spec }) });
}

async function running(namespace: string): Promise<void> {
  const wait = ['wait', 'pods', '--all', '-n', namespace, '--for=condition=Ready', '--timeout=150s'];
  const { status, stderr } = await cluster.kubectl(wait, { timeout: 160_000 });
  if (status === 0) return;
  const described = await cluster.kubectl(['describe', 'pods', '-n', namespace]);
  assert.fail(`${stderr}\n${described.stdout.slice(-6_000)}`);
}

test('each trigger takes its own pod', async (t) => {
  const SPECS: Readonly<Record<string, JsonObject>> = {
    interval: { triggers: { interval: '15s' } },
    cron: { triggers: { cron: '* * * * *' } },
    annotated: { triggers: { onAnnotation: true } },
    growing: {
      triggers: { resourceThreshold: { memoryPercent: { upper: 10 }, pollIntervalSeconds: 5 } },
    },
    evicted: { triggers: { onKubernetesEvents: ['PodEviction'] } },
    preempted: { triggers: { onKubernetesEvents: ['Preemption'] } },
  };
  await kubectl(cluster, 'create', 'priorityclass', 'high', '--value=1000');
  await pod('shop', 'interval', 'node1');
  await pod('shop', 'cron', 'node1');
  await pod('shop', 'annotated', 'node2');
  const limits = { resources: { limits: { memory: '256Mi' } } };
  await pod('shop', 'growing', 'node2', { containers: [{ ...container('main', GROWING), ...limits }] });
  await pod('shop', 'evicted', 'node2', lasting());
  const large = { resources: { requests: { cpu: '1200m' } } };
  const onFirst = { nodeSelector: { 'kubernetes.io/hostname': 'node1' } };
  await pod('shop', 'preempted', null, lasting(onFirst, large));
  await running('shop');
  for (const [name, spec] of Object.entries(SPECS)) {
    await applySchedule(cluster, ['shop', name], { selector: { matchLabels: { pod: name } }, ...spec });
  }
  await sleep(1_000);
  const began = Date.now();
  await kubectl(cluster, 'annotate', 'pod', 'annotated', '-n', 'shop', 'checkpoint.criu.org/trigger=1');
  const eviction = {
    ...{ apiVersion: 'policy/v1', kind: 'Eviction' },
    metadata: { name: 'evicted', namespace: 'shop' },
  };
  const path = '/api/v1/namespaces/shop/pods/evicted/eviction';
  const evicted = await cluster.kubectl(['create', '--raw', path, '-f', '-'], {
    input: JSON.stringify(eviction),
  });
  assert.equal(evicted.status, 0, evicted.stderr);
  await pod('shop', 'important', null, {
    ...onFirst,
    priorityClassName: 'high',
    containers: [{ ...container('main'), ...large }],
  });
  const waiting = new Set(Object.keys(SPECS));
  await eventually(async () => {
    for (const node of gcs.keys()) {
      for (const { pod, by, verdict, to } of await takenBy(gcOf(node), 'shop')) {
        assert.equal(by, `shop/${pod}`);
        if (verdict === 'allowed' && waiting.delete(pod)) t.diagnostic(`${pod}: after ${to - began} ms`);
      }
    }
    assert.deepEqual([...waiting], []);
  }, 90_000);
  await eventually(async () => {
    const status = await statusOf(cluster, 'shop', 'annotated');
    assert.equal(status.checkpointsCreated, 1, JSON.stringify(status));
  }, 15_000);
  t.diagnostic(JSON.stringify(await statusOf(cluster, 'shop', 'interval')));
  for (const name of Object.keys(SPECS))
    await kubectl(cluster, 'delete', 'checkpointschedule', name, '-n', 'shop');
});

test('a drain, with a restart of the collector in between: each pod once, and what was taken goes on elsewhere', async (t) => {
  const names = ['kept-0', 'kept-1', 'kept-2'];
  await Promise.all(names.map((name) => pod('kept', name, 'node2', lasting())));
  await running('kept');
  await applySchedule(cluster, ['kept', 'drains'], {
    selector: {},
    triggers: { onKubernetesEvents: ['NodeDrain'] },
  });
  await sleep(2_000);
  await gcOf('node2').stop();
  const flags = ['--ignore-daemonsets', '--force', '--delete-emptydir-data', '--timeout=150s'];
  const draining = cluster.kubectl(['drain', 'node2', ...flags], { timeout: 70_000 });
  await eventually(async () => {
    const ending = await kubectl(
      cluster,
      'get',
      'pods',
      '-n',
      'kept',
      '-o',
      'jsonpath={.items[*].metadata.deletionTimestamp}',
    );
    assert.equal(ending.split(' ').length, 3, ending);
  });
  const node2 = cluster.node('node2');
  gcs.set('node2', await startOn(installed, node2));
  await eventually(async () => assert.equal((await takenBy(gcOf('node2'), 'kept')).length, 3), 8_000);
  // Once more, while the pods are still there, and without a farewell.
  await gcOf('node2').kill();
  gcs.set('node2', await startOn(installed, node2));
  const drained = await draining;
  assert.equal(drained.status, 0, drained.stderr);
  const taken = await takenBy(gcOf('node2'), 'kept');
  assert.deepEqual(
    taken.map(({ pod, verdict }) => `${pod} ${verdict}`).sort(),
    names.map((name) => `${name} allowed`),
  );
  assert.equal((await archivesOf(node2.checkpointDirectory, 'kept')).length, 3);

  const archive = taken[0]?.file ?? '';
  const image = await images.ofCheckpoint(join(node2.checkpointDirectory, archive));
  await pod('kept', 'restored', 'node1', { containers: [{ name: 'main', image }] });
  await running('kept');
  const logged = async () => (await kubectl(cluster, 'logs', 'restored', '-n', 'kept')).trim().split('\n');
  const first = await logged();
  await sleep(2_500);
  const later = await logged();
  t.diagnostic(`restored at ${first.at(-1)}, then ${later.at(-1)}`);
  assert.doesNotMatch(later.join(' '), /TERM/);
  // What stood in the pipe when it was frozen comes out of the log and of the pipe.
  const numbers = later.map(Number).filter((number, index, all) => number !== all[index - 1]);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => (numbers[0] ?? 0) + index),
    'it counts without a gap',
  );
  assert.ok((numbers.at(-1) ?? 0) > Math.max(5, Number(first.at(-1))), 'it goes on from where it stood');
});

test('fifty pods on an interval: each once, two at a time on a node, and the status says so', async (t) => {
  await kubectl(cluster, 'create', 'namespace', 'many');
  const items = Array.from({ length: 50 }, (_, index) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `p-${index}`, namespace: 'many' } },
    spec: {
      ...{ nodeName: `node${1 + (index % 2)}`, terminationGracePeriodSeconds: 0 },
      automountServiceAccountToken: false,
      // Once an image was pulled by one name, the kubelet refuses it by another that was only imported.
      containers: [pulled('while :; do sleep 3600; done')],
    },
  }));
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await running('many');
  await applySchedule(cluster, ['many', 'all'], { selector: {}, triggers: { interval: '20s' } });
  const applied = Date.now();
  const all = async () => [
    ...(await takenBy(gcOf('node1'), 'many')),
    ...(await takenBy(gcOf('node2'), 'many')),
  ];
  await eventually(async () => assert.ok((await all()).length >= 50, `${(await all()).length}`), 60_000);
  await kubectl(
    cluster,
    'patch',
    'checkpointschedule',
    'all',
    '-n',
    'many',
    '--type=merge',
    '-p',
    '{"spec":{"paused":true}}',
  );
  await sleep(2_000);
  const taken = await all();
  assert.deepEqual(
    taken.filter(({ verdict }) => verdict !== 'allowed'),
    [],
  );
  assert.equal(new Set(taken.slice(0, 50).map(({ pod }) => pod)).size, Math.min(50, taken.length));
  for (const node of ['node1', 'node2']) {
    const own = await takenBy(gcOf(node), 'many');
    assert.ok(mostAtOnce(own) <= 2, `${mostAtOnce(own)} at once on ${node}`);
    const took = Math.max(...own.map(({ to }) => to)) - Math.min(...own.map(({ from }) => from));
    t.diagnostic(
      `${node}: ${own.length} within ${took} ms, the first ${(own[0]?.from ?? 0) - applied} ms after it was applied`,
    );
  }
  await eventually(async () => {
    const status = await statusOf(cluster, 'many', 'all');
    assert.equal(status.checkpointsCreated, taken.length, JSON.stringify(status));
  }, 30_000);
  t.diagnostic(JSON.stringify(await statusOf(cluster, 'many', 'all')));
});
