import { eventually } from '../../cluster/eventually.ts';
import type { Cluster } from '../../cluster/nodes/cluster.ts';
import { kubectl } from './install.ts';

/** Holds so much memory that its checkpoint takes a second or more: time to do something meanwhile. */
export const LARGE = [
  's=x',
  'i=0',
  // Each round doubles it: 128 MiB.
  'while [ $i -lt 27 ]; do s=$s$s; i=$((i + 1)); done',
  'touch /filled',
  'while :; do sleep 1; done',
].join('; ');

/** Waits until the memory of such a container is there. */
export async function filled(cluster: Cluster, namespace: string, pod: string): Promise<void> {
  await eventually(() => kubectl(cluster, 'exec', '-n', namespace, pod, '--', 'ls', '/filled'), 30_000);
}
