import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { API_VERSION, CONFIRM_ANNOTATION, KIND } from '../../policy/schema.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { container, type RunningPod } from '../cluster/nodes/pods.ts';
import { request } from '../cluster/nodes/request.ts';
import { type AuditLine, type DoorAnswer, type NodeCollector, startCollector } from './door/collector.ts';
import { archiveIn, archivesOf, readArchives } from './door/directory.ts';
import { applyPolicy, callerWithRight, type Installed, install, kubectl } from './door/install.ts';
import { filled, LARGE } from './door/large.ts';

const PROGRAM = fileURLToPath(new URL('../../cli/checkpoint-warden.js', import.meta.url));
const SPEC = {
  namespacePolicies: [
    { namespace: 'shop', maxCheckpoints: 2, whenFull: 'RejectNew' },
    { namespace: 'behind', maxCheckpoints: 1, whenFull: 'RejectNew' },
  ],
};

let cluster: Cluster;
let installed: Installed;
let token: string;
let gc: NodeCollector;
let directory: string;

before(async () => {
  cluster = await startCluster({ nodes: 1 });
  installed = await install(cluster);
  await applyPolicy(cluster, 'quotas', SPEC);
  token = await callerWithRight(cluster, 'caller');
  const node = cluster.node('node1');
  directory = node.checkpointDirectory;
  gc = await startCollector(installed, { node });
});
after(() => cluster?.stop());

async function ask(container: string, query = ''): Promise<DoorAnswer> {
  const answer = await gc.ask(`/checkpoint/${container}${query}`, { token });
  // A caller is not told what failed in the runtime; whoever reads the test's output is.
  if (answer.status === 500)
    console.error((await gc.log()).filter(({ level }) => level !== 'info').slice(-5));
  return answer;
}

test('a checkpoint through the door: there, whole, identified, counted, audited; plan names it', async () => {
  const pod = await cluster.runPod({ name: 'cart', namespace: 'shop', node: 'node1' });
  const files = [
    archiveIn(await ask('shop/cart/main')),
    archiveIn(await ask('shop/cart/main', '?timeout=60')),
  ];
  const third = await ask('shop/cart/main');
  assert.equal(third.status, 507, third.body);
  assert.match(third.body, /with it namespace shop has 3 archives, 2 allowed \(maxCheckpoints\)/);

  const archives = await readArchives(directory);
  const identity = { namespace: 'shop', pod: 'cart', container: 'main', podUid: pod.uid };
  for (const file of files) {
    const archive = archives.find((each) => each.file === file);
    assert.deepEqual(archive?.identity, identity);
    assert.equal(archive?.state, 'complete');
    assert.equal(archive?.staleTailBytes, 0);
  }
  const planned = await plan();
  for (const file of files) {
    const decision = planned.find(({ archive }) => archive === file);
    assert.deepEqual(
      [decision?.action, decision?.policy, decision?.namespace, decision?.pod, decision?.container],
      ['keep', 'namespace/shop', 'shop', 'cart', 'main'],
    );
  }
  const requests = (await gc.audit()).filter(({ operation }) => operation === 'request');
  assert.deepEqual(
    requests.map(({ resource, metadata }) => [metadata.verdict, metadata.status, resource.file]),
    [
      ['allowed', 200, files[0]],
      ['allowed', 200, files[1]],
      ['refused', 507, null],
    ],
  );
  for (const { resource, metadata } of requests) {
    assert.equal(metadata.user, 'system:serviceaccount:default:caller');
    assert.equal(resource.podUid, pod.uid);
  }
  await eventually(async () => {
    const created = await recorded('create', 'shop');
    assert.deepEqual(created.map(({ resource }) => resource.file).sort(), files);
  }, 20_000);
});

async function recorded(operation: string, namespace: string): Promise<readonly AuditLine[]> {
  const lines = await gc.audit();
  return lines.filter((line) => line.operation === operation && line.resource.namespace === namespace);
}

async function plan(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const file = join(installed.directory, 'policy.yaml');
  const metadata = { name: 'quotas', namespace: 'checkpoint-warden' };
  await writeFile(file, stringify({ apiVersion: API_VERSION, kind: KIND, metadata, spec: SPEC }));
  const args = [PROGRAM, 'plan', '--directory', directory, '--policies', file, '-o', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout).decisions;
}

interface Kind {
  readonly kind: string;
  readonly container: string;
  start(): Promise<RunningPod>;
}

