import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import type { Instant } from '../policy/types.ts';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { type ContainerFacts, type PlacedPod, placeOf } from './placed-pods.ts';
import { configHashOf } from './pods.ts';

/** A pod of one node, as far as a schedule looks at it. */
export interface NodePod extends Omit<PlacedPod, 'containers'> {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Those of this project, and no others: a pod may carry a quarter of a megabyte of them. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Its deletion was asked for, and by then it is to be gone (`deletionTimestamp`); null while it is not ending. */
  readonly endsAt: Instant | null;
  /** The reason of its condition `DisruptionTarget`, while that is true. */
  readonly disruption: string | null;
  /** Containers and sidecars, in the pod's order: what runs for as long as the pod does. */
  readonly containers: readonly NodeContainer[];
}

export interface NodeContainer extends ContainerFacts {
  /** `resources.limits.cpu` in cores; null without one. */
  readonly cpuLimitCores: number | null;
  /** Null while it does not run. */
  readonly startedAt: Instant | null;
}

/** The beginning of this project's own annotations. */
const OWN = 'checkpoint.criu.org/';

/** All pods that are bound to a node, kept up to date. */
export function nodePods(
  client: KubeClient,
  node: string,
  more: Partial<InformerOptions<NodePod>> = {},
): Informer<NodePod> {
  return new Informer({
    client,
    path: '/api/v1/pods',
    fieldSelector: `spec.nodeName=${node}`,
    parse: nodePod,
    ...more,
  });
}

/** Reads what the API server says of a pod. */
export function nodePod(pod: JsonObject): NodePod {
  const metadata = fieldsOf(own(pod, 'metadata'));
  const { node, containers } = placeOf(pod);
  const lasting = lastingContainers(pod);
  return {
    namespace: text(own(metadata, 'namespace')),
    name: text(own(metadata, 'name')),
    uid: text(own(metadata, 'uid')),
    configHash: configHashOf(pod),
    node,
    labels: textsOf(own(metadata, 'labels'), ''),
    annotations: textsOf(own(metadata, 'annotations'), OWN),
    endsAt: instantOf(own(metadata, 'deletionTimestamp')),
    disruption: disruptionOf(pod),
    containers: containers.flatMap((facts) => {
      const more = lasting.get(facts.name);
      return more === undefined ? [] : [{ ...facts, ...more }];
    }),
  };
}

/** Containers and restartable init containers by name; the others end by themselves. */
function lastingContainers(pod: JsonObject): Map<string, Omit<NodeContainer, keyof ContainerFacts>> {
  const spec = fieldsOf(own(pod, 'spec'));
  const status = fieldsOf(own(pod, 'status'));
  const sidecars = objectsIn(own(spec, 'initContainers')).filter(
    (each) => own(each, 'restartPolicy') === 'Always',
  );
  const statuses = [
    ...objectsIn(own(status, 'containerStatuses')),
    ...objectsIn(own(status, 'initContainerStatuses')),
  ];
  return new Map(
    [...objectsIn(own(spec, 'containers')), ...sidecars].map((each) => {
      const name = own(each, 'name');
      const found = fieldsOf(statuses.find((one) => own(one, 'name') === name));
      const running = fieldsOf(own(fieldsOf(own(found, 'state')), 'running'));
      const limit = own(fieldsOf(own(fieldsOf(own(each, 'resources')), 'limits')), 'cpu');
      return [
        text(name),
        { cpuLimitCores: coresOf(limit), startedAt: instantOf(own(running, 'startedAt')) },
      ] as const;
    }),
  );
}

/** The API server keeps it as `2` or `1500m`. */
function coresOf(value: unknown): number | null {
  const [, number, milli] = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(String(value)) ?? [];
  const cores = number === undefined ? 0 : Number(number) / (milli === 'm' ? 1_000 : 1);
  return cores > 0 ? cores : null;
}

function disruptionOf(pod: JsonObject): string | null {
  const conditions = objectsIn(own(fieldsOf(own(pod, 'status')), 'conditions'));
  const found = conditions.find(
    (each) => own(each, 'type') === 'DisruptionTarget' && own(each, 'status') === 'True',
  );
  return found === undefined ? null : text(own(found, 'reason')) || 'Unknown';
}

function instantOf(value: unknown): Instant | null {
  const instant = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(instant) ? null : instant;
}

function textsOf(value: unknown, prefix: string): Record<string, string> {
  const entries = Object.entries(fieldsOf(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[0].startsWith(prefix),
  );
  return Object.fromEntries(entries);
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
