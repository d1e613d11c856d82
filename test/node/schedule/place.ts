import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { fieldsOf, type JsonObject } from '../../../policy/json.ts';
import type { Cluster } from '../../cluster/nodes/cluster.ts';
import type { ClusterNode } from '../../cluster/nodes/node.ts';
import { type AuditLine, type NodeCollector, startCollector } from '../door/collector.ts';
import { type Installed, kubectl, tokenOf } from '../door/install.ts';

/** Starts a node's collector with a token that says which node it is of, as that of a pod there does. */
export async function startOn(installed: Installed, node: ClusterNode): Promise<NodeCollector> {
  const { cluster } = installed;
  const bound = ['--bound-object-kind=Node', `--bound-object-name=${node.name}`];
  const token = await tokenOf(cluster, 'checkpoint-warden', 'collector', ...bound);
  const own = (name: string) => join(installed.directory, `${node.name}-${name}`);
  const config = {
    clusters: [{ name: 'c', cluster: { server: cluster.url, 'certificate-authority': installed.ca } }],
    users: [{ name: 'u', user: { tokenFile: own('token') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(own('token'), token);
  await writeFile(own('kubeconfig'), stringify(config));
  const files = { token: own('token'), kubeletToken: own('token'), kubeconfig: own('kubeconfig') };
  return startCollector({ ...installed, ...files }, { node });
}

/** Applies a schedule. */
export async function applySchedule(
  cluster: Cluster,
  [namespace, name]: readonly [string, string],
  spec: JsonObject,
): Promise<void> {
  const kind = { apiVersion: 'criu.org/v1', kind: 'CheckpointSchedule' };
  await cluster.apply(JSON.stringify({ ...kind, metadata: { namespace, name }, spec }));
}

/** The status of a schedule. */
export async function statusOf(cluster: Cluster, namespace: string, name: string): Promise<JsonObject> {
  const found = await kubectl(cluster, 'get', 'checkpointschedules', name, '-n', namespace, '-o', 'json');
  return fieldsOf(fieldsOf(JSON.parse(found)).status);
}

/** One checkpoint that a schedule asked for, as the door's records tell it. */
export interface Taken {
  readonly pod: string;
  readonly by: string;
  readonly verdict: string;
  readonly file: string;
  /** When it had its turn, and when it was over. */
  readonly from: number;
  readonly to: number;
}

/** What schedules of a namespace asked of a node's door. */
export async function takenBy(gc: NodeCollector, namespace: string): Promise<readonly Taken[]> {
  const lines = (await gc.audit()).filter(
    ({ operation, resource, metadata }) =>
      operation === 'request' &&
      resource.namespace === namespace &&
      String(metadata.user).startsWith('schedule '),
  );
  return lines.map(takenIn);
}

function takenIn({ timestamp, resource, metadata }: AuditLine): Taken {
  const to = Date.parse(timestamp);
  return {
    pod: String(resource.pod),
    by: String(metadata.user).replace('schedule ', ''),
    verdict: String(metadata.verdict),
    file: String(resource.file),
    from: to - (Number(metadata.seconds) - Number(metadata.waitedSeconds)) * 1_000,
    to,
  };
}

/** The most that were under way at one moment. */
export function mostAtOnce(taken: readonly Taken[]): number {
  return Math.max(
    0,
    ...taken.map(({ from }) => taken.filter((each) => each.from <= from && from < each.to).length),
  );
}
