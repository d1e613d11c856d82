import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { Credentials } from '../authority.ts';
import { eventually } from '../eventually.ts';
import { copyKubeconfigToPort } from '../kubeconfig.ts';
import { startPassThrough } from '../pass-through.ts';
import { hierarchies, sweepCgroups } from './cgroups.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { findLeftovers, type Traces, tracesOf } from './leftovers.ts';
import { container, type RunningPod } from './pods.ts';
import { type Answer, request } from './request.ts';

let cluster: Cluster;
/** May create nodes/checkpoint and do nothing else. */
let checkpointer: Credentials;

before(async () => {
  cluster = await startCluster({ services: true });
  checkpointer = cluster.authority.issue({ name: 'checkpointer' });
  await kubectl('create', 'clusterrole', 'checkpointer', '--verb=create', '--resource=nodes/checkpoint');
  await kubectl(
    'create',
    'clusterrolebinding',
    'checkpointer',
    '--clusterrole=checkpointer',
    '--user=checkpointer',
  );
});

after(() => cluster.stop());

test('pods of both nodes reach each other and are reached from here', async () => {
  const script = 'echo $HOSTNAME >/tmp/index.html; exec httpd -f -h /tmp';
  const pods = await Promise.all(
    cluster.nodes.map((node) => cluster.runPod({ name: `web-${node.name}`, node: node.name, script })),
  );
  assert.deepEqual(
    pods.map((pod) => pod.node),
    ['node1', 'node2'],
  );
  for (const pod of pods) {
    assert.equal(await (await fetch(`http://${pod.address}/`)).text(), `${pod.name}\n`);
    for (const other of pods) {
      const get = ['exec', other.name, '--', 'wget', '-q', '-O', '-', `http://${pod.address}/`];
      assert.equal(await kubectl(...get), `${pod.name}\n`);
    }
  }
});

test('the scheduler finds a node; the container counts and its log can be read', async () => {
  const pod = await cluster.runPod({ name: 'anywhere' });
  assert.match(pod.node, /^node[12]$/);
  await eventually(async () => assert.match(await kubectl('logs', 'anywhere'), /^1\n2\n/));
});

test('a Service leads to its pod from both nodes, and so does that of the API server', async () => {
  const script = 'echo found >/tmp/index.html; exec httpd -f -h /tmp';
  const service = { selector: { app: 'found' }, ports: [{ port: 80 }] };
  const metadata = { name: 'found' };
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata, spec: service }));
  const pods = await Promise.all([
    cluster.runPod({ name: 'found', node: 'node1', script, labels: { app: 'found' } }),
    cluster.runPod({ name: 'on-host', node: 'node2', script: 'sleep 1000', spec: { hostNetwork: true } }),
  ]);
  const address = await kubectl('get', 'service', 'found', '-o', 'jsonpath={.spec.clusterIP}');
  for (const pod of pods) {
    await eventually(async () => {
      const get = ['wget', '-q', '-T', '2', '-O', '-'];
      assert.equal(await kubectl('exec', pod.name, '--', ...get, `http://${address}/`), 'found\n');
      const version = 'https://$KUBERNETES_SERVICE_HOST/version';
      const command = `${get.join(' ')} --no-check-certificate ${version}`;
      assert.match(await kubectl('exec', pod.name, '--', 'sh', '-c', command), /"gitVersion": "v1\./);
    });
  }
});

test('a pass-through stands before the API server', async (t) => {
  const passThrough = await startPassThrough(cluster.port, cluster.address);
  t.after(passThrough.close);
  const kubeconfig = join(cluster.directory, 'pass-through.kubeconfig');
  await copyKubeconfigToPort(cluster.kubeconfig, passThrough.port, kubeconfig);
  assert.equal((await cluster.kubectl(['get', 'nodes'], { kubeconfig })).status, 0);
  passThrough.cut();
  assert.match((await cluster.kubectl(['get', 'nodes'], { kubeconfig })).stderr, /refused/);
});

