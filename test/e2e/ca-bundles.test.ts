import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ownAuthority } from '../../certs/own-authority.ts';
import type { CertificateSource } from '../../certs/source.ts';
import { patchBundles, readTrusting, TRUSTING_OBJECTS, type TrustingObject } from '../../kube/ca-bundles.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { createLog } from '../../observe/log.ts';
import { fieldsOf, type JsonObject, own, text } from '../../policy/json.ts';
import { secureContextOf } from '../../webhook/tls.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';

/** Whom the API server trusts when it converts our resource, and when it passes requests for our API on. */

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const NAMESPACE = 'checkpoint-warden';
const API = 'v1alpha1.checkpoint.criu.org';
const CRD = 'checkpointrestoreoperators.criu.org';
const DISCOVERY = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: 'checkpoint.criu.org/v1alpha1',
  resources: [],
};

let plane: ControlPlane;
let client: KubeClient;
let certificates: CertificateSource;
let server: Server;
let specs: Readonly<Record<'crd' | 'apiservice', JsonObject>>;

before(async () => {
  plane = await startControlPlane({ aggregation: true });
  await kubectl('apply', '-k', join(MANIFESTS, 'base'));
  await plane.apply(await readFile(join(MANIFESTS, 'overlays/self-signed/authority-rbac.yaml'), 'utf8'));
  await kubectl('wait', '--for=condition=Established', `crd/${CRD}`);
  server = createServer({}, (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(DISCOVERY));
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const service = { namespace: NAMESPACE, name: 'webhook', port };
  await plane.apply(
    stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service.name, namespace: NAMESPACE },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] },
    }),
  );
  const conversion = {
    strategy: 'Webhook',
    webhook: { clientConfig: { service }, conversionReviewVersions: ['v1'] },
  };
  await kubectl('patch', 'crd', CRD, '--type=merge', '-p', JSON.stringify({ spec: { conversion } }));
  await plane.apply(
    stringify({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: API },
      spec: {
        ...{ group: 'checkpoint.criu.org', version: 'v1alpha1', service },
        ...{ groupPriorityMinimum: 1_000, versionPriority: 10 },
      },
    }),
  );
  specs = { crd: await specOf('crd', CRD), apiservice: await specOf('apiservice', API) };
  client = await createClient({ kubeconfig: await serviceAccount() });
  certificates = ownAuthority({
    client,
    namespace: NAMESPACE,
    log: createLog({ level: 'silent' }),
    timing: { lookEvery: 1_000, settle: 50, leastBackoff: 100, mostBackoff: 1_000 },
  });
  await certificates.start();
  server.setSecureContext(secureContextOf(certificates.current(), 'TLSv1.3'));
});
after(async () => {
  await certificates?.stop();
  client?.close();
  server?.closeAllConnections();
  server?.close();
  await plane?.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A kubeconfig with the rights of the manifests and no others. */
async function serviceAccount(): Promise<string> {
  await writeFile(
    join(plane.directory, 'webhook.token'),
    await kubectl('create', 'token', 'webhook', '-n', NAMESPACE),
  );
  const ca = Buffer.from(plane.ca).toString('base64');
  const file = join(plane.directory, 'webhook.kubeconfig');
  const cluster = { server: plane.url, 'certificate-authority-data': ca };
  await writeFile(
    file,
    stringify({
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { tokenFile: 'webhook.token' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return file;
}

async function specOf(kind: string, name: string): Promise<JsonObject> {
  const object: unknown = JSON.parse(await kubectl('get', kind, name, '-o', 'json'));
  return fieldsOf(own(fieldsOf(object), 'spec'));
}

function trusting(kind: string): TrustingObject {
  const found = TRUSTING_OBJECTS.find((each) => each.kind === kind);
  assert.ok(found);
  return found;
}

async function pemsOf(kind: string): Promise<string[]> {
  return (await readTrusting(client, trusting(kind)))?.bundles.map(({ pem }) => pem) ?? [];
}

const isTrusted = (kind: string) =>
  eventually(async () => assert.deepEqual(await pemsOf(kind), [certificates.current().ca]), 20_000);

const isAnswered = () =>
  eventually(async () => {
    assert.deepEqual(JSON.parse(await kubectl('get', '--raw', `/apis/${DISCOVERY.groupVersion}`)), DISCOVERY);
  }, 30_000);

test('an aggregated API is answered through the API server once it trusts the authority', async () => {
  await isTrusted('APIService');
  await isAnswered();
  const { caBundle, ...rest } = await specOf('apiservice', API);
  assert.deepEqual(rest, specs.apiservice);
  assert.equal(Buffer.from(text(caBundle), 'base64').toString(), certificates.current().ca);
});

test('the conversion of the resource gets the same, and nothing else of it changes', async () => {
  await isTrusted('CustomResourceDefinition');
  const spec = await specOf('crd', CRD);
  const config = fieldsOf(own(fieldsOf(own(fieldsOf(own(spec, 'conversion')), 'webhook')), 'clientConfig'));
  const { caBundle, ...rest } = config;
  assert.notEqual(caBundle, undefined);
  const conversion = {
    strategy: 'Webhook',
    webhook: { clientConfig: rest, conversionReviewVersions: ['v1'] },
  };
  assert.deepEqual({ ...spec, conversion }, specs.crd);
});

test('what was taken out by hand comes back, and calls go through again', async () => {
  const removal = (path: string) => ['--type=json', '-p', JSON.stringify([{ op: 'remove', path }])];
  await kubectl('patch', 'apiservice', API, ...removal('/spec/caBundle'));
  await kubectl('patch', 'crd', CRD, ...removal('/spec/conversion/webhook/clientConfig/caBundle'));
  await Promise.all([isTrusted('APIService'), isTrusted('CustomResourceDefinition')]);
  await isAnswered();
});

test('an object that has changed since it was read is left alone, and so are all others', async () => {
  for (const [kind, pointer] of [
    ['APIService', '/spec/caBundle'],
    ['CustomResourceDefinition', '/spec/conversion/webhook/clientConfig/caBundle'],
  ] as const) {
    const object = trusting(kind);
    const state = await readTrusting(client, object);
    assert.ok(state);
    const stale = { ...state, resourceVersion: '1' };
    await assert.rejects(patchBundles(client, object, stale, [pointer], plane.ca), { status: 422 });
    const another = { ...object, name: kind === 'APIService' ? 'v1.apps' : 'checkpointnodes.criu.org' };
    await assert.rejects(patchBundles(client, another, state, [pointer], plane.ca), { status: 403 });
  }
});