const KINDS: readonly Kind[] = [
  {
    kind: 'a running init container',
    container: 'prepare',
    async start() {
      const spec = { initContainers: [container('prepare')], containers: [container('main')] };
      await cluster.createPod({ name: 'slow-start', node: 'node1', spec });
      const running = 'jsonpath={.status.initContainerStatuses[0].state.running.startedAt}';
      await kubectl(cluster, 'wait', 'pod/slow-start', `--for=${running}`);
      return cluster.pod({ name: 'slow-start' });
    },
  },
  {
    kind: 'a sidecar',
    container: 'helper',
    start() {
      const sidecar = { ...container('helper'), restartPolicy: 'Always' };
      return cluster.runPod({ name: 'with-sidecar', node: 'node1', spec: { initContainers: [sidecar] } });
    },
  },
  {
    kind: 'an ephemeral container',
    container: 'look',
    async start() {
      const pod = await cluster.runPod({ name: 'looked-at', node: 'node1' });
      const patch = JSON.stringify({ spec: { ephemeralContainers: [container('look')] } });
      const to = ['--subresource=ephemeralcontainers', '--patch', patch];
      await kubectl(cluster, 'patch', 'pod', pod.name, ...to);
      const started = 'jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}';
      await kubectl(cluster, 'wait', `pod/${pod.name}`, `--for=${started}`);
      return pod;
    },
  },
  {
    kind: 'a static pod, by the name of its mirror',
    container: 'main',
    async start() {
      const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'edge', namespace: 'default' } };
      const file = join(cluster.node('node1').staticPodDirectory, 'edge.json');
      await writeFile(file, JSON.stringify({ ...manifest, spec: { containers: [container('main')] } }));
      return cluster.waitForPod({ name: 'edge-node1' });
    },
  },
];

suite('containers of every kind', { concurrency: 2 }, () => {
  for (const { kind, container, start } of KINDS) {
    test(kind, async () => {
      const pod = await start();
      const file = archiveIn(await ask(`${pod.namespace}/${pod.name}/${container}`));
      const archive = (await readArchives(directory)).find((each) => each.file === file);
      const hash = await kubectl(
        cluster,
        ...['get', 'pod', pod.name, '-o', 'jsonpath={.metadata.annotations.kubernetes\\.io/config\\.hash}'],
      );
      const podUid = hash === '' ? pod.uid : hash;
      assert.deepEqual(archive?.identity, { namespace: 'default', pod: pod.name, container, podUid });
    });
  }

  test('a container that does not run, a pod that is not there, one of another node', async () => {
    const spec = { initContainers: [container('done', 'true')], containers: [container('main')] };
    await cluster.runPod({ name: 'initialised', node: 'node1', spec });
    const rows = [
      ['default/initialised/done', 409, 'notRunning', /container default\/initialised\/done does not run/],
      ['default/initialised/nobody', 404, 'noContainer', /has no container nobody/],
      ['default/nobody/main', 404, 'noPod', /there is no pod default\/nobody/],
      ['nowhere/nobody/main', 404, 'noPod', /there is no pod nowhere\/nobody/],
    ] as const;
    for (const [path, status, code, message] of rows) {
      const { headers, ...answer } = await ask(path);
      assert.deepEqual([answer.status, headers['checkpoint-warden-refusal']], [status, code], answer.body);
      assert.match(answer.body, message);
    }
  });
});

test('two containers whose archives have one name in one second: two archives, each its own', async () => {
  // Both are checkpoint-twin_a-b-c-TIME.tar.
  const twins = [
    { namespace: 'a', container: 'b-c' },
    { namespace: 'a-b', container: 'c' },
  ];
  await Promise.all(
    twins.map(({ namespace, container: name }) => {
      const spec = { containers: [container(name)] };
      return cluster.runPod({ name: 'twin', namespace, node: 'node1', spec });
    }),
  );
  const expected = new Map<string, string>();
  for (let round = 0; round < 2; round += 1) {
    await Promise.all(
      twins.map(async ({ namespace, container }) => {
        const file = archiveIn(await ask(`${namespace}/twin/${container}`));
        assert.ok(!expected.has(file), `${file} twice`);
        expected.set(file, namespace);
      }),
    );
  }
  const archives = await readArchives(directory);
  for (const [file, namespace] of expected) {
    const archive = archives.find((each) => each.file === file);
    assert.equal(archive?.identity?.namespace, namespace, file);
    assert.equal(archive?.staleTailBytes, 0, file);
  }
});

test('a policy that is changed acts on the next request', async () => {
  await cluster.runPod({ name: 'cart', namespace: 'till', node: 'node1' });
  assert.equal((await ask('till/cart/main')).status, 200);
  await applyPolicy(cluster, 'till', { namespacePolicies: [{ namespace: 'till', checkpointing: 'Deny' }] });
  await eventually(async () => assert.equal((await ask('till/cart/main')).status, 403));
  // Without acting at once it waits for the next checkpoint, which it must not refuse itself.
  await applyPolicy(cluster, 'till', {
    applyPoliciesImmediately: false,
    namespacePolicies: [{ namespace: 'till', checkpointing: 'Allow' }],
  });
  await eventually(async () => assert.equal((await ask('till/cart/main')).status, 200));
});

