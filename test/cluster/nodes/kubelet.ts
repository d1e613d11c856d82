import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../authority.ts';
import { writeKubeconfig } from '../kubeconfig.ts';
import { type Server, waitUntilReady } from '../server.ts';
import { accepts } from './accepts.ts';
import { containerdSocket } from './containerd.ts';
import type { Machine } from './machine.ts';
import type { Place } from './network.ts';

/** Where a kubelet serves its API, the checkpoints too. */
export const kubeletPort = 10250;

const serveMilliseconds = 60_000;

/** Where the node sees what is in `Machine.directory`/kubernetes here. */
const folder = '/etc/kubernetes';

/** The cluster that a kubelet belongs to. */
export interface KubeletCluster {
  readonly url: string;
  readonly ca: string;
  readonly authority: Authority;
}

/** Writes what the kubelet reads: its own certificates, the authority it trusts, its configuration. */
export async function writeKubeletFiles(
  machine: Machine,
  place: Place,
  { url, ca, authority }: KubeletCluster,
): Promise<void> {
  const user = `system:node:${place.name}`;
  const target = join(machine.directory, 'kubernetes');
  const credentials = authority.issue({ name: user, groups: ['system:nodes'] });
  const serving = authority.issue({ name: user, hosts: [place.name, place.address, '127.0.0.1'] });
  await mkdir(join(target, 'manifests'), { recursive: true });
  await writeFile(join(target, 'ca.crt'), ca);
  await writeFile(join(target, 'kubelet.crt'), serving.certificate);
  await writeFile(join(target, 'kubelet.key'), serving.key, { mode: 0o600 });
  await writeKubeconfig(join(target, 'kubelet.kubeconfig'), { url, ca, user, credentials });
  await writeFile(join(target, 'kubelet.json'), JSON.stringify(configuration(machine.cgroups.path)));
}

/** Starts the kubelet and waits until it serves its API. The API server says when the node is ready. */
export async function startKubelet(machine: Machine, place: Place): Promise<Server> {
  const server = await machine.start('kubelet', [
    '/opt/kubernetes/kubelet',
    `--config=${folder}/kubelet.json`,
    `--kubeconfig=${folder}/kubelet.kubeconfig`,
    `--hostname-override=${place.name}`,
    `--node-ip=${place.address}`,
  ]);
  const socket = { host: place.address, port: kubeletPort };
  await waitUntilReady(server, () => accepts(socket), serveMilliseconds);
  return server;
}

function configuration(cgroupRoot: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    port: kubeletPort,
    tlsCertFile: `${folder}/kubelet.crt`,
    tlsPrivateKeyFile: `${folder}/kubelet.key`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${folder}/ca.crt` },
    },
    // A test that grants a right need not wait for half a minute until the last refusal is forgotten.
    authorization: { mode: 'Webhook', webhook: { cacheUnauthorizedTTL: '1s' } },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    staticPodPath: `${folder}/manifests`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    maxPods: 60,
    // Pods need no names from outside.
    resolvConf: '',
    // The disk is this machine's; how full it is must not decide what runs here, nor cost an image that
    // can be pulled from nowhere.
    evictionHard: Object.fromEntries(
      [
        'memory.available',
        'nodefs.available',
        'nodefs.inodesFree',
        'imagefs.available',
        'imagefs.inodesFree',
      ].map((signal) => [signal, '0%']),
    ),
    imageGCHighThresholdPercent: 100,
    shutdownGracePeriod: '0s',
  };
}
