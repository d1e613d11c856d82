import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { eventually } from '../../cluster/eventually.ts';
import { runCommand } from '../../cluster/nodes/command.ts';
import { runBy } from '../../docs/run-by.ts';

const ROOT = join(import.meta.dirname, '../../..');
const HERE = 'test/e2e/docs/commands.test.ts';

let plane: ControlPlane;
let scratch: string;
const run = new Set<string>();

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'checkpoint-warden-docs-'));
  plane = await startControlPlane();
  for (const args of [
    ['apply', '-k', join(ROOT, 'manifests/base')],
    ['wait', '--for=condition=Established', '--all', 'crd'],
  ]) {
    const { status, stderr } = await plane.kubectl(args);
    assert.equal(status, 0, stderr);
  }
  await plane.apply('{apiVersion: criu.org/v1, kind: CheckpointNode, metadata: {name: worker-1}}');
});
after(async () => {
  await plane?.stop();
  await rm(scratch, { recursive: true, force: true });
});

/** Runs a command of a page as it stands there, in an administrator's shell. */
async function typed(path: string, command: string): Promise<string> {
  assert.ok(runBy(path, HERE).includes(command), `${command} is not in ${path}`);
  run.add(`${path}: ${command}`);
  const shell = `cd '${scratch}' && ln -sfn '${ROOT}/examples' examples && export KUBECONFIG='${plane.kubeconfig}' PATH='${dirname(plane.kubectlProgram)}':"$PATH" NAME=team-shop NAMESPACE=checkpoint-warden && ${command}`;
  const { status, stdout, stderr } = await runCommand('sh', ['-c', shell]);
  assert.equal(status, 0, `${command}: ${stderr}`);
  return stdout + stderr;
}

test('the guide: a policy is applied and listed', async () => {
  const page = 'docs/guide/README.md';
  await eventually(() => typed(page, 'kubectl apply -f examples/team-quota.yaml'));
  assert.match(await typed(page, 'kubectl get cro -A'), /^checkpoint-warden +team-shop/m);
});

test('operations: what was saved is put back where all was taken away', async () => {
  const page = 'docs/operations/README.md';
  const spec = async () => {
    const args = ['get', 'cro', 'team-shop', '-n', 'checkpoint-warden', '-o', 'jsonpath={.spec}'];
    return (await plane.kubectl(args)).stdout;
  };
  const before = await spec();
  assert.match(before, /maxTotalSize/);
  await typed(page, 'kubectl get checkpointrestoreoperators -A -o yaml > policies.yaml');
  assert.equal((await plane.kubectl(['delete', 'cro', '-A', '--all'])).status, 0);
  assert.equal(await spec(), '');
  await typed(page, 'kubectl apply -f policies.yaml');
  assert.equal(await spec(), before);
});

test('operations: what to look at first', async () => {
  const page = 'docs/operations/README.md';
  assert.match(await typed(page, 'kubectl get ckn'), /^NAME +ARCHIVES.*\nworker-1/m);
  assert.match(await typed(page, 'kubectl describe ckn'), /worker-1/);
  assert.match(await typed(page, 'kubectl get cro -A'), /team-shop/);
  await typed(page, 'kubectl get pods -n checkpoint-warden -o wide');
});

test('alerts: what there is to confirm, and the collectors', async () => {
  const page = 'docs/operations/alerts.md';
  for (const command of runBy(page, HERE)) await typed(page, command);
});

test('nothing that this test stands for was left out', () => {
  const all = ['docs/guide/README.md', 'docs/operations/README.md', 'docs/operations/alerts.md'];
  const wanted = all.flatMap((path) => runBy(path, HERE).map((command) => `${path}: ${command}`));
  assert.deepEqual([...run].sort(), wanted.sort());
});
