import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { listObjects, numberAt, objectsAt, textAt, textsAt } from '../../kube/objects.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { JsonObject } from '../../policy/json.ts';
import { NODE_API_VERSION, NODE_PLURAL } from '../../policy/node-schema.ts';
import type { Instant } from '../../policy/types.ts';
import { type Check, fail, ok, type Patient, some, unknown, warn } from './check.ts';

/** A node as the API server knows it. */
export interface NodeFacts {
  readonly name: string;
  /** `v1.36.3` */
  readonly kubelet: string;
  /** `containerd://2.1.9` */
  readonly runtime: string;
  readonly isReady: boolean;
}

/** What the collector of a node says. */
export interface CollectorFacts {
  readonly node: string;
  readonly lookedAt: Instant | null;
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  readonly complaints: readonly string[];
}

/** Rejects with a KubeError. */
export async function readNodes(client: KubeClient): Promise<NodeFacts[]> {
  return (await listObjects(client, '/api/v1/nodes')).items.map((node) => ({
    name: textAt(node, 'metadata', 'name'),
    kubelet: textAt(node, 'status', 'nodeInfo', 'kubeletVersion'),
    runtime: textAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion'),
    isReady: objectsAt(node, 'status', 'conditions').some(
      (each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') === 'True',
    ),
  }));
}

async function readCollectors(client: KubeClient): Promise<CollectorFacts[]> {
  try {
    return (await listObjects(client, `/apis/${NODE_API_VERSION}/${NODE_PLURAL}`)).items.map(collectorOf);
  } catch (error) {
    // Without the definition there are none either.
    if (error instanceof KubeError && error.status === 404) return [];
    throw error;
  }
}

export function collectorOf(object: JsonObject): CollectorFacts {
  const lookedAt = Date.parse(textAt(object, 'status', 'lastScanTime'));
  return {
    node: textAt(object, 'metadata', 'name'),
    lookedAt: Number.isNaN(lookedAt) ? null : lookedAt,
    totalBytes: numberAt(object, 'status', 'disk', 'totalBytes'),
    freeBytes: numberAt(object, 'status', 'disk', 'freeBytes'),
    complaints: textsAt(object, 'status', 'complaints'),
  };
}

/** Whether each node's collector is at work, and what the disks have left. */
export async function checkCollectors(
  { client, namespace, now }: Patient,
  nodes: readonly NodeFacts[] | null,
): Promise<Check[]> {
  try {
    const collectors = await readCollectors(client);
    return [judgeCollectors(nodes, collectors, namespace, now), judgeDisks(collectors)];
  } catch (error) {
    return ['collector', 'disk'].map((name) => unknown(name, error, `list ${NODE_PLURAL}`));
  }
}

/** Collectors write every five minutes at the latest. */
const SILENT_MS = 15 * 60_000;

/** @param nodes null where they cannot be listed */
export function judgeCollectors(
  nodes: readonly NodeFacts[] | null,
  collectors: readonly CollectorFacts[],
  namespace: string,
  now: Instant,
): Check {
  const name = 'collector';
  const pods = `kubectl -n ${namespace} get pods -o wide`;
  if (collectors.length === 0) {
    const message = `no collector has told anything: there are no ${NODE_PLURAL}`;
    return fail(name, message, `kubectl -n ${namespace} rollout status daemonset/collector; ${pods}`);
  }
  const told = new Set(collectors.map(({ node }) => node));
  const missing = (nodes ?? [])
    .filter((each) => each.isReady && !told.has(each.name))
    .map((each) => each.name);
  const known = new Set((nodes ?? []).map((each) => each.name));
  const silent = collectors
    .filter(({ node, lookedAt }) => (nodes === null || known.has(node)) && isSilent(lookedAt, now))
    .map(
      ({ node, lookedAt }) =>
        `${node} (${lookedAt === null ? 'never' : `${formatDuration(now - lookedAt)} ago`})`,
    );
  if (silent.length > 0) {
    const message = `nobody has looked at the archives of ${some(silent)} for more than ${formatDuration(SILENT_MS)}`;
    return fail(name, message, `see the collectors there, and their logs: ${pods}`, silent);
  }
  if (missing.length > 0) {
    const message = `no collector is at work on ${some(missing)}, where nothing limits checkpoints`;
    const remedy = `give the DaemonSet the tolerations and labels of these nodes: kubectl -n ${namespace} edit daemonset/collector`;
    return warn(name, message, remedy, missing);
  }
  const complaints = collectors.flatMap(({ node, complaints: all }) => all.map((each) => `${node}: ${each}`));
  if (complaints.length > 0) {
    return warn(name, `complains: ${some(complaints, 1)}`, `kubectl get ${NODE_PLURAL} -o wide`, complaints);
  }
  const unlisted =
    nodes === null ? '; whether others have none cannot be told without the right to list nodes' : '';
  return ok(
    name,
    `is at work on ${collectors.length} of ${nodes?.length ?? collectors.length} nodes${unlisted}`,
  );
}

function isSilent(lookedAt: Instant | null, now: Instant): boolean {
  return lookedAt === null || now - lookedAt > SILENT_MS;
}

/** Of a disk's size: there the kubelet begins to evict pods (10 % free), and here it is close. */
const LEAST_FREE = 0.1;
const LOW_FREE = 0.2;

export function judgeDisks(collectors: readonly CollectorFacts[]): Check {
  const name = 'disk';
  const disks = collectors.flatMap(({ node, totalBytes, freeBytes }) =>
    totalBytes === null || freeBytes === null || totalBytes === 0
      ? []
      : [{ node, free: freeBytes / totalBytes }],
  );
  const below = (share: number) => disks.filter(({ free }) => free < share).map(shownDisk);
  const [full, low] = [below(LEAST_FREE), below(LOW_FREE)];
  const remedy =
    'set spec.globalPolicy.diskPressure, or tighten limits (kubectl checkpoint top -A shows whose archives they are); what else fills the disk is to be seen on the node: df -h';
  if (full.length > 0) {
    const message = `less than ${LEAST_FREE * 100}% is free on ${some(full)}, where the kubelet evicts pods`;
    return fail(name, message, remedy, full);
  }
  if (low.length > 0) return warn(name, `little is free on ${some(low)}`, remedy, low);
  if (disks.length === 0) {
    return {
      ...unknown(name, new Error('no collector has told of a disk'), ''),
      remedy: 'see the check collector',
    };
  }
  const least = disks.reduce((one, other) => (other.free < one.free ? other : one));
  return ok(name, `has room on every node, the least on ${shownDisk(least)}`);
}

function shownDisk({ node, free }: { readonly node: string; readonly free: number }): string {
  return `${node} (${Math.floor(free * 100)}% free)`;
}

/** The first versions that can checkpoint a container by the CRI. */
const RUNTIMES: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['containerd', [2, 0]],
  ['cri-o', [1, 25]],
]);

