import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PLURAL } from '../../policy/schema.ts';
import { startPolicyCluster } from '../../test/e2e/policies/cluster.ts';
import { storedPolicy } from './reviews.ts';

/** `kubectl apply --server-side` of so many policies through a real API server, with the webhook and without. */
const POLICIES = 500;
const ROUNDS = Number(process.env.ROUNDS ?? 3);

const cluster = await startPolicyCluster();
const names = ['mutating', 'validating'].map((kind) => `${kind}webhookconfiguration/checkpoint-warden`);
const saved = JSON.parse(await cluster.kubectl('get', ...names, '-o', 'json'));
for (const { metadata } of saved.items) {
  for (const key of ['resourceVersion', 'uid', 'creationTimestamp', 'generation', 'managedFields'])
    delete metadata[key];
}
const configurations = join(cluster.plane.directory, 'configurations.json');
await writeFile(configurations, JSON.stringify(saved));
const policies = join(cluster.plane.directory, 'policies.json');
const items = Array.from({ length: POLICIES }, (_, index) => {
  const { metadata: _own, ...rest } = storedPolicy(index);
  return { ...rest, metadata: { namespace: 'team-a', name: `quotas-${index}` } };
});
await writeFile(policies, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

/** Without a limit of time. */
const kubectl = (...args: string[]) =>
  promisify(execFile)(cluster.plane.kubectlProgram, ['--kubeconfig', cluster.plane.kubeconfig, ...args], {
    maxBuffer: 2 ** 26,
  });

const apply = async () => {
  await kubectl('delete', PLURAL, '--all', '--all-namespaces', '--wait=false');
  await cluster.known([]);
  const began = performance.now();
  await kubectl('apply', '--server-side', '-f', policies);
  return (performance.now() - began) / 1_000;
};
const took: Record<'with' | 'without', number[]> = { with: [], without: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  took.with.push(await apply());
  await cluster.kubectl('delete', ...names);
  took.without.push(await apply());
  await cluster.kubectl('apply', '-f', configurations);
}
for (const [way, seconds] of Object.entries(took)) {
  process.stdout.write(`${way} the webhook: ${seconds.map((each) => each.toFixed(1)).join(', ')} s\n`);
}
await cluster[Symbol.asyncDispose]();
process.exit();
