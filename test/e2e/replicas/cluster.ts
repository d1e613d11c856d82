import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createClient, type KubeClient } from '../../../kube/client.ts';
import { own } from '../../../policy/json.ts';
import { PLURAL } from '../../../policy/schema.ts';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { type Load, type LoadOptions, startLoad } from './load.ts';
import { folderOf, type PodTemplate, podTemplate, rendered } from './manifest.ts';
import { Pod, type PodPlace } from './pod.ts';

/** Namespaces whose policies the load writes. */
export const WRITERS = ['load-1', 'load-2', 'load-3'];

const LOAD: LoadOptions = { writers: WRITERS, connectors: 2, pause: 30 };
/** From a pod's change to the API server's knowledge of it, on a cluster that is not idle. */
const ENDPOINT_DELAY_MS = 1_000;

/** What a cluster is made from. */
export interface Installing {
  /** An overlay, as a folder of manifests/. */
  readonly overlay: string;
  /** Further arguments of the webhook. */
  readonly args?: readonly string[];
  /** What must be there before the overlay is applied. */
  prepare?(plane: ControlPlane): Promise<unknown>;
  /** What stands in for a cert-manager; absent where there is one. */
  readonly standIn?: {
    /** The authority of the webhook, PEM, for every configuration. */
    readonly ca: string;
    readonly secrets: readonly object[];
  };
}

/** A real API server that finds the webhook's replicas by their Service, as in a cluster. */
export interface ReplicaCluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  readonly template: PodTemplate;
  /** The pods that have not been deleted, oldest first. */
  readonly pods: readonly Pod[];
  /** Starts another pod of the Deployment and waits until it is ready. */
  addPod(): Promise<Pod>;
  /** Deletes a pod as the kubelet and the controllers do. */
  deletePod(pod: Pod): ReturnType<Pod['delete']>;
  /** Starts the load, once the registrations are in force. */
  load(): Promise<Load>;
}

/** Applies the manifests with kubectl, and runs two pods of the Deployment in them. */
export async function startReplicaCluster(installing: Installing): Promise<ReplicaCluster> {
  const parts = new AsyncDisposableStack();
  try {
    return await start(parts, installing);
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function start(parts: AsyncDisposableStack, installing: Installing): Promise<ReplicaCluster> {
  const plane = parts.use(await startControlPlane({ apiServerArgs: ['--enable-aggregator-routing=true'] }));
  await installing.prepare?.(plane);
  const manifest = await install(plane, installing);
  const template = { ...manifest, args: [...manifest.args, ...(installing.args ?? [])] };
  const client = await createClient({ kubeconfig: plane.kubeconfig });
  parts.defer(() => client.close());
  const place: PodPlace = {
    guard: plane.guard,
    client,
    kubeconfig: await serviceAccountKubeconfig(plane),
    address: outwardAddress(),
    delay: ENDPOINT_DELAY_MS,
  };
  const pods: Pod[] = [];
  let begun = 0;
  const cluster: ReplicaCluster = {
    plane,
    client,
    template,
    pods,
    async addPod() {
      begun += 1;
      const pod = await Pod.start(`webhook-${begun}`, place, template);
      pods.push(pod);
      await pod.untilReady();
      return pod;
    },
    async deletePod(pod) {
      pods.splice(pods.indexOf(pod), 1);
      return pod.delete();
    },
    async load() {
      const load = startLoad(plane, LOAD);
      // Registrations and endpoints take effect a moment after they are stored; nothing counts before.
      await load.more(WRITERS.length * 3, 3);
      load.take();
      return load;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
  parts.defer(async () => void (await Promise.all(pods.map((pod) => pod.end()))));
  await Promise.all([cluster.addPod(), cluster.addPod()]);
  return cluster;
}

async function install(plane: ControlPlane, { overlay, standIn }: Installing): Promise<PodTemplate> {
  const documents = await rendered(plane, overlay);
  const surroundings = [
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' } },
    ...WRITERS.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  ];
  await plane.apply(yaml(surroundings));
  if (standIn === undefined) await expectSuccess(plane, 'apply', '-k', folderOf(overlay));
  else {
    const known = documents.filter((each) => !String(own(each, 'apiVersion')).startsWith('cert-manager.io/'));
    const caBundle = Buffer.from(standIn.ca).toString('base64');
    await plane.apply(yaml([...known.map((each) => withBundle(each, caBundle)), ...standIn.secrets]));
  }
  await expectSuccess(plane, 'wait', '--for=condition=Established', `crd/${PLURAL}.criu.org`);
  // Where the policy denies CONNECT, the webhook is never asked.
  const binding = 'validatingadmissionpolicybinding/checkpoint-warden-connect';
  await expectSuccess(plane, 'delete', binding);
  return podTemplate(documents);
}

function yaml(objects: readonly unknown[]): string {
  return objects.map((each) => stringify(each)).join('---\n');
}

async function expectSuccess(plane: ControlPlane, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** The object with the authority in every webhook's clientConfig. */
function withBundle(value: unknown, caBundle: string): unknown {
  if (Array.isArray(value)) return value.map((each) => withBundle(each, caBundle));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === 'clientConfig' ? { ...each, caBundle } : withBundle(each, caBundle),
    ]),
  );
}

/** What a pod of the service account would find mounted, as a kubeconfig. */
async function serviceAccountKubeconfig(plane: ControlPlane): Promise<string> {
  const token = await expectSuccess(plane, 'create', 'token', 'webhook', '-n', 'checkpoint-warden');
  const cluster = {
    server: plane.url,
    'certificate-authority-data': Buffer.from(plane.ca).toString('base64'),
  };
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: token.trim() } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  const file = join(plane.directory, 'webhook.kubeconfig');
  await writeFile(file, stringify(config), { mode: 0o600 });
  return file;
}

/** The API server takes no loopback address for an endpoint. */
function outwardAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const found = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) {
    throw new Error(
      'this machine has no IPv4 address but its loopback one, which no endpoint may have; give it one, for example by `ip link add warden type dummy && ip addr add 10.97.0.1/32 dev warden`',
    );
  }
  return found.address;
}
