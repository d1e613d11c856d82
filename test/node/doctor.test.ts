import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call } from '../cli/call.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { type NodeCollector, startCollector } from './door/collector.ts';
import { install, kubectl } from './door/install.ts';

/** What the doctor reads of real kubelets and of a real collector; its other checks are in test/e2e/doctor.test.ts. */
let cluster: Cluster;
let collector: NodeCollector;

before(async () => {
  cluster = await startCluster({ nodes: 2 });
  const installed = await install(cluster);
  // This collector's token is that of no pod, so that the policy would not let it write its node's object.
  const binding = ['validatingadmissionpolicybinding', 'checkpoint-warden-node-object'];
  await kubectl(cluster, 'delete', ...binding);
  collector = await startCollector(installed, { node: cluster.node('node1') });
});
after(async () => {
  await collector?.stop();
  await cluster?.stop();
});

interface Told {
  readonly verdict: string;
  readonly message: string;
}

async function checks(...args: string[]): Promise<ReadonlyMap<string, Told>> {
  const { out, err } = await call(['doctor', '--kubeconfig', cluster.kubeconfig, '-o', 'json', ...args]);
  assert.equal(err, '');
  const { checks: all }: { checks: ({ name: string } & Told)[] } = JSON.parse(out);
  return new Map(all.map(({ name, ...told }) => [name, told]));
}

async function told(name: string, verdict: string, message: RegExp, ...args: string[]): Promise<void> {
  const check = (await checks(...args)).get(name);
  assert.equal(check?.verdict, verdict, JSON.stringify(check));
  assert.match(check.message, message);
}

test('the feature gate is read from the kubelets themselves', async () => {
  await told('kubelet', 'ok', /^the feature gate ContainerCheckpoint is open on all nodes$/);
});

test('who may not ask them is told what it takes', async () => {
  await kubectl(cluster, 'create', 'clusterrole', 'nodes', '--verb=list,get', '--resource=nodes');
  await kubectl(cluster, 'create', 'clusterrolebinding', 'nodes', '--clusterrole=nodes', '--user=jane');
  await eventually(() => told('kubelet', 'unknown', /without the right to get nodes\/proxy/, '--as', 'jane'));
});

test('the runtime is the one that the nodes name', async () => {
  await told('runtime', 'ok', /^containerd 2\.\S+ can checkpoint/);
});

test('the collector of one node is at work, the other node has none', async () => {
  await eventually(() => told('collector', 'warn', /^no collector is at work on node2/), 30_000);
  const disk = (await checks()).get('disk');
  assert.match(disk?.message ?? '', /node1 \(\d+% free\)/);
});

test('checkpoints through nodes/proxy are denied by the policy of the manifests', async () => {
  await told('connect', 'ok', /denied \(tried\)/);
});
