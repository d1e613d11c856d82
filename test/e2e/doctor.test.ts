import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, stringify } from 'yaml';
import { ownAuthority } from '../../certs/own-authority.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { governReviewer } from '../../kube/reviews.ts';
import { createLog } from '../../observe/log.ts';
import { clusterPolicySource } from '../../source/cluster.ts';
import { startWebhook, type Webhook } from '../../webhook/main.ts';
import { call } from '../cli/call.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Forwarder, startForwarder } from './policies/forwarder.ts';

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const NAMESPACE = 'checkpoint-warden';

let plane: ControlPlane;
let forwarder: Forwarder;
let client: KubeClient;
let webhook: Webhook;

interface Told {
  readonly verdict: string;
  readonly message: string;
  readonly remedy: string | null;
  readonly details: readonly string[];
}

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A call of the doctor: its exit code, and each check by its name. */
async function doctor(
  ...args: string[]
): Promise<{ code: number | null; checks: ReadonlyMap<string, Told> }> {
  const flags = args.includes('--kubeconfig') ? args : ['--kubeconfig', plane.kubeconfig, ...args];
  const { code, out, err } = await call(['doctor', ...flags, '-o', 'json']);
  assert.equal(err, '');
  const { checks }: { checks: ({ name: string } & Told)[] } = JSON.parse(out);
  return { code, checks: new Map(checks.map(({ name, ...told }) => [name, told])) };
}

async function verdicts(...args: string[]): Promise<Record<string, string>> {
  const { checks } = await doctor(...args);
  return Object.fromEntries([...checks].map(([name, { verdict }]) => [name, verdict]));
}

/** Told within some seconds: the API server puts registrations into effect with a delay. */
function told(name: string, verdict: string, message: RegExp): Promise<Told> {
  return eventually(async () => {
    const check = (await doctor()).checks.get(name);
    assert.equal(check?.verdict, verdict, JSON.stringify(check));
    assert.match(check.message, message);
    if (verdict !== 'ok') assert.ok(check.remedy);
    return check;
  }, 20_000);
}

before(async () => {
  plane = await startControlPlane({ aggregation: true });
  await kubectl('apply', '-k', join(MANIFESTS, 'base'));
  await plane.apply(await readFile(join(MANIFESTS, 'overlays/self-signed/authority-rbac.yaml'), 'utf8'));
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  forwarder = await startForwarder([]);
  await plane.apply(
    stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'webhook', namespace: NAMESPACE },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: forwarder.port }] },
    }),
  );
  for (const file of ['webhook/policy-webhooks.yaml', 'base/connect-webhook.yaml']) await register(file);
  const token = await kubectl('create', 'token', 'webhook', '-n', NAMESPACE);
  client = await createClient({ kubeconfig: await kubeconfigOf(token.trim()) });
  const log = createLog({ level: 'silent' });
  webhook = await startWebhook({
    listen: { host: '127.0.0.1', port: 0 },
    source: clusterPolicySource({ client }),
    certificates: ownAuthority({
      client,
      namespace: NAMESPACE,
      log,
      timing: { lookEvery: 1_000, settle: 50 },
    }),
    reviewer: governReviewer(client),
    log,
    timings: { drain: 0 },
  });
  forwarder.lead([webhook.port]);
  for (const node of ['alpha', 'beta']) await addNode(node, 'containerd://2.1.9');
});
after(async () => {
  await webhook?.stop();
  client?.close();
  await forwarder?.close();
  await plane?.stop();
});

async function register(file: string): Promise<void> {
  const port = `port: ${forwarder.port}`;
  await plane.apply((await readFile(join(MANIFESTS, file), 'utf8')).replaceAll('port: 443', port));
}