export function judgeRuntimes(nodes: readonly NodeFacts[]): Check {
  const name = 'runtime';
  if (nodes.length === 0) {
    return { ...unknown(name, new Error('the cluster has no node'), ''), remedy: 'kubectl get nodes' };
  }
  const unable = nodes.filter(({ runtime }) => !canCheckpoint(runtime)).map(shownRuntime);
  if (unable.length > 0) {
    const remedy =
      'upgrade to containerd 2.0 or CRI-O 1.25 (with enable_criu_support) or later, and install CRIU on the node';
    return fail(name, `cannot checkpoint on ${some(unable)}`, remedy, unable);
  }
  const versions = [...new Set(nodes.map(({ runtime }) => runtime.replace('://', ' ')))];
  return ok(
    name,
    `${some(versions)} can checkpoint; it takes CRIU on the node, too`,
    nodes.map(shownRuntime),
  );
}

function shownRuntime({ name, runtime }: NodeFacts): string {
  return `${name} (${runtime.replace('://', ' ') || 'it does not say which'})`;
}

function canCheckpoint(runtime: string): boolean {
  const [, kind = '', major, minor] = /^([a-z-]+):\/\/v?(\d+)\.(\d+)/.exec(runtime) ?? [];
  const least = RUNTIMES.get(kind);
  if (least === undefined) return false;
  return Number(major) > least[0] || (Number(major) === least[0] && Number(minor) >= least[1]);
}
