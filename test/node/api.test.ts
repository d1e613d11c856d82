import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { apiService } from '../../manifests/api.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { type NodeCollector, startCollector } from './door/collector.ts';
import { applyPolicy, type Installed, install, kubectl, tokenOf } from './door/install.ts';
import { startWebhookProcess } from './gateway/webhook.ts';

const COMPONENT = fileURLToPath(new URL('../../manifests/components/api', import.meta.url));
const NAMESPACE = 'checkpoint-warden';

/** Kubelets, containerd, CRIU, collectors and webhook as their users start them, with the rights of the manifests. */
let cluster: Cluster;
let installed: Installed;
const collectors = new Map<string, NodeCollector>();

before(async () => {
  cluster = await startCluster({ aggregation: true });
  installed = await install(cluster);
  for (const file of ['rights.yaml', 'roles.yaml']) {
    await kubectl(cluster, 'apply', '-f', join(COMPONENT, file));
  }
  await applyPolicy(cluster, 'quotas', {
    namespacePolicies: [{ namespace: 'full', maxCheckpoints: 1, whenFull: 'RejectNew' }],
  });
  const [webhook, ...started] = await Promise.all([
    startWebhookProcess(installed, ['--api', `${cluster.hostAddress}:0`]),
    ...cluster.nodes.map(async (node) => [node.name, await startCollector(installed, { node })] as const),
    cluster.runPod({ namespace: 'shop', name: 'cart', node: 'node1' }),
    cluster.runPod({ namespace: 'shop', name: 'till', node: 'node2' }),
    cluster.runPod({ namespace: 'full', name: 'tub', node: 'node1' }),
  ]);
  for (const each of started) if (Array.isArray(each)) collectors.set(each[0], each[1]);
  const opened = (await webhook.log()).find(({ message }) => message === 'the aggregated API is open');
  await register(Number(new URL(String(opened?.url)).port));
});
after(() => cluster?.stop());

/** As in the manifests, but that the webhook is no pod. */
async function register(port: number): Promise<void> {
  const metadata = { name: 'webhook', namespace: NAMESPACE };
  const service = { ...metadata, port: 6443 };
  const objects = [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'api', port: 6443 }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'webhook' } },
      addressType: 'IPv4',
      ports: [{ name: 'api', port }],
      endpoints: [{ addresses: [cluster.hostAddress], conditions: { ready: true } }],
    },
    apiService({ service, caBundle: cluster.ca }),
  ];
  await cluster.apply(objects.map((each) => stringify(each)).join('---\n'));
  await eventually(async () => {
    assert.match(await kubectl(cluster, 'get', 'apiservice', 'v1alpha1.checkpoint.criu.org'), /True/);
  }, 30_000);
}

async function create(namespace: string, pod: string, ...args: string[]) {
  const input = stringify({
    apiVersion: 'checkpoint.criu.org/v1alpha1',
    kind: 'Checkpoint',
    metadata: { generateName: `${pod}-`, namespace },
    spec: { podName: pod, containerName: 'main' },
  });
  return cluster.kubectl(['create', '-f', '-', ...args], { input });
}

const FIELDS = 'jsonpath={.metadata.name} {.spec.nodeName} {.status.archive}';

test('kubectl create takes a checkpoint of a real container on either node, and lists both', async (t) => {
  for (const [pod, node] of [
    ['cart', 'node1'],
    ['till', 'node2'],
  ] as const) {
    const dry = await eventually(async () => {
      const tried = await create('shop', pod, '--dry-run=server');
      assert.equal(tried.status, 0, tried.stderr);
      return tried;
    }, 30_000);
    assert.match(dry.stderr, /a checkpoint would be taken/);
    const [name = '', on, archive = ''] = await eventually(async () => {
      const made = await create('shop', pod, '-o', FIELDS);
      assert.equal(made.status, 0, made.stderr);
      return made.stdout.split(' ');
    }, 30_000);
    assert.equal(on, node);
    assert.ok(existsSync(join(cluster.node(node).checkpointDirectory, archive)));
    const shown = await kubectl(
      cluster,
      'get',
      'ckpt',
      '-n',
      'shop',
      name,
      '-o',
      'jsonpath={.status.runtime}',
    );
    assert.equal(shown, 'containerd');
    const audit = await collectors.get(node)?.audit();
    const request = audit?.findLast(({ operation }) => operation === 'request');
    assert.deepEqual([request?.metadata.user, request?.metadata.verdict], ['admin', 'allowed']);
  }
  const listed = await kubectl(cluster, 'get', 'checkpoints', '-A');
  assert.match(listed, /shop +cart-main-\S+ +cart +main +node1/);
  assert.match(listed, /shop +till-main-\S+ +till +main +node2/);
  t.diagnostic(listed);
});

