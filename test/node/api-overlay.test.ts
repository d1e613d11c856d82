import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { eventually } from '../cluster/eventually.ts';
import { findProductImage, productImage } from '../cluster/image/image.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { kubectl } from './door/install.ts';
import { usedRights } from './installed/rights.ts';

const NAMESPACE = 'checkpoint-warden';
const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const PLUGIN = fileURLToPath(new URL('../../cli/kubectl-checkpoint.js', import.meta.url));
const run = promisify(execFile);
const APISERVICE = 'apiservice/v1alpha1.checkpoint.criu.org';

/** The overlay as it is applied: pods of the image, with the rights and the token of the manifests. */
let cluster: Cluster;

before(async () => {
  const image = await findProductImage();
  cluster = await startCluster({ nodes: 2, services: true, audit: true, aggregation: true });
  await Promise.all(cluster.nodes.map((node) => node.importImages(image)));
  await kubectl(cluster, 'apply', '-k', await overlay());
  for (const workload of ['deployment/webhook', 'daemonset/collector']) {
    await kubectl(cluster, 'rollout', 'status', workload, '-n', NAMESPACE, '--timeout=120s');
  }
  await cluster.runPod({ name: 'cart', namespace: 'shop', node: 'node1' });
});
after(() => cluster?.stop());

async function overlay(): Promise<string> {
  const directory = join(cluster.directory, 'overlay');
  await mkdir(directory, { recursive: true });
  const [newName, newTag] = productImage.split(':');
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(directory, join(MANIFESTS, 'overlays/api'))],
    images: [{ name: 'checkpoint-warden', newName, newTag }],
  };
  await writeFile(join(directory, 'kustomization.yaml'), stringify(kustomization));
  return directory;
}

test('what is applied registers nothing; registered, it is available within seconds', async (t) => {
  assert.match((await cluster.kubectl(['get', APISERVICE])).stderr, /not found/);
  const began = Date.now();
  await kubectl(cluster, 'apply', '-k', join(MANIFESTS, 'registration'));
  // The own authority fills in whom to trust.
  await kubectl(cluster, 'wait', '--for=condition=Available', APISERVICE, '--timeout=30s');
  t.diagnostic(`available after ${Date.now() - began} ms`);
});

test('a checkpoint is taken, listed, held and deleted, and no right was missing', async (t) => {
  const input = stringify({
    apiVersion: 'checkpoint.criu.org/v1alpha1',
    kind: 'Checkpoint',
    metadata: { generateName: 'cart-', namespace: 'shop' },
    spec: { podName: 'cart', containerName: 'main' },
  });
  const name = await eventually(async () => {
    const args = ['create', '-f', '-', '-o', 'jsonpath={.metadata.name}'];
    const { status, stdout, stderr } = await cluster.kubectl(args, { input });
    assert.equal(status, 0, stderr);
    return stdout;
  }, 30_000);
  const listed = await cluster.kubectl(['get', 'ckpt', '-A']);
  assert.match(listed.stdout, new RegExp(`shop +${name} +cart +main +node1`));
  assert.equal(listed.stderr, '');
  t.diagnostic(listed.stdout);
  assert.match(await kubectl(cluster, 'explain', 'checkpoint.spec'), /containerName/);
  await kubectl(cluster, 'label', 'ckpt', '-n', 'shop', name, 'checkpoint.criu.org/pinned=true');
  await kubectl(cluster, 'label', 'ckpt', '-n', 'shop', name, 'checkpoint.criu.org/pinned-');
  await kubectl(cluster, 'delete', 'ckpt', '-n', 'shop', name);
  const { used, refused } = await usedRights(cluster.auditLog ?? '');
  assert.deepEqual([...refused], []);
  for (const right of [
    'webhook: get configmaps extension-apiserver-authentication',
    'webhook: watch apiservices.apiregistration.k8s.io v1alpha1.checkpoint.criu.org',
    'webhook: patch apiservices.apiregistration.k8s.io v1alpha1.checkpoint.criu.org',
  ]) {
    assert.ok(used.has(right), right);
  }
});

test('the plugin takes, finds, pins and explains one', async (t) => {
  const plugin = async (...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: cluster.directory, KUBECONFIG: cluster.kubeconfig };
    return (await run(process.execPath, [PLUGIN, ...args, '-n', 'shop'], { env })).stdout;
  };
  await plugin('create', 'cart');
  const [name = ''] = (await plugin('ls', '-o', 'name'))
    .trim()
    .split('\n')
    .map((each) => basename(each));
  await plugin('pin', name);
  const listed = await plugin('ls', '-o', 'wide');
  t.diagnostic(listed);
  assert.match(listed, new RegExp(`${name} +cart +main +node1`));
  assert.match(await plugin('explain', name), /pin/i);
  await plugin('unpin', name);
  assert.match(await plugin('top'), /shop +1 /);
});

test('one of the two replicas is enough', async () => {
  const pods = ['-n', NAMESPACE, '-l', 'app.kubernetes.io/component=webhook'];
  const [first = ''] = (await kubectl(cluster, 'get', 'pods', ...pods, '-o', 'name')).trim().split('\n');
  await kubectl(cluster, 'delete', '-n', NAMESPACE, first, '--wait=false');
  for (let time = 0; time < 20; time += 1) {
    const { status, stderr } = await cluster.kubectl(['get', 'ckpt', '-A']);
    assert.equal(status, 0, stderr);
  }
});

test('taken away in its order, it blocks nothing', async () => {
  await kubectl(cluster, 'delete', '-k', join(MANIFESTS, 'registration'));
  await kubectl(cluster, 'delete', '-k', join(cluster.directory, 'overlay'), '--timeout=120s');
  await kubectl(cluster, 'create', 'namespace', 'afterwards');
  await kubectl(cluster, 'delete', 'namespace', 'afterwards', '--timeout=60s');
  const left = await kubectl(cluster, 'get', 'clusterroles,clusterrolebindings,apiservices', '-o', 'name');
  assert.doesNotMatch(left, /checkpoint-warden|checkpoint\.criu\.org/);
  const bindings = await kubectl(cluster, 'get', 'rolebindings', '-n', 'kube-system', '-o', 'name');
  assert.doesNotMatch(bindings, /checkpoint-warden/);
});
