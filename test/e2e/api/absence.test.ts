import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Registry } from 'prom-client';
import { eventually } from '../../cluster/eventually.ts';
import { startControllers } from '../../cluster/nodes/controllers.ts';
import { findPrograms } from '../../cluster/programs.ts';
import { nodeRecipe } from '../../cluster/recipe.ts';
import { archiveOf, fileOf, startTestNode, type TestNode } from '../../gc/door/archives/node.ts';
import { type ApiCluster, DOOR_NAME, startApiCluster } from './cluster.ts';

/** What the controllers of a cluster do with the API, and without it. */
const registry = new Registry();
let cluster: ApiCluster;
let node: TestNode;

before(async () => {
  cluster = await startApiCluster({ registry });
  node = await startTestNode({
    ...{ name: 'node1', authority: cluster.authority, host: DOOR_NAME },
    ...{ listen: '127.0.0.2', port: cluster.doorPort },
    files: {
      [fileOf('one', 'cart', 1)]: archiveOf('one', 'cart'),
      [fileOf('one', 'till', 1)]: archiveOf('one', 'till'),
    },
  });
  await cluster.addNode('node1', '127.0.0.2');
  await startControllers(cluster.plane, await findPrograms(nodeRecipe));
  await cluster.register();
});
after(async () => {
  await node?.stop();
  await cluster?.[Symbol.asyncDispose]();
});

async function conditions(namespace: string): Promise<string> {
  return cluster.kubectl('get', 'namespace', namespace, '-o', 'jsonpath={.status.conditions}');
}

async function isGone(namespace: string): Promise<void> {
  const { stderr } = await cluster.plane.kubectl(['get', 'namespace', namespace]);
  assert.match(stderr, /not found/);
}

test('while it serves, a namespace goes at once, and its archives stay, pinned or not', async () => {
  await cluster.kubectl('create', 'namespace', 'one');
  const [name] = (await cluster.kubectl('get', 'ckpt', '-n', 'one', '-o', 'name')).trim().split('\n');
  await cluster.kubectl('label', '-n', 'one', name ?? '', 'checkpoint.criu.org/pinned=true');
  await cluster.kubectl('delete', 'namespace', 'one', '--wait=true', '--timeout=30s');
  for (const pod of ['cart', 'till']) assert.ok(existsSync(join(node.directory, fileOf('one', pod, 1))));
});

test('controllers watch and delete none of it: discovery tells of no delete', async () => {
  const shown = await registry.getSingleMetricAsString('checkpoint_warden_api_requests_total');
  assert.match(shown, /verb="document",status="200"/);
  assert.doesNotMatch(shown, /verb="(watch|delete)"/);
});

test('while nobody serves it, a namespace hangs, and says why; it goes when the registration is gone', async () => {
  await cluster.api.stop(100);
  await eventually(async () => {
    const { stdout } = await cluster.plane.kubectl(['get', 'apiservice', 'v1alpha1.checkpoint.criu.org']);
    assert.match(stdout, /False/);
  }, 30_000);
  await cluster.kubectl('create', 'namespace', 'two');
  await cluster.kubectl('delete', 'namespace', 'two', '--wait=false');
  await eventually(async () => {
    assert.match(
      await conditions('two'),
      /NamespaceDeletionDiscoveryFailure.*"status":"True"|"status":"True".*NamespaceDeletionDiscoveryFailure/,
    );
  }, 30_000);
  // What uninstalling does first, and what ends such a hang.
  await cluster.kubectl('delete', 'apiservice', 'v1alpha1.checkpoint.criu.org');
  await eventually(() => isGone('two'), 60_000);
});

test('after it was removed, a namespace goes at once', async () => {
  await cluster.kubectl('create', 'namespace', 'three');
  await cluster.kubectl('delete', 'namespace', 'three', '--wait=true', '--timeout=30s');
});
