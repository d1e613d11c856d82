import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { findProductImage, productImage } from '../cluster/image/image.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { askDoor, DOOR_NAME } from './door/collector.ts';
import { archiveIn, archivesOf } from './door/directory.ts';
import { applyPolicy, callerWithRight, kubectl } from './door/install.ts';

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));

let cluster: Cluster;

before(async () => {
  const image = await findProductImage();
  cluster = await startCluster({ nodes: 2, services: true });
  await Promise.all(cluster.nodes.map((node) => node.importImages(image)));
  await kubectl(cluster, 'apply', '-k', await overlay(['base', 'collector']));
  const door = cluster.authority.issue({ name: 'door', hosts: [DOOR_NAME] });
  await cluster.apply(
    stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: 'door-certificate', namespace: 'checkpoint-warden' },
      stringData: { 'tls.crt': door.certificate, 'tls.key': door.key, 'ca.crt': cluster.ca },
    }),
  );
  await kubectl(
    cluster,
    'rollout',
    'status',
    'daemonset/collector',
    '-n',
    'checkpoint-warden',
    '--timeout=90s',
  );
});
after(() => cluster?.stop());

/** What an administrator writes to name the image that he has. */
async function overlay(parts: readonly string[]): Promise<string> {
  const directory = join(cluster.directory, 'overlay');
  await mkdir(directory, { recursive: true });
  const [newName, newTag] = productImage.split(':');
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: parts.map((part) => relative(directory, join(MANIFESTS, part))),
    images: [{ name: 'checkpoint-warden', newName, newTag }],
  };
  await writeFile(join(directory, 'kustomization.yaml'), stringify(kustomization));
  return directory;
}

test('a checkpoint by the door of each node, from an image with no shell and no rights but its own', async () => {
  const policy = { namespace: 'shop', maxCheckpoints: 1, whenFull: 'RejectNew' };
  await applyPolicy(cluster, 'quotas', { namespacePolicies: [policy] });
  const token = await callerWithRight(cluster, 'caller');
  for (const node of cluster.nodes) {
    const pod = `cart-${node.name}`;
    await cluster.runPod({ name: pod, namespace: 'shop', node: node.name });
    const ask = () =>
      askDoor(`https://${node.address}:10350`, cluster.ca, `/checkpoint/shop/${pod}/main`, { token });
    const file = archiveIn(await ask());
    assert.deepEqual(await archivesOf(node.checkpointDirectory, 'shop'), [file]);
    const second = await ask();
    assert.equal(second.status, 507, second.body);
  }
});
