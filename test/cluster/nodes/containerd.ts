import { join } from 'node:path';
import { type Server, waitUntilReady } from '../server.ts';
import { accepts } from './accepts.ts';
import { pauseImage } from './images.ts';
import type { Machine } from './machine.ts';
import type { Place } from './network.ts';

const readyMilliseconds = 60_000;

/** Where the kubelet finds it. */
export const containerdSocket = '/run/containerd/containerd.sock';

/** Its configuration and its network's, by path in the node. */
export function containerdFiles(place: Place): Record<string, string> {
  return {
    // No AppArmor, and no lower score of its own for the out-of-memory killer: a test machine may have
    // neither the one nor the right to the other.
    'etc/containerd/config.toml': `
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
disable_apparmor = true
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni']
`,
    'etc/cni/net.d/10-pods.conflist': JSON.stringify({
      cniVersion: '1.0.0',
      name: 'pods',
      plugins: [
        {
          type: 'bridge',
          bridge: 'pods',
          isDefaultGateway: true,
          // A pod reaches itself through its Service.
          hairpinMode: true,
          ipam: { type: 'host-local', ranges: [[{ subnet: place.pods }]] },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    }),
  };
}

/** Starts containerd in a node and waits until it answers. */
export async function startContainerd(machine: Machine): Promise<Server> {
  const server = await machine.start('containerd', ['containerd']);
  const socket = { path: join(machine.root, containerdSocket) };
  await waitUntilReady(server, () => accepts(socket), readyMilliseconds);
  return server;
}

/** Imports the images of an archive, by its path in the node. */
export async function importImages(machine: Machine, archive: string): Promise<void> {
  const { status, stderr } = await machine.exec(['ctr', '--namespace=k8s.io', 'images', 'import', archive]);
  if (status !== 0) throw new Error(`${machine.name} could not import ${archive}: ${stderr}`);
}
