import { isLabel, isSubdomain } from '../policy/fields.ts';
import { fieldsOf, isObject, own, text } from '../policy/json.ts';
import { parseQuantity } from '../policy/quantity.ts';
import type { KubeClient } from './client.ts';
import { isOwnNotFound, podFacts } from './pods.ts';
import type { PodFacts } from './types.ts';

/** A container of a pod, as its spec and its status show it. */
export interface ContainerFacts {
  readonly name: string;
  /** `resources.limits.memory` in bytes; null without one. */
  readonly memoryLimitBytes: number | null;
  /** What its status says; false too while it says nothing. */
  readonly running: boolean;
}

/** A pod and where it is. */
export interface PlacedPod extends PodFacts {
  /** Empty until it is bound. */
  readonly node: string;
  /** Containers, init containers and ephemeral ones. */
  readonly containers: readonly ContainerFacts[];
}

/** Look-ups of single pods with their place. */
export interface PlacedPodLookup {
  /** Null only for the API server's own 404 of that pod; rejects for everything else, because that proves nothing. */
  get(namespace: string, name: string): Promise<PlacedPod | null>;
}

/** Where a pod's containers stand in its spec, and their statuses in its status. */
const KINDS = [
  ['containers', 'containerStatuses'],
  ['initContainers', 'initContainerStatuses'],
  ['ephemeralContainers', 'ephemeralContainerStatuses'],
] as const;

/** Looks single pods up with their place, each by one GET. */
export function placedPodLookup(client: KubeClient): PlacedPodLookup {
  return {
    async get(namespace, name) {
      if (!isLabel(namespace) || !isSubdomain(name)) {
        throw new Error(`no pod can be called ${JSON.stringify(`${namespace}/${name}`)}`);
      }
      try {
        const pod = await client.request({ path: `/api/v1/namespaces/${namespace}/pods/${name}` });
        return { ...podFacts(pod, namespace, name), ...placeOf(fieldsOf(pod)) };
      } catch (error) {
        if (isOwnNotFound(error, name)) return null;
        throw error;
      }
    },
  };
}

/** Where an object that is a pod is bound, and its containers. */
export function placeOf(pod: Fields): Pick<PlacedPod, 'node' | 'containers'> {
  const spec = fieldsOf(own(pod, 'spec'));
  const status = fieldsOf(own(pod, 'status'));
  const containers = KINDS.flatMap(([inSpec, inStatus]) => {
    const statuses = objectsIn(own(status, inStatus));
    return objectsIn(own(spec, inSpec)).map((each) => containerFacts(each, statuses));
  });
  return { node: text(own(spec, 'nodeName')), containers };
}

type Fields = Readonly<Record<string, unknown>>;

function containerFacts(container: Fields, statuses: readonly Fields[]): ContainerFacts {
  const name = text(own(container, 'name'));
  const limits = fieldsOf(own(fieldsOf(own(container, 'resources')), 'limits'));
  const memory = own(limits, 'memory');
  const limit = typeof memory === 'string' || typeof memory === 'number' ? parseQuantity(memory) : undefined;
  const status = statuses.find((each) => own(each, 'name') === name);
  return {
    name,
    memoryLimitBytes: limit === undefined || limit.value <= 0n ? null : Number(limit.value),
    running: status !== undefined && isObject(own(fieldsOf(own(status, 'state')), 'running')),
  };
}

function objectsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
