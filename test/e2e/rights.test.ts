import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { tokenReviewer } from '../../kube/authentication.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/events.ts';
import { podNodeLookup } from '../../kube/pod-nodes.ts';
import { podLookup } from '../../kube/pods.ts';
import { checkpointReviewer, governReviewer } from '../../kube/reviews.ts';
import { webhookConfigurations } from '../../manifests/objects.ts';
import { clusterPolicySource } from '../../source/cluster.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';

const BASE = fileURLToPath(new URL('../../manifests/base', import.meta.url));

let plane: ControlPlane;

before(async () => {
  plane = await startControlPlane();
  await kubectl('apply', '-k', BASE);
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  await kubectl('create', 'namespace', 'team');
});
after(() => plane.stop());

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A client that is a service account of the manifests, by its token. */
async function serviceAccount(t: TestContext, name: string): Promise<KubeClient> {
  const token = await kubectl('create', 'token', name, '-n', 'checkpoint-warden');
  const file = join(plane.directory, `${name}.kubeconfig`);
  const ca = Buffer.from(plane.ca).toString('base64');
  await writeFile(join(plane.directory, `${name}.token`), token);
  const config = {
    clusters: [{ name: 'c', cluster: { server: plane.url, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { tokenFile: `${name}.token` } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(file, stringify(config));
  const client = await createClient({ kubeconfig: file });
  t.after(() => client.close());
  return client;
}

suite('the base is applied, and with its rights', () => {
  test('the collector reads policies, looks single pods up, asks for callers, and no more', async (t) => {
    const client = await serviceAccount(t, 'collector');
    const source = clusterPolicySource({ client });
    t.after(() => source.stop());
    await source.start();
    assert.deepEqual(source.resources(), []);
    assert.equal(await podLookup(client).get('team', 'nobody'), null);
    await assert.rejects(client.request({ path: '/api/v1/secrets' }), { status: 403 });
    const callers = tokenReviewer(client, { audiences: [] });
    assert.equal(await callers.whose('garbage'), null);
    const token = (await kubectl('create', 'token', 'webhook', '-n', 'checkpoint-warden')).trim();
    const known = await callers.whose(token);
    assert.equal(known?.username, 'system:serviceaccount:checkpoint-warden:webhook');
    const elsewhere = tokenReviewer(client, { audiences: ['elsewhere'] });
    assert.equal(await elsewhere.whose(token), null);
    const stranger = { username: 'stranger' };
    assert.equal(await checkpointReviewer(client).mayCheckpoint(stranger, 'team', 'nobody'), false);
    await assert.rejects(client.request({ path: '/api/v1/nodes' }), { status: 403 });
  });

  test('the webhook reads policies, finds pods, asks for callers and rights, and no more', async (t) => {
    const client = await serviceAccount(t, 'webhook');
    const source = clusterPolicySource({ client });
    t.after(() => source.stop());
    await source.start();
    assert.equal(await governReviewer(client).mayGovern({ username: 'nobody' }), false);
    assert.equal(await podLookup(client).get('team', 'nobody'), null);
    assert.deepEqual(await podNodeLookup(client).find('team', 'nobody'), { kind: 'noPod' });
    await client.request({ path: '/api/v1/nodes' });
    assert.equal(await tokenReviewer(client, { audiences: [] }).whose('garbage'), null);
    const stranger = { username: 'stranger' };
    assert.equal(await checkpointReviewer(client).mayCheckpoint(stranger, 'team', 'nobody'), false);
    await assert.rejects(client.request({ path: '/api/v1/secrets' }), { status: 403 });
  });

  test('who has no right is told at once, by a sentence', async (t) => {
    const client = await createClient({ kubeconfig: await plane.asUser('stranger') });
    t.after(() => client.close());
    await assert.rejects(clusterPolicySource({ client }).start(), {
      message:
        /^the policies cannot be read from the API server: GET .* was answered 403: .*"stranger" cannot list/,
    });
  });

  test('to govern takes a cluster-wide binding; one in a namespace gives it nowhere', async (t) => {
    const client = await createClient({ kubeconfig: plane.kubeconfig });
    t.after(() => client.close());
    let now = 0;
    const reviewer = governReviewer(client, { now: () => now });
    const may = (username: string, groups: readonly string[] = []) => {
      now += 10_000;
      return reviewer.mayGovern({ username, groups });
    };
    assert.equal(await may('root', ['system:masters']), true);
    const role = ['--clusterrole=checkpoint-warden-govern'];
    await kubectl('create', 'clusterrolebinding', 'ann-governs', ...role, '--user=ann');
    await kubectl('create', 'rolebinding', 'bob-governs', '-n', 'team', ...role, '--user=bob');
    await t.waitFor(async () => assert.equal(await may('ann'), true), { interval: 20, timeout: 5_000 });
    assert.equal(await may('bob'), false);
  });
});

test('both tell events, and a repetition as a series; what is told of one is read by others', async (t) => {
  for (const name of ['collector', 'webhook']) {
    const client = await serviceAccount(t, name);
    const outcomes: string[] = [];
    const begun = Date.now();
    const recorder = new EventRecorder({
      ...{ client, controller: `checkpoint-warden/${name}`, instance: 'here', random: Math.random },
      // A hundred times as fast.
      now: () => begun + (Date.now() - begun) * 100,
      after: (ms, act) => {
        const timer = setTimeout(act, ms / 100);
        return () => clearTimeout(timer);
      },
      onOutcome: (outcome) => outcomes.push(outcome),
      log: { info() {}, warn() {}, error() {} },
    });
    t.after(() => recorder.stop());
    const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'team', name: `cart-of-${name}` };
    const news = { about, type: 'Warning', reason: 'CheckpointRefused', action: 'Checkpoint' } as const;
    recorder.tell({ ...news, note: 'ü'.repeat(2_000), key: 'a' });
    await t.waitFor(() => assert.equal(outcomes.length, 1), { interval: 10, timeout: 5_000 });
    recorder.tell({ ...news, note: 'other figures', key: 'a' });
    await t.waitFor(() => assert.deepEqual(outcomes, ['written', 'written']), {
      interval: 10,
      timeout: 5_000,
    });
    const nobody = { ...about, namespace: 'nowhere' };
    recorder.tell({ ...news, about: nobody, note: 'x' });
    await t.waitFor(() => assert.equal(outcomes[2], 'dropped'), { interval: 10, timeout: 5_000 });
    const found = await kubectl('events', '-n', 'team', '--for', `pod/cart-of-${name}`);
    assert.match(found, /\(x2 over .*Warning +CheckpointRefused +Pod\/cart-of-\w+ +ü{500}/);
  }
});

test('the API server takes the webhook configurations, by URL and by Service', async () => {
  const caBundle = plane.ca;
  const service = { namespace: 'checkpoint-warden', name: 'webhook' };
  for (const clientConfig of [
    { url: 'https://localhost:9443', caBundle },
    { service, caBundle },
    { service },
  ]) {
    const items = webhookConfigurations({ clientConfig });
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const args = ['apply', '--dry-run=server', '-f', '-'];
    const { stdout, stderr } = await plane.kubectl(args, { input });
    assert.equal(stderr, '');
    assert.equal(
      stdout.match(/configuration.admissionregistration.k8s.io\/checkpoint-warden created/g)?.length,
      2,
    );
  }
});
