import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { eventually } from './eventually.ts';
import { copyKubeconfigToPort } from './kubeconfig.ts';
import { startPassThrough } from './pass-through.ts';
import { processesNaming } from './processes.ts';

const namespace = `
apiVersion: v1
kind: Namespace
metadata: {name: tenant}
`;

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example}
spec:
  group: test.example
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer, minimum: 1}}}}
`;

const widget = (size: number) => `
apiVersion: test.example/v1
kind: Widget
metadata: {name: w, namespace: tenant}
size: ${size}
`;

let plane: ControlPlane;

before(async () => {
  plane = await startControlPlane({ audit: true });
});

after(() => plane.stop());

test('kubectl applies a namespace and a custom resource, which its schema guards', async () => {
  assert.equal(await plane.apply(namespace), 'namespace/tenant created\n');
  await plane.apply(definition);
  await kubectl('wait', '--for=condition=Established', 'crd/widgets.test.example');
  await plane.apply(widget(3));
  assert.equal(await kubectl('get', 'widget', 'w', '-n', 'tenant', '-o', 'jsonpath={.size}'), '3');
  await assert.rejects(plane.apply(widget(0)), /size.*greater than or equal to 1/);
});

test('a pod can be created although no controller makes service accounts', async () => {
  await kubectl('run', 'idle', '-n', 'tenant', '--image=none');
});

test('a user has the rights that RBAC grants to the name or a group, and no others', async () => {
  const kubeconfig = await plane.asUser('jane_doe@example.org', { groups: ['team a'] });
  const refused = await plane.kubectl(['get', 'pods', '-n', 'tenant'], { kubeconfig });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /User "jane_doe@example.org" cannot list resource "pods"/);

  await kubectl('create', 'role', 'reader', '-n', 'tenant', '--verb=list', '--resource=pods');
  await kubectl('create', 'rolebinding', 'team', '-n', 'tenant', '--role=reader', '--group=team a');
  await eventually(async () => {
    const allowed = await plane.kubectl(['get', 'pods', '-n', 'tenant', '-o', 'name'], { kubeconfig });
    assert.deepEqual(allowed, { status: 0, stdout: 'pod/idle\n', stderr: '' });
  });
});

test('issues tokens for service accounts and knows them again', async () => {
  await kubectl('create', 'serviceaccount', 'robot', '-n', 'tenant');
  const token = (await kubectl('create', 'token', 'robot', '-n', 'tenant')).trim();
  const review = JSON.stringify({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token },
  });
  const { stdout } = await plane.kubectl(['create', '-f', '-', '-o', 'jsonpath={.status.user.username}'], {
    input: review,
  });
  assert.equal(stdout, 'system:serviceaccount:tenant:robot');
});

test('a pass-through cuts, stalls and restores the way to the API server', async (t) => {
  const passThrough = await startPassThrough(plane.port);
  t.after(passThrough.close);
  const kubeconfig = join(plane.directory, 'pass-through.kubeconfig');
  await copyKubeconfigToPort(plane.kubeconfig, passThrough.port, kubeconfig);
  const get = (timeout?: number) =>
    plane.kubectl(['get', 'namespace', 'tenant', '-o', 'name'], { kubeconfig, ...(timeout && { timeout }) });

  assert.equal((await get()).stdout, 'namespace/tenant\n');
  passThrough.cut();
  assert.match((await get()).stderr, /refused/);
  passThrough.stall();
  assert.equal((await get(300)).status, 124);
  passThrough.restore();
  assert.equal((await get()).stdout, 'namespace/tenant\n');
});

test('the API server restarts with its data, at its port', async () => {
  await plane.restartApiServer();
  assert.equal(await kubectl('get', 'widget', 'w', '-n', 'tenant', '-o', 'jsonpath={.size}'), '3');
});

test('the audit log names users, verbs and objects', async () => {
  assert.ok(plane.auditLog);
  const events = (await readFile(plane.auditLog, 'utf8')).split('\n');
  const created = events.find((line) => /"verb":"create".*"resource":"widgets"/.test(line));
  assert.match(created ?? '', /"username":"admin"/);
});

test('several run side by side; stop leaves neither a process nor a file', async () => {
  const other = await startControlPlane();
  assert.notEqual(other.url, plane.url);
  assert.equal((await other.kubectl(['get', 'namespace', 'tenant'])).status, 1);
  assert.equal((await processesNaming(other.directory)).length, 3);
  await Promise.all([other.stop(), other.stop()]);
  assert.deepEqual(await processesNaming(other.directory), []);
  assert.equal(existsSync(other.directory), false);
  assert.equal((await plane.kubectl(['get', 'namespace', 'tenant'])).status, 0);
});

test('takes feature gates and flags, and shows the log when the API server refuses one', async () => {
  const options = { featureGates: { ContainerCheckpoint: false }, apiServerArgs: ['--bind-address=0.0.0.0'] };
  await using other = await startControlPlane(options);
  const metrics = await other.kubectl(['get', '--raw', '/metrics']);
  assert.match(metrics.stdout, /kubernetes_feature_enabled\{name="ContainerCheckpoint",stage="[A-Z]*"\} 0/);
  await assert.rejects(startControlPlane({ apiServerArgs: ['--no-such-flag'] }), {
    name: 'ServerFailure',
    message: /kube-apiserver ended \(1\).*unknown flag: --no-such-flag/s,
  });
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}