test('an archive that was made behind its back counts as soon as it stands still', async (t) => {
  await cluster.runPod({ name: 'cart', namespace: 'behind', node: 'node1' });
  const bare = await request(`${cluster.node('node1').kubeletUrl}/checkpoint/behind/cart/main`, {
    method: 'POST',
    ca: cluster.ca,
    token: await readFile(installed.kubeletToken, 'utf8'),
  });
  assert.equal(bare.status, 200, bare.body);
  const began = Date.now();
  await eventually(async () => {
    const { body } = await gc.ask('/verdict/behind/cart/main', { token, method: 'GET' });
    assert.match(body, /"allowed":false.*namespace behind has 2 archives, 1 allowed/);
  });
  t.diagnostic(`after ${Date.now() - began} ms`);
  assert.equal((await ask('behind/cart/main')).status, 507);
});

test('what the circuit breaker holds is not deleted for a checkpoint, until somebody confirms it', async () => {
  await cluster.runPod({ name: 'cart', namespace: 'braked', node: 'node1' });
  const quota = (maxCheckpoints: number, confirmed?: string) =>
    applyPolicy(
      cluster,
      'braked',
      {
        circuitBreaker: { maxShare: '1%', minArchives: 2 },
        namespacePolicies: [{ namespace: 'braked', maxCheckpoints }],
      },
      confirmed === undefined ? {} : { [CONFIRM_ANNOTATION]: confirmed },
    );
  await quota(10);
  for (let count = 0; count < 3; count += 1) assert.equal((await ask('braked/cart/main')).status, 200);
  // What is still settling is planned one by one, and one deletion trips nothing.
  await eventually(async () => assert.equal((await recorded('create', 'braked')).length, 3));
  await quota(1);
  const digest = await eventually(async () => {
    const held = (await gc.log()).find(
      ({ resource, digest }) => resource === 'checkpoint-warden/braked' && digest,
    );
    assert.ok(held);
    return String(held.digest);
  }, 20_000);
  const refused = await ask('braked/cart/main');
  assert.deepEqual(
    [refused.status, refused.headers['checkpoint-warden-refusal']],
    [507, 'evictionWithheld'],
    refused.body,
  );
  assert.match(refused.body, /checkpoint-warden\/braked waits for an administrator's confirmation/);
  assert.equal((await archivesOf(directory, 'braked')).length, 3);
  await quota(1, digest);
  await eventually(async () => assert.equal((await archivesOf(directory, 'braked')).length, 1), 20_000);
  assert.equal((await ask('braked/cart/main')).status, 200);
  assert.equal((await archivesOf(directory, 'braked')).length, 1);
});

test('a second door on a port that is taken says so, and ends', async () => {
  const state = join(installed.directory, 'second');
  const second = startCollector(installed, {
    node: cluster.node('node1'),
    args: ['--state-directory', state, '--directory', '/var/lib/kubelet'],
  });
  await assert.rejects(
    second,
    /--door \[::\]:10350 cannot be listened on \(it is in use \(EADDRINUSE\)\); choose another/,
  );
});

test('SIGTERM during a checkpoint: ends within five seconds, status 0; what came is counted', async (t) => {
  await cluster.runPod({ name: 'large', namespace: 'shop', node: 'node1', script: LARGE });
  await filled(cluster, 'shop', 'large');
  await applyPolicy(cluster, 'quotas', {
    namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3, whenFull: 'RejectNew' }],
  });
  await sleep(500);
  const answer = ask('shop/large/main').catch(String);
  await sleep(500);
  const { code, took } = await gc.stop();
  t.diagnostic(`ended after ${took} ms; its caller was told ${JSON.stringify(await answer)}`);
  assert.equal(code, 0);
  assert.ok(took < 5_000, `${took} ms`);

  // The next one finds a token that is none; it takes the good one as soon as it is there.
  const good = await kubectl(cluster, 'create', 'token', 'collector', '-n', 'checkpoint-warden');
  await writeFile(installed.kubeletToken, 'gone');
  gc = await startCollector(installed, { node: cluster.node('node1') });
  await cluster.runPod({ name: 'renewed', node: 'node1' });
  const refused = await ask('default/renewed/main');
  assert.equal(refused.status, 502, refused.body);
  assert.match(refused.body, /takes no checkpoint requests from its door/);
  await writeFile(installed.kubeletToken, good.trim());
  assert.equal((await ask('default/renewed/main')).status, 200);

  const next = await ask('shop/large/main');
  assert.equal(next.status, 507, next.body);
});
