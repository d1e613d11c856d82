import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiServerOptions } from '../api-server.ts';
import { type ControlPlane, startControlPlane } from '../control-plane.ts';
import { eventually } from '../eventually.ts';
import { type Guard, startGuard } from '../guard.ts';
import { findPrograms } from '../programs.ts';
import { nodeRecipe } from '../recipe.ts';
import { clusterPrefix, removeCgroups, sweepCgroups } from './cgroups.ts';
import { startControllers } from './controllers.ts';
import { writeImages } from './images.ts';
import type { MachineParts } from './machine.ts';
import { mostNodes, type Network, startNetwork } from './network.ts';
import { type ClusterNode, joinCluster, prepareNode } from './node.ts';
import { createPod, findPod, type PodName, type PodRequest, type RunningPod, waitForPod } from './pods.ts';
import { requireForNodes } from './requirements.ts';
import { findTree } from './tree.ts';

const readySeconds = 90;

/** What the API server may do at the kubelets; without the second rule it passes no checkpoint request on. */
const kubeletAccess = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-kubelet-access}
rules:
  - apiGroups: ['']
    resources: [nodes/proxy, nodes/stats, nodes/log, nodes/metrics, nodes/healthz, nodes/pods, nodes/configz]
    verbs: ['*']
  - apiGroups: ['']
    resources: [nodes/checkpoint]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-kubelet-access}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-kubelet-access}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-apiserver-kubelet-client}]
`;

/** What a test may ask of its cluster. */
export interface ClusterOptions extends Omit<ApiServerOptions, 'address'> {
  /** How many nodes, 1 to 4; default 2. They are called node1, node2, … */
  readonly nodes?: number;
  /**
   * Lets pods reach Services, that of the API server too, by kube-proxy; default false. The API server finds
   * a Service's pods by itself.
   */
  readonly services?: boolean;
}

/**
 * A whole cluster on this machine: control plane, controllers, scheduler, and nodes with kubelet,
 * containerd, runc and CRIU. Pods reach each other, the API server and this machine, and are reached from
 * here; nothing leads anywhere else, and there is no cluster DNS.
 */
export interface Cluster extends ControlPlane {
  readonly nodes: readonly ClusterNode[];
  /** Scratch directory with the nodes' files and logs (`node1-kubelet.log`, …); `stop` removes it. */
  readonly nodesDirectory: string;
  /** This machine's address as the nodes see it: where a server must listen that pods are to reach. */
  readonly hostAddress: string;
  /** The node of that name; throws where there is none. */
  node(name: string): ClusterNode;
  /** Creates a pod, and its namespace if need be, and waits until it is ready. */
  runPod(request: PodRequest): Promise<RunningPod>;
  /** Creates a pod, and its namespace if need be. */
  createPod(request: PodRequest): Promise<void>;
  /** Waits until a pod, whoever creates it, is there and ready. */
  waitForPod(request: PodName & { readonly timeoutSeconds?: number }): Promise<RunningPod>;
  /** Where a pod runs, ready or not. */
  pod(request: PodName): Promise<RunningPod>;
}

/** Starts a cluster next to any others. The first time, its programs are built, which takes minutes. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const names = namesOf(options.nodes ?? 2);
  await requireForNodes(['ip', 'nsenter', 'unshare']);
  const parts = { tree: await findTree(), programs: await findPrograms(nodeRecipe) };
  await sweepCgroups();

  const directory = await mkdtemp(join(tmpdir(), clusterPrefix));
  const guard = await startGuard(directory);
  const end = new AsyncDisposableStack();
  end.defer(() => removeCgroups(directory));
  end.defer(() => guard.release());
  try {
    return await startGuarded(guard, end, parts, names, options);
  } catch (error) {
    await end.disposeAsync();
    throw error;
  }
}

async function startGuarded(
  guard: Guard,
  end: AsyncDisposableStack,
  parts: MachineParts,
  names: readonly string[],
  { services = false, ...options }: ClusterOptions,
): Promise<Cluster> {
  const network = await startNetwork(guard, names);
  const images = join(guard.directory, 'images.tar');
  await writeImages(join(parts.tree, 'bin', 'busybox'), images);

  const starting = startControlPlane(withNodes(network, options));
  const joining = network.places.map(async (place) =>
    joinCluster(await prepareNode(guard, network, place, parts, images), await starting, { services }),
  );
  // When one of them fails, what the others still start must end, too.
  const settled = Promise.allSettled(joining);
  end.defer(async () => {
    await settled;
    const [started] = await Promise.allSettled([starting]);
    if (started.status === 'fulfilled') await started.value.stop();
  });

  const plane = await starting;
  await startControllers(plane, parts.programs);
  await plane.apply(kubeletAccess);
  const joined = await Promise.all(joining);
  await waitForNodes(plane, names);
  let ending: Promise<void> | undefined;
  const stop = () => {
    ending ??= end.disposeAsync();
    return ending;
  };
  return {
    ...plane,
    nodes: joined,
    nodesDirectory: guard.directory,
    hostAddress: network.address,
    node: (name) => nodeOf(joined, name),
    async runPod(request) {
      await createPod(plane, request);
      return waitForPod(plane, request);
    },
    createPod: (request) => createPod(plane, request),
    waitForPod: (request) => waitForPod(plane, request),
    pod: (request) => findPod(plane, request),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function namesOf(count: number): string[] {
  if (Number.isInteger(count) && count >= 1 && count <= mostNodes) {
    return Array.from({ length: count }, (_, index) => `node${index + 1}`);
  }
  throw new RangeError(`nodes is ${count}: ask for 1 to ${mostNodes}.`);
}

/** What an API server needs so that it reaches kubelets and pods, and they it. */
function withNodes(network: Network, options: ApiServerOptions): ApiServerOptions {
  return {
    // Service accounts are made here, so pods get one.
    disableAdmissionPlugins: [],
    ...options,
    address: network.address,
    // The first address for Services is the API server's own.
    hosts: ['10.96.0.1', ...(options.hosts ?? [])],
    apiServerArgs: [
      // Nobody resolves the names of the nodes.
      '--kubelet-preferred-address-types=InternalIP',
      '--enable-aggregator-routing=true',
      ...(options.apiServerArgs ?? []),
    ],
  };
}

async function waitForNodes(plane: ControlPlane, names: readonly string[]): Promise<void> {
  const nodes = names.map((name) => `node/${name}`);
  const timeout = readySeconds * 1_000;
  // `kubectl wait` gives up at once on what does not exist yet.
  await eventually(async () => {
    const { status, stderr } = await plane.kubectl(['get', ...nodes]);
    if (status !== 0) throw new Error(`The nodes were not there after ${readySeconds} s: ${stderr}`);
  }, timeout);
  const wait = ['wait', ...nodes, '--for=condition=Ready', `--timeout=${readySeconds}s`];
  const { status, stderr } = await plane.kubectl(wait, { timeout: timeout + 10_000 });
  if (status === 0) return;
  const { stdout } = await plane.kubectl(['describe', 'nodes']);
  throw new Error(`The nodes were not ready after ${readySeconds} s: ${stderr}\n${stdout}`);
}

function nodeOf(nodes: readonly ClusterNode[], name: string): ClusterNode {
  const found = nodes.find((node) => node.name === name);
  if (found !== undefined) return found;
  throw new Error(`There is no node ${name}, only ${nodes.map((node) => node.name).join(', ')}.`);
}
