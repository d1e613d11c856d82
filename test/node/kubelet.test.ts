import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { kubeletClient } from '../../gc/door/kubelet.ts';
import { createAuthority } from '../cluster/authority.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { container } from '../cluster/nodes/pods.ts';
import { type KubeletUnderTest, kubeletContract } from '../gc/door/kubelet-contract.ts';
import { kubectl, tokenOf } from './door/install.ts';

const PLACE = { namespace: 'default', pod: 'cart' };

let cluster: Cluster;
let under: KubeletUnderTest;
let scratch: string;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'checkpoint-warden-kubelet-'));
  cluster = await startCluster({ nodes: 1 });
  const { kubeletUrl, checkpointDirectory } = cluster.node('node1');
  await kubectl(cluster, 'create', 'clusterrole', 'door', '--verb=create', '--resource=nodes/checkpoint');
  for (const name of ['door', 'nobody']) await kubectl(cluster, 'create', 'serviceaccount', name);
  const to = ['--clusterrole=door', '--serviceaccount=default:door'];
  await kubectl(cluster, 'create', 'clusterrolebinding', 'door', ...to);
  const put = async (name: string, text: string) => {
    await writeFile(join(scratch, name), text);
    return join(scratch, name);
  };
  const ca = await put('ca.crt', cluster.ca);
  const others = await put('others.crt', (await createAuthority('others')).certificate);
  const good = await put('good', await tokenOf(cluster, 'default', 'door'));
  const poor = await put('poor', await tokenOf(cluster, 'default', 'nobody'));
  const stranger = await put('stranger', 'stranger');
  const client = (token: string, authority = ca) =>
    kubeletClient({
      url: kubeletUrl,
      files: { ca: authority, token },
      log: { info() {}, warn() {}, error() {} },
      now: Date.now,
    });
  const spec = { restartPolicy: 'Never', containers: [container('main'), container('done', 'exit 0')] };
  await cluster.createPod({ name: PLACE.pod, node: 'node1', spec });
  for (const [index, state] of ['running.startedAt', 'terminated.reason'].entries()) {
    const name = index === 0 ? 'main' : 'done';
    const path = `{.status.containerStatuses[?(@.name=="${name}")].state.${state}}`;
    await kubectl(cluster, 'wait', `pod/${PLACE.pod}`, `--for=jsonpath=${path}`, '--timeout=60s');
  }
  under = {
    kubelet: client(good),
    forbidden: client(poor),
    unknown: client(stranger),
    distrusting: client(good, others),
    running: { ...PLACE, container: 'main' },
    finished: { ...PLACE, container: 'done' },
    directory: checkpointDirectory,
  };
});
after(async () => {
  await cluster?.stop();
  await rm(scratch, { recursive: true });
});

kubeletContract('a real kubelet', async () => under);
