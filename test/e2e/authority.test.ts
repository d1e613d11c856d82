import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Terms } from '../../certs/authority/decide.ts';
import { certificatesIn } from '../../certs/bundle.ts';
import { type OwnAuthorityTiming, ownAuthority } from '../../certs/own-authority.ts';
import type { CertificateSource } from '../../certs/source.ts';
import { patchBundles, readTrusting, TRUSTING_OBJECTS } from '../../kube/ca-bundles.ts';
import { watchChanges } from '../../kube/changes.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { secretsOf, serverTime } from '../../kube/secrets.ts';
import { connectWebhookConfiguration } from '../../manifests/connect.ts';
import { webhookConfigurations } from '../../manifests/objects.ts';
import { createLog } from '../../observe/log.ts';
import { clusterPolicySource } from '../../source/cluster.ts';
import { startWebhook, type Webhook } from '../../webhook/main.ts';
import { call } from '../cli/call.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';
import { freePort } from '../cluster/port.ts';
import { type Forwarder, startForwarder } from './policies/forwarder.ts';

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const NAMESPACE = 'checkpoint-warden';
const SECRETS = ['checkpoint-warden-authority', 'webhook-certificate', 'door-certificate'];

/** A rotation in seconds: the authority is renewed after 16 s, its certificates after 6. */
const SHORT: Terms = { authorityLife: 24_000, leafLife: 9_000, propagation: 2_000 };
const QUICK: Partial<OwnAuthorityTiming> = {
  lookEvery: 1_000,
  settle: 50,
  leastBackoff: 100,
  mostBackoff: 1_000,
};

let plane: ControlPlane;
let kubeconfig: string;
let forwarder: Forwarder;