test('a kubelet checkpoints for who may create nodes/checkpoint, and for nobody else', async () => {
  const pod = await cluster.runPod({ name: 'direct', node: 'node1' });
  const allowed = await eventually(async () => {
    const answer = await checkpoint(pod, checkpointer);
    assert.equal(answer.status, 200, answer.body);
    return answer;
  });
  const archive = archiveIn(allowed);
  assert.match(archive, /^checkpoint-direct_default-main-.*\.tar$/);
  const { checkpointDirectory } = cluster.node('node1');
  const { size, mode } = await stat(join(checkpointDirectory, archive));
  assert.equal(mode & 0o777, 0o600);
  assert.ok(size > 100_000, `${size} bytes`);
  assert.deepEqual(await readdir(cluster.node('node2').checkpointDirectory), []);

  const stranger = cluster.authority.issue({ name: 'stranger' });
  const refused = await checkpoint(pod, stranger);
  assert.equal(refused.status, 403);
  assert.match(refused.body, /user=stranger, verb=create, resource=nodes, subresource\(s\)=\[checkpoint\]/);
  assert.equal((await checkpoint(pod)).status, 401);
});

test('a checkpoint goes through the API server, too', async () => {
  const pod = await cluster.runPod({ name: 'proxied', node: 'node2' });
  const credentials = cluster.authority.issue({ name: 'root', groups: ['system:masters'] });
  const url = `${cluster.url}/api/v1/nodes/node2/proxy/checkpoint/default/${pod.name}/main`;
  const answer = await request(url, { method: 'POST', ca: cluster.ca, credentials });
  assert.equal(answer.status, 200, answer.body);
  await stat(join(cluster.node('node2').checkpointDirectory, archiveIn(answer)));
});

test('TokenReview knows the token of a service account, and so does the kubelet', async () => {
  await kubectl('create', 'serviceaccount', 'robot');
  const token = (await kubectl('create', 'token', 'robot')).trim();
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const { stdout } = await cluster.kubectl(['create', '-f', '-', '-o', 'jsonpath={.status}'], {
    input: JSON.stringify(review),
  });
  assert.match(stdout, /"authenticated":true.*"username":"system:serviceaccount:default:robot"/);

  const pod = await cluster.runPod({ name: 'by-token', node: 'node1' });
  assert.match((await checkpoint(pod, token)).body, /user=system:serviceaccount:default:robot, verb=create/);
  await kubectl(
    'create',
    'clusterrolebinding',
    'robot',
    '--clusterrole=checkpointer',
    '--serviceaccount=default:robot',
  );
  await eventually(async () => assert.equal((await checkpoint(pod, token)).status, 200));
});

const kinds: readonly { kind: string; container: string; start: () => Promise<RunningPod> }[] = [
  {
    kind: 'a running init container',
    container: 'prepare',
    async start() {
      const spec = { initContainers: [container('prepare')], containers: [container('main')] };
      await cluster.createPod({ name: 'slow-start', node: 'node1', spec });
      await kubectl(
        'wait',
        'pod/slow-start',
        '--for=jsonpath={.status.initContainerStatuses[0].started}=true',
      );
      return cluster.pod({ name: 'slow-start' });
    },
  },
  {
    kind: 'a sidecar',
    container: 'helper',
    start() {
      const sidecar = { ...container('helper'), restartPolicy: 'Always' };
      return cluster.runPod({ name: 'with-sidecar', node: 'node1', spec: { initContainers: [sidecar] } });
    },
  },
  {
    kind: 'an ephemeral container',
    container: 'look',
    async start() {
      const pod = await cluster.runPod({ name: 'looked-at', node: 'node2' });
      const patch = JSON.stringify({ spec: { ephemeralContainers: [container('look')] } });
      await kubectl('patch', 'pod', pod.name, '--subresource=ephemeralcontainers', '--patch', patch);
      const started = '--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}';
      await kubectl('wait', `pod/${pod.name}`, started);
      return pod;
    },
  },
  {
    kind: 'a static pod, by the name of its mirror',
    container: 'main',
    async start() {
      const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'edge', namespace: 'default' } };
      const spec = { containers: [container('main')] };
      const file = join(cluster.node('node2').staticPodDirectory, 'edge.json');
      await writeFile(file, JSON.stringify({ ...manifest, spec }));
      return cluster.waitForPod({ name: 'edge-node2' });
    },
  },
];

