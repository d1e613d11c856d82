import assert from 'node:assert/strict';
import { createClient, type KubeClient } from '../../../kube/client.ts';
import { PodNodeInformers } from '../../../kube/pod-nodes.ts';
import {
  type AggregatedApiOptions,
  type RunningApi,
  startAggregatedApi,
} from '../../../webhook/gateway/api/main.ts';
import { BOUNDS } from '../../../webhook/gateway/bounds.ts';
import { sharedDoorTrust } from '../../../webhook/gateway/door-authority.ts';
import { DoorClient } from '../../../webhook/gateway/door-client.ts';
import { type Authority, createAuthority } from '../../cluster/authority.ts';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { eventually } from '../../cluster/eventually.ts';
import { freePort } from '../../cluster/port.ts';

export const DOOR_NAME = 'checkpoint-warden-door.checkpoint-warden.svc';
export const GATEWAY = 'system:serviceaccount:checkpoint-warden:webhook';
/** In the API's certificate: the API server dials the Service by this name. */
const HOST = 'webhook.checkpoint-warden.svc';

export interface ApiCluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly authority: Authority;
  /** Of all doors, each on an address of its own. */
  readonly doorPort: number;
  readonly client: KubeClient;
  readonly api: RunningApi;
  readonly errors: string[];
  /** Standard output; fails with what kubectl says. */
  kubectl(...args: string[]): Promise<string>;
  /** As another user, whose kubeconfig that is. */
  as(kubeconfig: string, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }>;
  addNode(name: string, address: string): Promise<void>;
  addPod(namespace: string, name: string, node: string): Promise<void>;
  startApi(port?: number): Promise<RunningApi>;
  register(): Promise<void>;
}

/** A real API server with the aggregated API behind it, in this process. */
export async function startApiCluster(more: Partial<AggregatedApiOptions> = {}): Promise<ApiCluster> {
  const [plane, authority] = await Promise.all([
    startControlPlane({ aggregation: true }),
    createAuthority('warden'),
  ]);
  const parts = new AsyncDisposableStack();
  parts.defer(() => plane.stop());
  const errors: string[] = [];
  const tell = (fields: object, message: string) => {
    const err = 'err' in fields && fields.err instanceof Error ? `: ${fields.err.message}` : '';
    errors.push(message + err);
  };
  const log = { info() {}, warn: tell, error: tell };
  const client = await createClient({ kubeconfig: plane.kubeconfig });
  parts.defer(() => client.close());
  const pause = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  const places = new PodNodeInformers({ client, log, pause });
  parts.defer(() => places.stop());
  await eventually(async () => assert.ok(places.synced));
  const doorPort = await freePort();
  const certificate = {
    ...authority.issue({ name: 'webhook', hosts: [HOST, 'localhost'] }),
    ca: authority.certificate,
  };
  const startApi = async (port = 0) => {
    const api = await startAggregatedApi({
      listen: { host: 'localhost', port },
      minTlsVersion: 'TLSv1.3',
      ...{ certificate, client, places, log },
      doors: new DoorClient(
        { name: DOOR_NAME, port: doorPort },
        sharedDoorTrust(() => authority.certificate),
      ),
      token: async () => GATEWAY,
      bounds: BOUNDS,
      ...more,
    });
    parts.defer(() => api.stop(500));
    return api;
  };
  const api = await startApi();
  const kubectl = async (...args: string[]) => {
    const { status, stdout, stderr } = await plane.kubectl(args);
    assert.equal(status, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  await kubectl('create', 'namespace', 'checkpoint-warden');
  const known = new Set<string>();
  const cluster: ApiCluster = {
    ...{ plane, authority, doorPort, client, api, errors, kubectl, startApi },
    as: (kubeconfig, ...args) => plane.kubectl(args, { kubeconfig }),
    async addNode(name, address) {
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
      await client.request({ method: 'POST', path: '/api/v1/nodes', body: node });
      await client.request({
        method: 'PATCH',
        path: `/api/v1/nodes/${name}/status`,
        contentType: 'application/merge-patch+json',
        body: { status: { addresses: [{ type: 'InternalIP', address }] } },
      });
      await eventually(async () => assert.ok(places.nodes().some((each) => each.address === address)));
    },
    async addPod(namespace, name, node) {
      if (!known.has(namespace)) await kubectl('create', 'namespace', namespace);
      known.add(namespace);
      const spec = { nodeName: node, containers: [{ name: 'main', image: 'none' }] };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec };
      await client.request({ method: 'POST', path: `/api/v1/namespaces/${namespace}/pods`, body: pod });
    },
    async register() {
      await plane.apply(registration(api.port, authority.certificate));
      await eventually(async () => {
        const { stdout } = await plane.kubectl(['get', 'apiservice', 'v1alpha1.checkpoint.criu.org']);
        assert.match(stdout, /True/);
      }, 20_000);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
  return cluster;
}

/** As the overlay has it, but for the Service: nothing routes to pods here. */
export function registration(port: number, ca: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: webhook, namespace: checkpoint-warden}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.checkpoint.criu.org}
spec:
  group: checkpoint.criu.org
  version: v1alpha1
  groupPriorityMinimum: 1000
  versionPriority: 10
  service: {namespace: checkpoint-warden, name: webhook, port: ${port}}
  caBundle: ${Buffer.from(ca).toString('base64')}
`;
}