before(async () => {
  // The Services of this cluster lead nowhere but by an external name, see `aggregation`.
  plane = await startControlPlane({ aggregation: true });
  await kubectl('apply', '-k', join(MANIFESTS, 'base'));
  await plane.apply(await readFile(join(MANIFESTS, 'overlays/self-signed/authority-rbac.yaml'), 'utf8'));
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  forwarder = await startForwarder([]);
  const service = { namespace: NAMESPACE, name: 'webhook', port: forwarder.port };
  await plane.apply(
    stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'webhook', namespace: NAMESPACE },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: forwarder.port }] },
    }),
  );
  for (const each of webhookConfigurations({
    name: 'checkpoint-warden-policies',
    clientConfig: { service },
  })) {
    // Both fail, so that no request in which the API server did not trust the webhook goes unnoticed.
    const webhooks = each.webhooks.map((webhook) => ({ ...webhook, failurePolicy: 'Fail' }));
    await plane.apply(stringify({ ...each, webhooks }));
  }
  await plane.apply(stringify(connectWebhookConfiguration({ clientConfig: { service } })));
  kubeconfig = await serviceAccount();
});
after(async () => {
  await forwarder.close();
  await plane.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A kubeconfig of the webhook's service account, with the rights of the manifests and no others. */
async function serviceAccount(): Promise<string> {
  const token = await kubectl('create', 'token', 'webhook', '-n', NAMESPACE);
  const file = join(plane.directory, 'webhook.kubeconfig');
  await writeFile(join(plane.directory, 'webhook.token'), token);
  const ca = Buffer.from(plane.ca).toString('base64');
  await writeFile(
    file,
    stringify({
      clusters: [{ name: 'c', cluster: { server: plane.url, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { tokenFile: 'webhook.token' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return file;
}

const log = createLog({ level: process.env.WARDEN_TEST_LOG === 'yes' ? 'info' : 'silent' });

async function asWebhook(t: TestContext): Promise<KubeClient> {
  const client = await createClient({ kubeconfig });
  t.after(() => client.close());
  return client;
}

function sourceOf(client: KubeClient, terms: Partial<Terms> = {}): CertificateSource {
  return ownAuthority({ client, namespace: NAMESPACE, log, terms, timing: QUICK });
}

async function startReplica(t: TestContext, terms: Partial<Terms>): Promise<Webhook> {
  const client = await asWebhook(t);
  const webhook = await startWebhook({
    listen: { host: '127.0.0.1', port: 0 },
    source: clusterPolicySource({ client }),
    certificates: sourceOf(client, terms),
    reviewer: { mayGovern: async () => true },
    log,
    timings: { drain: 0 },
  });
  t.after(() => webhook.stop());
  return webhook;
}

async function secret(name: string, key: string): Promise<string> {
  const json: unknown = JSON.parse(await kubectl('get', 'secret', name, '-n', NAMESPACE, '-o', 'json'));
  const found = json instanceof Object && 'data' in json ? json.data : null;
  const value = found instanceof Object ? Reflect.get(found, key) : undefined;
  return Buffer.from(typeof value === 'string' ? value : '', 'base64').toString('utf8');
}

/** Subjects of whom a configuration's first entry trusts. */
async function trustedBy(kind: string, name: string): Promise<string[]> {
  const path = '-o=jsonpath={.webhooks[0].clientConfig.caBundle}';
  const pem = Buffer.from(await kubectl('get', kind, name, path), 'base64').toString('utf8');
  return certificatesIn(pem).all.map(({ fingerprint256 }) => fingerprint256);
}

async function caNow(): Promise<string> {
  return new X509Certificate(await secret('checkpoint-warden-authority', 'ca.crt')).fingerprint256;
}

async function clean(): Promise<void> {
  await kubectl('delete', 'secret', ...SECRETS, '-n', NAMESPACE, '--ignore-not-found');
}

suite('with exactly the rights of the manifests', () => {
  test('five that start at once end with one authority and one certificate', async (t) => {
    await clean();
    const sources = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const source = sourceOf(await asWebhook(t));
        t.after(() => source.stop());
        await source.start();
        return source;
      }),
    );
    await eventually(async () => {
      assert.equal(new Set(sources.map((source) => source.current().certificate)).size, 1);
      assert.equal(new Set(sources.map((source) => source.current().ca)).size, 1);
      for (const source of sources) assert.equal(source.describe().problem, null);
    });
    const ca = await caNow();
    assert.deepEqual(await trustedBy('validatingwebhookconfiguration', 'checkpoint-warden-policies'), [ca]);
    assert.deepEqual(await trustedBy('validatingwebhookconfiguration', 'checkpoint-warden-connect'), [ca]);
    assert.deepEqual(await trustedBy('mutatingwebhookconfiguration', 'checkpoint-warden-policies'), [ca]);
    const type = await kubectl(
      'get',
      'secret',
      'webhook-certificate',
      '-n',
      NAMESPACE,
      '-o=jsonpath={.type}',
    );
    assert.equal(type, 'kubernetes.io/tls');
  });

  test('nothing else can be read, and nothing deleted', async (t) => {
    const client = await asWebhook(t);
    await kubectl('create', 'secret', 'generic', 'others', '-n', NAMESPACE);
    const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
    for (const path of [
      secrets,
      `${secrets}/others`,
      '/api/v1/namespaces/default/secrets/door-certificate',
    ]) {
      await assert.rejects(client.request({ path }), { status: 403 }, path);
    }
    const path = `${secrets}/webhook-certificate`;
    await assert.rejects(client.request({ method: 'DELETE', path }), { status: 403 });
    const others = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
    await assert.rejects(client.request({ path: others }), { status: 403 });
  });

  test('conflicts, clocks and watches are as the tests in memory have them', async (t) => {
    const client = await asWebhook(t);
    const secrets = secretsOf(client, NAMESPACE);
    const content = { data: { 'tls.crt': 'x', 'tls.key': 'y' }, annotations: {} };
    await assert.rejects(secrets.create('webhook-certificate', 'kubernetes.io/tls', content), {
      status: 409,
    });
    const former = await secrets.get('door-certificate');
    assert.ok(former);
    await secrets.update(former, { data: former.data, annotations: { touched: 'once' } });
    await assert.rejects(secrets.update(former, { data: former.data, annotations: {} }), { status: 409 });
    assert.ok(Math.abs((await serverTime(client, NAMESPACE)) - Date.now()) < 5_000);
    const object = TRUSTING_OBJECTS.find(({ name }) => name === 'checkpoint-warden-connect');
    assert.ok(object);
    const state = await readTrusting(client, object);
    assert.ok(state);
    const stale = { ...state, resourceVersion: '1' };
    const pointers = ['/webhooks/0/clientConfig/caBundle'];
    await assert.rejects(patchBundles(client, object, stale, pointers, plane.ca), { status: 422 });
    const [api] = TRUSTING_OBJECTS.filter(({ kind }) => kind === 'APIService');
    assert.ok(api);
    assert.equal(await readTrusting(client, api), null);
    const crd = TRUSTING_OBJECTS.find(({ kind }) => kind === 'CustomResourceDefinition');
    assert.ok(crd);
    assert.deepEqual((await readTrusting(client, crd))?.bundles, []);
    let told = 0;
    const failures: unknown[] = [];
    const end = watchChanges({
      ...{ client, path: `/api/v1/namespaces/${NAMESPACE}/secrets`, name: 'door-certificate' },
      onChange: () => {
        told += 1;
      },
      onFailure: (error) => failures.push(error),
      sleep: (ms, signal) => sleep(ms, undefined, { signal }),
      random: Math.random,
    });
    t.after(end);
    await eventually(async () => assert.equal(told, 1));
    await kubectl('annotate', 'secret', 'door-certificate', '-n', NAMESPACE, 'touched=twice', '--overwrite');
    await eventually(async () => assert.equal(told, 2));
    assert.deepEqual(failures, []);
  });
});

suite('certs status', () => {
  test('all is well, of a replica that is dialled as well; an edited caBundle is not', async (t) => {
    const replica = await startReplica(t, {});
    const args = [
      'certs',
      'status',
      '--kubeconfig',
      plane.kubeconfig,
      '--address',
      `127.0.0.1:${replica.port}`,
    ];
    const well = await eventually(async () => {
      const outcome = await call(args);
      assert.equal(outcome.code, 0, outcome.out);
      return outcome;
    });
    assert.match(well.out, /^CERTIFICATE .*\n127\.0\.0\.1:\d+ .* in 29d23h /);
    assert.match(
      well.out,
      /kept by the own authority, no rotation under way, in namespace checkpoint-warden: all is well\n$/,
    );
    await replica.stop();
    const kind = 'validatingwebhookconfiguration';
    const patch = '[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":""}]';
    await kubectl('patch', kind, 'checkpoint-warden-connect', '--type=json', '-p', patch);
    const wrong = await call(args);
    assert.equal(wrong.code, 1);
    assert.match(wrong.out, /✗ 127\.0\.0\.1:\d+ cannot be dialled: connect ECONNREFUSED/);
    assert.match(
      wrong.out,
      /✗ ValidatingWebhookConfiguration checkpoint-warden-connect .* has no caBundle: its calls fail/,
    );
    const stranger = await call(['certs', 'status', '--kubeconfig', await plane.asUser('nobody')]);
    assert.equal(stranger.code, 1);
    assert.match(
      stranger.out,
      /✗ Secret webhook-certificate cannot be read: was answered 403: .*; call as somebody/,
    );
  });
});

test('the command serves by it, beside its gateway, and stops cleanly', async () => {
  const [port, gatewayPort] = [await freePort(), await freePort()];
  const stop = new AbortController();
  const running = call(
    [
      ...['webhook', '--listen', `127.0.0.1:${port}`, '--kubeconfig', kubeconfig],
      ...[
        '--authority-namespace',
        NAMESPACE,
        '--gateway',
        `127.0.0.1:${gatewayPort}`,
        '--log-level',
        'silent',
      ],
    ],
    { stop: stop.signal },
  );
  const status = ['certs', 'status', '--kubeconfig', plane.kubeconfig, '--address'];
  for (const each of [port, gatewayPort]) {
    await eventually(async () => {
      const { code, out } = await call([...status, `127.0.0.1:${each}`]);
      assert.equal(code, 0, out);
    });
  }
  stop.abort();
  assert.deepEqual(await running, { code: 0, out: '', err: '' });
});

test('an API server that is restarted: the certificate goes on, and what is deleted then is issued', async (t) => {
  const source = sourceOf(await asWebhook(t));
  t.after(() => source.stop());
  await source.start();
  const before = source.current();
  await plane.restartApiServer();
  assert.equal(source.current(), before);
  await kubectl('delete', 'secret', 'webhook-certificate', '-n', NAMESPACE);
  await eventually(async () => {
    assert.notEqual(source.current().certificate, before.certificate);
    assert.equal(source.describe().problem, null);
  });
  assert.equal(source.current().ca, before.ca);
});

suite('Secrets that are deleted and edited by kubectl', () => {
  test('the authority goes on, and a new certificate is issued', async (t) => {
    const source = sourceOf(await asWebhook(t));
    t.after(() => source.stop());
    await source.start();
    const ca = await caNow();
    const before = source.current().certificate;
    await kubectl('delete', 'secret', 'checkpoint-warden-authority', '-n', NAMESPACE);
    await eventually(async () => assert.equal(await caNow(), ca));
    assert.equal(source.current().certificate, before);
    await kubectl('delete', 'secret', 'webhook-certificate', '-n', NAMESPACE);
    await eventually(async () => assert.notEqual(source.current().certificate, before));
    const second = source.current().certificate;
    const patch = JSON.stringify({ data: { 'tls.key': Buffer.from('rubbish').toString('base64') } });
    await kubectl('patch', 'secret', 'webhook-certificate', '-n', NAMESPACE, '-p', patch);
    await eventually(async () => assert.notEqual(source.current().certificate, second));
    assert.deepEqual(await trustedBy('validatingwebhookconfiguration', 'checkpoint-warden-policies'), [ca]);
    await eventually(async () => assert.equal(source.describe().problem, null));
  });

  test('a caBundle that was emptied by kubectl is filled again', async (t) => {
    const source = sourceOf(await asWebhook(t));
    t.after(() => source.stop());
    await source.start();
    const ca = await caNow();
    const kind = 'validatingwebhookconfiguration';
    const patch = '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]';
    await kubectl('patch', kind, 'checkpoint-warden-connect', '--type=json', '-p', patch);
    await eventually(async () => assert.deepEqual(await trustedBy(kind, 'checkpoint-warden-connect'), [ca]));
  });
});

test('the API server asks the webhook through two rotations, without a failed request', async (t) => {
  await clean();
  const replicas = [await startReplica(t, SHORT), await startReplica(t, SHORT)];
  forwarder.lead(replicas.map(({ port }) => port));
  await kubectl('create', 'namespace', 'team');
  const policy = {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { name: 'quotas' },
    spec: { namespacePolicies: [{ namespace: 'team', maxCheckpoints: 3 }] },
  };
  const admin = await createClient({ kubeconfig: plane.kubeconfig });
  t.after(() => admin.close());
  const path = '/apis/criu.org/v1/namespaces/team/checkpointrestoreoperators/quotas';
  const query = { fieldManager: 'test', force: true, dryRun: 'All' };
  const apply = () =>
    admin.request({
      ...{ method: 'PATCH', path, query, body: policy, contentType: 'application/apply-patch+yaml' },
    });
  await eventually(apply);

  const authorities = new Set<string>();
  const leaves = new Set<string>();
  const failures: string[] = [];
  let applied = 0;
  const counts = new Set<number>();
  const end = Date.now() + 75_000;
  const stream = async () => {
    while (Date.now() < end && authorities.size < 3) {
      // New connections, so that the API server verifies anew; once it has noticed that the old ones have ended.
      if (applied % 10 === 0) {
        forwarder.lead(replicas.map(({ port }) => port));
        await sleep(300);
      }
      await apply().then(
        () => {
          applied += 1;
        },
        (error: unknown) => failures.push(String(error)),
      );
      await sleep(20);
    }
  };
  const look = async () => {
    while (Date.now() < end && authorities.size < 3) {
      authorities.add(await caNow());
      leaves.add(await secret('webhook-certificate', 'tls.crt'));
      const trusted = await trustedBy('validatingwebhookconfiguration', 'checkpoint-warden-policies');
      counts.add(trusted.length);
      await sleep(500);
    }
  };
  await Promise.all([stream(), look()]);
  t.diagnostic(
    `${applied} applies, ${authorities.size} authorities, ${leaves.size} certificates, trusted at once: ${[...counts]}`,
  );
  assert.deepEqual(failures, []);
  assert.ok(authorities.size >= 3, `${authorities.size} authorities`);
  assert.ok(leaves.size >= authorities.size);
  assert.ok(applied > 300, `${applied}`);
  assert.deepEqual([...counts].sort(), [1, 2]);
});
