import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';

const RETRY_MS = 200;
const PATH = '/apis/discovery.k8s.io/v1/namespaces/checkpoint-warden/endpointslices';

/** What the Service knows of a pod. */
export interface Conditions {
  readonly ready: boolean;
  readonly terminating: boolean;
}

/** The endpoint of one pod of the Service `webhook`, written as the controller of endpoints would. */
export interface Endpoint {
  /** Resolves when the API server has it; it is written again until then. */
  set(conditions: Conditions): Promise<void>;
  remove(): Promise<void>;
}

/** One slice for each pod: pods share an address here, and a slice has the same ports for all. */
export function endpointOf(
  client: KubeClient,
  pod: string,
  address: string,
  ports: ReadonlyMap<string, number>,
): Endpoint {
  const name = `webhook-${pod}`;
  const path = `${PATH}/${name}`;
  const body = ({ ready, terminating }: Conditions) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': 'webhook' } },
    addressType: 'IPv4',
    ports: [...ports].map(([each, port]) => ({ name: each, port, protocol: 'TCP' })),
    endpoints: [{ addresses: [address], conditions: { ready, serving: ready, terminating } }],
  });
  return {
    async set(conditions) {
      await untilAnswered(() =>
        client.request({
          method: 'PATCH',
          path,
          query: { fieldManager: 'endpoints', force: true },
          contentType: 'application/apply-patch+yaml',
          body: body(conditions),
        }),
      );
    },
    async remove() {
      await untilAnswered(() => client.request({ method: 'DELETE', path }));
    },
  };
}

/** A controller tries until it has got through, whatever the API server is at. */
async function untilAnswered(attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.status !== null && error.status < 500) throw error;
      await sleep(RETRY_MS);
    }
  }
}
