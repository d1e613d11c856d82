import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { startCertManager } from '../cluster/cert-manager/cert-manager.ts';
import { eventually } from '../cluster/eventually.ts';
import { resource } from './policies/row.ts';
import { type ReplicaCluster, startReplicaCluster } from './replicas/cluster.ts';
import { type Load, noneFailed } from './replicas/load.ts';
import { at, folderOf } from './replicas/manifest.ts';
import { HOST, servedAt, untilServed } from './replicas/served.ts';

const IN_NAMESPACE = '/namespaces/checkpoint-warden';
const SECRETS = `/api/v1${IN_NAMESPACE}/secrets`;
const CERTIFICATES = `/apis/cert-manager.io/v1${IN_NAMESPACE}/certificates`;
const CONFIGURATIONS = [
  'mutatingwebhookconfigurations/checkpoint-warden-policies',
  'validatingwebhookconfigurations/checkpoint-warden-policies',
  'validatingwebhookconfigurations/checkpoint-warden-connect',
];

let cluster: ReplicaCluster;
let load: Load;

before(async () => {
  cluster = await startReplicaCluster({ overlay: 'overlays/cert-manager', prepare: startCertManager });
  load = await cluster.load();
});
after(async () => {
  await load?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

test('the API server takes every overlay, field by field, and finds its pods restricted', async () => {
  const { plane } = cluster;
  const label = 'pod-security.kubernetes.io/warn=restricted';
  await plane.kubectl(['label', 'namespace', 'checkpoint-warden', label]);
  const overlays = (await readdir(folderOf('overlays'))).map((name) => `overlays/${name}`);
  assert.ok(overlays.length >= 3);
  for (const folder of ['base', 'webhook', ...overlays]) {
    const args = ['apply', '--dry-run=server', '--validate=strict', '-k', folderOf(folder)];
    const { status, stdout, stderr } = await plane.kubectl(args);
    // Neither an error nor a warning, of deprecated or unknown fields or of what a restricted pod must not have.
    assert.deepEqual({ folder, status, stderr }, { folder, status: 0, stderr: '' });
    assert.match(
      stdout,
      /clusterrole\.rbac\.authorization\.k8s\.io\/checkpoint-warden-webhook .*\(server dry run\)/,
    );
  }
});

test('a certificate is issued, its authority injected, and kubectl apply is judged', async (t) => {
  const { certificate, ca } = await issued();
  const leaf = new X509Certificate(certificate);
  assert.ok(leaf.verify(new X509Certificate(ca).publicKey));
  assert.equal(leaf.checkHost(HOST), HOST);
  assert.deepEqual(await bundles(), [ca, ca, ca]);
  for (const pod of cluster.pods) assert.equal(await servedAt(pod.url, ca), leaf.serialNumber);

  const unsound = resource('namespacePolicies: [{namespace: load-1, maxCheckpointSize: 10}]', 'load-1/mine');
  const refused = await cluster.plane.kubectl(['apply', '-f', '-'], { input: unsound });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /admission webhook "checkpoint-warden-mutate\.criu\.org" denied the request/);
  assert.match(refused.stderr, /did you mean 10Mi\?/);
  const sound = unsound.replace('maxCheckpointSize: 10}', 'maxCheckpoints: 10}').replace('mine', 'quotas');
  const applied = await cluster.plane.kubectl(
    ['apply', '-f', '-', '--server-side', '--force-conflicts', '--dry-run=server'],
    { input: sound },
  );
  assert.equal(applied.status, 0, applied.stderr);
  noneFailed(t, load, 10);
});

test('kubectl deletes the Secret: another certificate is issued and served, and no request fails', async (t) => {
  const before = await issued();
  const deleted = await cluster.plane.kubectl([
    'delete',
    'secret',
    'webhook-certificate',
    '-n',
    'checkpoint-warden',
  ]);
  assert.equal(deleted.status, 0, deleted.stderr);
  await renewedSince(before.certificate);
  await load.more(50, 50);
  noneFailed(t, load, 50);
});

test('a certificate of a short life renews twice, and no request fails', async (t) => {
  // The shortest life that cert-manager takes is an hour, so it is renewed eight seconds after its issue.
  await change(`${CERTIFICATES}/webhook-certificate`, { spec: { duration: '1h', renewBefore: '59m52s' } });
  const lives: number[] = [];
  for (let { certificate } = await issued(); lives.length < 3; ) {
    certificate = await renewedSince(certificate);
    const { validFrom, validTo } = new X509Certificate(certificate);
    lives.push(Date.parse(validTo) - Date.parse(validFrom));
  }
  assert.deepEqual(lives, [3_600_000, 3_600_000, 3_600_000]);
  const { certificate } = await issued();
  await change(`${CERTIFICATES}/webhook-certificate`, { spec: { duration: '2160h', renewBefore: '720h' } });
  await renewedSince(certificate);
  await load.more(50, 50);
  noneFailed(t, load, 200);
});

test('the authority is renewed with its key: replicas with either leaf are believed', async (t) => {
  const before = await issued();
  await renew('webhook-authority');
  await eventually(async () => {
    const ca = await dataOf('webhook-authority', 'tls.crt');
    assert.notEqual(ca, before.ca);
  }, 20_000);
  await renew('webhook-certificate');
  await renewedSince(before.certificate);
  await eventually(async () => {
    const { ca } = await issued();
    assert.notEqual(ca, before.ca);
    assert.deepEqual(await bundles(), [ca, ca, ca]);
  }, 20_000);
  await load.more(50, 50);
  noneFailed(t, load, 50);
});

test('none of it was worth a warning', async () => {
  for (const pod of cluster.pods) assert.deepEqual(await pod.complaints(), []);
});

async function dataOf(secret: string, key: string): Promise<string> {
  const found = await cluster.client.request({ path: `${SECRETS}/${secret}` });
  return Buffer.from(String(at(found, 'data', key)), 'base64').toString('utf8');
}

async function issued(): Promise<{ certificate: string; ca: string }> {
  const [certificate, ca] = [
    await dataOf('webhook-certificate', 'tls.crt'),
    await dataOf('webhook-certificate', 'ca.crt'),
  ];
  return { certificate, ca };
}

/** Resolves with the certificate that has taken the place of this one, when both replicas show it. */
async function renewedSince(former: string): Promise<string> {
  const { certificate, ca } = await eventually(async () => {
    const now = await issued();
    assert.notEqual(now.certificate, former);
    return now;
  }, 30_000);
  await Promise.all(cluster.pods.map((pod) => untilServed(pod, certificate, ca)));
  return certificate;
}

/** The authorities in the webhook configurations, PEM. */
async function bundles(): Promise<string[]> {
  return Promise.all(
    CONFIGURATIONS.map(async (path) => {
      const found = await cluster.client.request({ path: `/apis/admissionregistration.k8s.io/v1/${path}` });
      const webhooks = at(found, 'webhooks');
      assert.ok(Array.isArray(webhooks));
      return Buffer.from(String(at(webhooks[0], 'clientConfig', 'caBundle')), 'base64').toString('utf8');
    }),
  );
}

/** What `cmctl renew` does. */
async function renew(name: string): Promise<void> {
  const found = await cluster.client.request({ path: `${CERTIFICATES}/${name}` });
  const conditions = at(found, 'status', 'conditions');
  assert.ok(Array.isArray(conditions));
  const issuing = {
    type: 'Issuing',
    status: 'True',
    reason: 'ManuallyTriggered',
    message: 'by a test',
    lastTransitionTime: new Date().toISOString().replace(/\.\d+/, ''),
  };
  await change(`${CERTIFICATES}/${name}/status`, { status: { conditions: [...conditions, issuing] } });
}

async function change(path: string, body: object): Promise<void> {
  const contentType = 'application/merge-patch+json';
  await cluster.client.request({ method: 'PATCH', path, contentType, body });
}
