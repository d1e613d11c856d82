import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../../cluster/nodes/cluster.ts';
import type { ClusterNode } from '../../cluster/nodes/node.ts';

/** What a kubelet has had of checkpoint requests, by its own word and by its disk. */
export interface Witnessed {
  /** Requests to `/checkpoint/…`, those that it refused too. */
  readonly requests: number;
  /** By any way but GET, and so none of those that read metrics. */
  readonly others: number;
  /** Names, sizes and times: anything that is written shows. */
  readonly archives: readonly string[];
}

const COUNTER = /^kubelet_http_requests_total\{([^}]*)\} (\S+)$/gm;

/** Looks at a kubelet, through the API server. */
export async function witness(cluster: Cluster, node: ClusterNode): Promise<Witnessed> {
  const path = `/api/v1/nodes/${node.name}/proxy/metrics`;
  const { status, stdout, stderr } = await cluster.kubectl(['get', '--raw', path]);
  if (status !== 0) throw new Error(`the kubelet of ${node.name} tells no metrics: ${stderr}`);
  const counts = { requests: 0, others: 0 };
  for (const [, labels = '', value] of stdout.matchAll(COUNTER)) {
    if (labels.includes('path="checkpoint"')) counts.requests += Number(value);
    else if (!labels.includes('method="GET"')) counts.others += Number(value);
  }
  const names = (await readdir(node.checkpointDirectory)).sort();
  const archives = names.map(async (name) => {
    const { size, mtimeMs } = await stat(join(node.checkpointDirectory, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return { ...counts, archives: await Promise.all(archives) };
}
