import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeKubeconfig } from '../kubeconfig.ts';
import type { Server } from '../server.ts';
import type { KubeletCluster } from './kubelet.ts';
import type { Machine } from './machine.ts';

const configuration = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'iptables',
  clientConnection: { kubeconfig: '/etc/kubernetes/kube-proxy.kubeconfig' },
  // Those limits are this machine's, not the node's.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  detectLocalMode: 'BridgeInterface',
  detectLocal: { bridgeInterface: 'pods' },
};

/** Starts what leads the addresses of Services to pods in one node. */
export async function startKubeProxy(
  machine: Machine,
  { url, ca, authority }: KubeletCluster,
): Promise<Server> {
  const user = 'system:kube-proxy';
  const target = join(machine.directory, 'kubernetes');
  const credentials = authority.issue({ name: user });
  await writeKubeconfig(join(target, 'kube-proxy.kubeconfig'), { url, ca, user, credentials });
  await writeFile(join(target, 'kube-proxy.json'), JSON.stringify(configuration));
  return machine.start('kube-proxy', [
    '/opt/kubernetes/kube-proxy',
    '--config=/etc/kubernetes/kube-proxy.json',
    `--hostname-override=${machine.name}`,
  ]);
}
