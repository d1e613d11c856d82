import { isLabel, isSubdomain } from '../../policy/fields.ts';
import { isObject, type JsonObject, own } from '../../policy/json.ts';
import type { Identity } from '../../policy/types.ts';

/** Who wrote an archive. */
export type Runtime = 'containerd' | 'cri-o' | 'podman' | 'other';

export const RUNTIMES: readonly Runtime[] = ['containerd', 'cri-o', 'podman', 'other'];

/** Whose memory a `spec.dump` says it is. */
export interface SpecReading {
  readonly identity: Identity | null;
  /** Why there is no identity. */
  readonly because: string | null;
  readonly runtime: Runtime | null;
}

/** Where a runtime keeps what. */
interface Keys {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly podUid: string | null;
}

const CONTAINERD: Keys = {
  namespace: 'io.kubernetes.cri.sandbox-namespace',
  pod: 'io.kubernetes.cri.sandbox-name',
  container: 'io.kubernetes.cri.container-name',
  podUid: 'io.kubernetes.cri.sandbox-uid',
};

/** Both in CRI-O's labels and, plain, beside them. */
const CRIO: Keys = {
  namespace: 'io.kubernetes.pod.namespace',
  pod: 'io.kubernetes.pod.name',
  container: 'io.kubernetes.container.name',
  podUid: 'io.kubernetes.pod.uid',
};
const CRIO_LABELS = 'io.kubernetes.cri-o.Labels';

const CRIU: Keys = {
  namespace: 'org.criu.checkpoint.pod.namespace',
  pod: 'org.criu.checkpoint.pod.name',
  container: 'org.criu.checkpoint.container.name',
  podUid: null,
};

const MANAGER = 'io.container.manager';

/**
 * Reads the identity out of a `spec.dump`, which is hostile: CRI-O copies the pod's own annotations into the
 * same map, so a tenant can put any key there but those that CRI-O itself writes. So the runtime is decided
 * first, by `io.container.manager`, and then that runtime's keys alone speak; foreign keys are no
 * contradiction either, or a tenant could hide his archives.
 */
export function readSpec(spec: Buffer): SpecReading {
  const text = decode(spec);
  if (text === null) return unknown('its spec.dump is not valid UTF-8');
  const parsed = parseObject(text);
  if (parsed === null) return unknown('its spec.dump is not a JSON object');
  const annotations = own(parsed, 'annotations');
  if (!isObject(annotations)) return unknown('its spec.dump has no annotations');
  return readAnnotations(annotations);
}

function readAnnotations(annotations: JsonObject): SpecReading {
  const manager = own(annotations, MANAGER);
  if (manager === 'cri-o') return readCrio(annotations);
  if (manager === 'libpod') {
    return {
      identity: null,
      because: 'podman wrote it, which names no namespace and no pod',
      runtime: 'podman',
    };
  }
  if (manager !== undefined) {
    return { identity: null, because: `its ${MANAGER} is none that is known here`, runtime: 'other' };
  }
  if (hasAny(annotations, CONTAINERD)) return readKeys(annotations, CONTAINERD, 'containerd');
  if (Object.hasOwn(annotations, CRIO_LABELS) || hasAny(annotations, CRIO)) return readCrio(annotations);
  if (hasAny(annotations, CRIU)) return readKeys(annotations, CRIU, 'other');
  return unknown('its spec.dump names no pod');
}

/** CRI-O always writes its labels; where they stand, the plain keys beside them say nothing more. */
function readCrio(annotations: JsonObject): SpecReading {
  if (!Object.hasOwn(annotations, CRIO_LABELS)) return readKeys(annotations, CRIO, 'cri-o');
  const labels = own(annotations, CRIO_LABELS);
  const parsed = typeof labels === 'string' ? parseObject(labels) : null;
  if (parsed !== null) return readKeys(parsed, CRIO, 'cri-o');
  return { identity: null, because: `its ${CRIO_LABELS} is not a JSON object`, runtime: 'cri-o' };
}

function readKeys(from: JsonObject, keys: Keys, runtime: Runtime): SpecReading {
  const without = (because: string): SpecReading => ({ identity: null, because, runtime });
  const namespace = own(from, keys.namespace);
  if (!isLabel(namespace)) return without(`its spec.dump has no valid ${keys.namespace}`);
  const pod = own(from, keys.pod);
  if (!isSubdomain(pod)) return without(`its spec.dump has no valid ${keys.pod}`);
  const container = own(from, keys.container);
  if (!isLabel(container)) return without(`its spec.dump has no valid ${keys.container}`);
  const podUid = keys.podUid === null ? undefined : own(from, keys.podUid);
  // A wrong UID would read as "another pod", which is proof of an orphan.
  if (podUid !== undefined && !isUid(podUid)) return without(`its spec.dump has no valid ${keys.podUid}`);
  return { identity: { namespace, pod, container, podUid: podUid ?? null }, because: null, runtime };
}

function unknown(because: string): SpecReading {
  return { identity: null, because, runtime: null };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** The JSON object that a text holds, null when it holds none. */
export function parseObject(json: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function hasAny(object: JsonObject, keys: Keys): boolean {
  return Object.values(keys).some((key) => key !== null && Object.hasOwn(object, key));
}

const UID = /^[A-Za-z0-9][-._A-Za-z0-9]*$/;

/** A UUID, or for a static pod the hash of its file. */
export function isUid(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 128 && UID.test(value);
}