test('the quota holds at this way in, too', async () => {
  const first = await eventually(async () => {
    const made = await create('full', 'tub');
    assert.equal(made.status, 0, made.stderr);
    return made;
  }, 30_000);
  assert.match(first.stdout, /created/);
  const second = await create('full', 'tub');
  assert.deepEqual(
    [second.status, /InsufficientStorage.*maxCheckpoints/s.test(second.stderr)],
    [1, true],
    second.stderr,
  );
});

test('a tenant with the role edit takes them in his namespace; of another he is told nothing', async () => {
  const bind = ['--clusterrole=checkpoint-warden-checkpoints-edit', '--user=tina', '-n', 'shop'];
  await kubectl(cluster, 'create', 'rolebinding', 'edit', ...bind);
  const view = ['--clusterrole=checkpoint-warden-checkpoints-view', '--user=tina', '-n', 'shop'];
  await kubectl(cluster, 'create', 'rolebinding', 'view', ...view);
  const tina = { kubeconfig: await cluster.asUser('tina') };
  const raw = '/apis/checkpoint.criu.org/v1alpha1/namespaces/shop/pods/cart/checkpoint';
  const made = await cluster.kubectl(['create', '--raw', raw, '-f', '-'], {
    ...{ ...tina, input: '{"spec":{"containerName":"main"}}' },
  });
  assert.equal(made.status, 0, made.stderr);
  assert.match((await cluster.kubectl(['get', 'ckpt', '-n', 'full'], tina)).stderr, /Forbidden/);
  const audit = await collectors.get('node1')?.audit();
  assert.equal(audit?.findLast(({ operation }) => operation === 'request')?.metadata.user, 'tina');
  // Nor has anybody but the gateway the doors' own right.
  const may = await cluster.kubectl(['auth', 'can-i', 'list', 'archives.checkpoint.criu.org'], tina);
  assert.match(may.stdout, /^no/);
});

test("a door tells of its archives to the gateway's own token for that alone", async () => {
  const ask = (token: string) => collectors.get('node1')?.ask('/archives?limit=1', { token, method: 'GET' });
  const given = (name: string, ...flags: string[]) => tokenOf(cluster, NAMESPACE, name, ...flags);
  // What the webhook shows the API server opens nothing here, and the other way round.
  assert.equal((await ask(await given('webhook')))?.status, 401);
  const own = await given('webhook', '--audience=checkpoint-warden-doors');
  assert.equal((await ask(own))?.status, 200);
  const elsewhere = await cluster.kubectl([
    'get',
    'pods',
    '-A',
    `--token=${own}`,
    '--kubeconfig=/dev/null',
    `--server=${cluster.url}`,
    `--certificate-authority=${installed.ca}`,
  ]);
  assert.match(elsewhere.stderr, /Unauthorized|logged in/);
  const collector = await given('collector', '--audience=checkpoint-warden-doors');
  assert.equal((await ask(collector))?.status, 403);
});

test('kubectl label holds an archive, and kubectl delete removes it from its node', async () => {
  const [name = '', , archive = ''] = (
    await kubectl(cluster, 'get', 'ckpt', '-n', 'full', '-o', FIELDS.replaceAll('{.', '{.items[0].'))
  ).split(' ');
  const file = join(cluster.node('node1').checkpointDirectory, archive);
  const label = (value: string) => kubectl(cluster, 'label', 'ckpt', '-n', 'full', name, value);
  await label('checkpoint.criu.org/pinned=true');
  assert.ok(existsSync(`${file}.keep`));
  assert.match((await cluster.kubectl(['delete', 'ckpt', '-n', 'full', name])).stderr, /is pinned/);
  await label('checkpoint.criu.org/pinned-');
  await kubectl(cluster, 'delete', 'ckpt', '-n', 'full', name);
  assert.ok(!existsSync(file));
});

test('a node whose collector is away is named; the other is shown', async () => {
  await collectors.get('node2')?.stop();
  const { status, stdout, stderr } = await cluster.kubectl(['get', 'ckpt', '-A']);
  assert.equal(status, 0);
  assert.match(stderr, /Warning: node node2 does not answer: its checkpoints are not shown/);
  assert.match(stdout, /node1/);
  assert.doesNotMatch(stdout, /node2/);
});