async function kubeconfigOf(token: string): Promise<string> {
  const file = join(plane.directory, 'webhook.kubeconfig');
  const ca = Buffer.from(plane.ca).toString('base64');
  await writeFile(
    file,
    stringify({
      clusters: [{ name: 'c', cluster: { server: plane.url, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return file;
}

/** A node with the status that a kubelet and a collector would write. */
async function addNode(name: string, runtime: string): Promise<void> {
  await plane.apply(stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } }));
  const nodeInfo = {
    ...{ containerRuntimeVersion: runtime, kubeletVersion: 'v1.36.3', architecture: '', bootID: '' },
    ...{
      kernelVersion: '',
      kubeProxyVersion: '',
      machineID: '',
      operatingSystem: '',
      osImage: '',
      systemUUID: '',
    },
  };
  const condition = { type: 'Ready', status: 'True', reason: 'x', message: 'x' };
  await patchStatus('node', name, { nodeInfo, conditions: [condition] });
  await plane.apply(stringify({ apiVersion: 'criu.org/v1', kind: 'CheckpointNode', metadata: { name } }));
  await tellNode(name, {});
}

async function tellNode(name: string, status: object): Promise<void> {
  const disk = { totalBytes: 1_000_000, freeBytes: 600_000, used: '40%' };
  await patchStatus('checkpointnode', name, {
    ...{ archives: 1, bytes: 1, disk, complaints: [], lastScanTime: new Date().toISOString() },
    ...status,
  });
}

async function patchStatus(kind: string, name: string, status: object): Promise<void> {
  await kubectl(
    'patch',
    kind,
    name,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status }),
  );
}

const SOUND = {
  'api-server': 'ok',
  resources: 'ok',
  'aggregated-api': 'ok',
  rbac: 'ok',
  'who-checkpoints': 'ok',
  'who-proxies': 'ok',
  connect: 'ok',
  webhook: 'ok',
  certificate: 'ok',
  runtime: 'ok',
  // No kubelet runs here.
  kubelet: 'unknown',
  collector: 'ok',
  disk: 'ok',
};

suite('the doctor', { concurrency: false }, () => {
  test('finds a sound installation sound, and changes nothing', async () => {
    await eventually(async () => assert.deepEqual(await verdicts(), SOUND), 30_000);
    const { code, checks } = await doctor();
    assert.equal(code, 0);
    assert.match(checks.get('webhook')?.message ?? '', /an unsound policy is refused/);
    assert.equal((await kubectl('get', 'cro', '-A', '-o', 'name')).trim(), '');
  });

  test('as somebody without rights says of each what it takes', async () => {
    const { code, checks } = await doctor('--kubeconfig', await plane.asUser('jane'));
    assert.equal(code, 0);
    for (const [name, { verdict, message, remedy }] of checks) {
      if (['api-server', 'resources', 'aggregated-api'].includes(name)) assert.equal(verdict, 'ok', name);
      else {
        assert.equal(verdict, 'unknown', `${name}: ${message}`);
        assert.match(message, /cannot be told without the right to /, name);
        assert.match(remedy ?? '', /as (?:somebody|such)/, name);
      }
    }
  });

  test('acts as whom --as names', async () => {
    const { checks } = await doctor('--as', 'jane', '--as-group', 'system:authenticated');
    assert.equal(checks.get('rbac')?.verdict, 'unknown');
  });

  test('names who else may checkpoint, and by which binding', async () => {
    const role = ['clusterrole', 'sneaky'] as const;
    await kubectl('create', ...role, '--verb=create', '--resource=nodes/checkpoint');
    await kubectl(
      'create',
      'clusterrolebinding',
      'sneaky',
      '--clusterrole=sneaky',
      '--serviceaccount=shop:bot',
    );
    const check = await told('who-checkpoints', 'fail', /^service account shop\/bot may call the kubelet's/);
    assert.match(
      check.remedy ?? '',
      /kubectl edit clusterrole sneaky, kubectl describe clusterrolebinding sneaky/,
    );
    await kubectl('delete', 'clusterrolebinding', 'sneaky');
    await told('who-checkpoints', 'ok', /nobody but the collector/);
    await kubectl('create', 'clusterrolebinding', 'boss', '--clusterrole=cluster-admin', '--user=boss');
    await told('who-checkpoints', 'warn', /only cluster administrators .*: user boss;/);
    await kubectl('delete', 'clusterrolebinding', 'boss');
  });

  test('warns of nodes/proxy, and tells of more where admission does not guard it', async () => {
    await kubectl('create', 'clusterrole', 'metrics', '--verb=get,create', '--resource=nodes/proxy');
    await kubectl('create', 'clusterrolebinding', 'metrics', '--clusterrole=metrics', '--group=scrapers');
    await told('who-proxies', 'warn', /^group scrapers may use nodes\/proxy: admission denies/);
    const guards = ['validatingadmissionpolicybinding', 'validatingwebhookconfiguration'];
    for (const kind of guards) await kubectl('delete', kind, 'checkpoint-warden-connect');
    await told('connect', 'fail', /is not denied \(tried\)/);
    await told('who-proxies', 'fail', /^group scrapers may checkpoint through the API server/);
    await plane.apply(await readFile(join(MANIFESTS, 'base/connect-policy.yaml'), 'utf8'));
    await register('base/connect-webhook.yaml');
    await kubectl('delete', 'clusterrolebinding', 'metrics');
    await told('connect', 'ok', /denied \(tried\)/);
    await told('who-proxies', 'ok', /cluster administrators only/);
  });

  test('without the right to try, goes by what is registered', async () => {
    const resources =
      'validatingadmissionpolicies,validatingadmissionpolicybindings,validatingwebhookconfigurations';
    await kubectl('create', 'clusterrole', 'looker', '--verb=get', `--resource=${resources}`);
    await kubectl('create', 'clusterrolebinding', 'looker', '--clusterrole=looker', '--user=looker');
    const kubeconfig = await plane.asUser('looker');
    await eventually(async () => {
      const connect = (await doctor('--kubeconfig', kubeconfig)).checks.get('connect');
      assert.match(
        connect?.message ?? '',
        /^ValidatingAdmissionPolicy checkpoint-warden-connect and its binding/,
      );
    });
  });

  test('a webhook that is away is told, with the way to its logs', async () => {
    forwarder.lead([]);
    const check = await told(
      'webhook',
      'fail',
      /^cannot be reached by the API server, so no policy can be written: /,
    );
    assert.match(check.remedy ?? '', /kubectl -n checkpoint-warden logs deployment\/webhook/);
    forwarder.lead([webhook.port]);
    await told('webhook', 'ok', /refused/);
  });

  test('a webhook that is not registered is told', async () => {
    const name = 'checkpoint-warden-policies';
    await kubectl('delete', 'validatingwebhookconfiguration', name);
    await told('webhook', 'fail', /^ValidatingWebhookConfiguration checkpoint-warden-policies is missing/);
    await kubectl('delete', 'mutatingwebhookconfiguration', name);
    await told('webhook', 'fail', /would be let in/);
    await register('webhook/policy-webhooks.yaml');
    await told('webhook', 'ok', /refused/);
    await told('certificate', 'ok', /./);
  });

  test('rights that are taken from the collector are told', async () => {
    await kubectl('delete', 'clusterrolebinding', 'checkpoint-warden-collector');
    const check = await told('rbac', 'fail', /^collector in namespace checkpoint-warden may not /);
    assert.ok(check.details.includes('collector: create nodes/checkpoint'));
    await plane.apply(await collectorBinding());
    await told('rbac', 'ok', /hold the rights/);
  });

  test('an aggregated API that does not answer is told, with what it does to the cluster', async () => {
    await plane.apply(
      stringify({
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v1alpha1.checkpoint.criu.org' },
        spec: {
          ...{
            group: 'checkpoint.criu.org',
            version: 'v1alpha1',
            groupPriorityMinimum: 1000,
            versionPriority: 15,
          },
          ...{ service: { namespace: NAMESPACE, name: 'nowhere' }, insecureSkipTLSVerify: true },
        },
      }),
    );
    await told('aggregated-api', 'fail', /no namespace of the cluster can be deleted/);
    await kubectl('delete', 'apiservice', 'v1alpha1.checkpoint.criu.org');
    await told('aggregated-api', 'ok', /is not installed/);
  });

  test('nodes: a runtime that cannot, a collector that is missing or silent, a disk that is full', async () => {
    await addNode('gamma', 'containerd://1.7.27');
    await told('runtime', 'fail', /^cannot checkpoint on gamma \(containerd 1\.7\.27\)$/);
    await kubectl('delete', 'checkpointnode', 'gamma');
    await told('collector', 'warn', /^no collector is at work on gamma/);
    await kubectl('delete', 'node', 'gamma');
    await told('collector', 'ok', /on 2 of 2 nodes/);
    await tellNode('beta', { lastScanTime: new Date(Date.now() - 3_600_000).toISOString() });
    await told('collector', 'fail', /^nobody has looked at the archives of beta \(1h.* ago\)/);
    await tellNode('beta', { complaints: ['2 archives are tainted'] });
    await told('collector', 'warn', /beta: 2 archives are tainted/);
    await tellNode('beta', { disk: { totalBytes: 1_000_000, freeBytes: 50_000, used: '95%' } });
    await told('disk', 'fail', /less than 10% is free on beta \(5% free\)/);
    await tellNode('beta', {});
    assert.deepEqual(await verdicts(), SOUND);
  });

  test("the public operator's definition is told from ours", async () => {
    const name = 'checkpointrestoreoperators.criu.org';
    const path = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionBudget';
    const patch = JSON.stringify([{ op: 'remove', path }]);
    await kubectl('patch', 'crd', name, '--type=json', '-p', patch);
    await told('resources', 'fail', /lacks spec\.deletionBudget/);
    await kubectl('apply', '-f', join(MANIFESTS, 'base/crd.yaml'));
    await told('resources', 'ok', /all its fields/);
  });

  test('nothing installed: what to install', async () => {
    const { code, checks } = await doctor('-n', 'elsewhere');
    assert.equal(code, 1);
    assert.match(checks.get('webhook')?.message ?? '', /no namespace elsewhere/);
    assert.match(checks.get('rbac')?.message ?? '', /collector and webhook in namespace elsewhere may not/);
  });
});

/** The binding alone: what the other documents of its file say has not changed. */
async function collectorBinding(): Promise<string> {
  const source = await readFile(join(MANIFESTS, 'base/collector-rbac.yaml'), 'utf8');
  const bindings = parseAllDocuments(source).filter((each) => each.get('kind') === 'ClusterRoleBinding');
  return bindings.map(String).join('---\n');
}