for (const { kind, container, start } of kinds) {
  test(`checkpoints ${kind}`, async () => {
    const pod = await start();
    const answer = await checkpoint(pod, checkpointer, container);
    assert.equal(answer.status, 200, answer.body);
    await stat(join(cluster.node(pod.node).checkpointDirectory, archiveIn(answer)));
  });
}

test('kubelet and containerd can be taken away and come back; the pods run on', async () => {
  const pod = await cluster.runPod({ name: 'steady', node: 'node1' });
  const { kubelet, containerd } = cluster.node('node1');
  await kubelet.kill();
  await assert.rejects(checkpoint(pod, checkpointer), /ECONNREFUSED/);
  await containerd.restart();
  await kubelet.restart();
  // A kubelet that has just started knows its pods only after a while.
  await eventually(async () => assert.equal((await checkpoint(pod, checkpointer)).status, 200), 60_000);
  assert.equal(await kubectl('get', 'pod', pod.name, '-o', 'jsonpath={..restartCount}'), '0');
});

test('several run side by side; stop leaves nothing, even of a frozen container', async () => {
  const other = await startCluster({ nodes: 1 });
  const traces = tracesOf(other);
  const pod = await other.runPod({ name: 'frozen' });
  await freeze(other, pod);
  assert.notDeepEqual(await findLeftovers(traces), []);
  await Promise.all([other.stop(), other.stop()]);
  assert.deepEqual(await findLeftovers(traces), []);
  assert.equal((await cluster.kubectl(['get', 'nodes'])).status, 0);
});

test('a test that is killed leaves only control groups, and the next start removes them', async (t) => {
  const program = join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [program, '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const traces = await announcedTraces(child.stdout);
  child.kill('SIGKILL');
  await eventually(async () => {
    const rest = (await findLeftovers(traces)).filter((line) => !line.startsWith('/sys/fs/cgroup/'));
    assert.deepEqual(rest, []);
  });
  await sweepCgroups();
  assert.deepEqual(await findLeftovers(traces), []);
});

/** Freezes the pod's processes as CRIU does (version 1), so that SIGKILL does not end them. */
async function freeze({ nodesDirectory }: Cluster, { uid }: RunningPod): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const pods = join(hierarchy, basename(nodesDirectory), 'node1', 'kubepods', 'besteffort', `pod${uid}`);
    const switches = { 'freezer.state': 'FROZEN', 'cgroup.freeze': '1' };
    for (const [file, frozen] of Object.entries(switches)) {
      if (existsSync(join(pods, file))) await writeFile(join(pods, file), frozen);
    }
  }
}

/** What `main.ts` says of its cluster. */
async function announcedTraces(output: Readable): Promise<Traces> {
  let said = '';
  for await (const chunk of output) {
    said += chunk;
    const address = /This machine is (\S+)/.exec(said)?.[1];
    const [, plane, nodes] = /Logs: (\S+) \(control plane\), (\S+) \(nodes\)/.exec(said) ?? [];
    if (address && plane && nodes) return { directories: [basename(plane), basename(nodes)], address };
  }
  throw new Error(`main.ts ended without a cluster: ${said}`);
}

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await cluster.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

function checkpoint(pod: RunningPod, as?: Credentials | string, name = 'main'): Promise<Answer> {
  const url = `${cluster.node(pod.node).kubeletUrl}/checkpoint/${pod.namespace}/${pod.name}/${name}`;
  const credentials = typeof as === 'string' ? { token: as } : as && { credentials: as };
  return request(url, { method: 'POST', ca: cluster.ca, ...credentials });
}

function archiveIn({ body }: Answer): string {
  const path = /^\{"items":\["([^"]+)"\]\}$/.exec(body)?.[1];
  assert.ok(path !== undefined, body);
  return basename(path);
}
