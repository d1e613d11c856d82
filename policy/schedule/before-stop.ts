import { fieldsOf, isObject, type JsonObject, own } from '../json.ts';

/** Label by which a pod asks for time to be checkpointed in when it is stopped; its value is `true`. */
export const BEFORE_STOP_LABEL = 'checkpoint.criu.org/before-stop';
/** Annotation of such a pod: how many seconds, 1 to 3600. */
export const BEFORE_STOP_SECONDS = 'checkpoint.criu.org/before-stop-seconds';
/** The reaction takes 0.1 s, an archive of some 100 MB half a second; the rest is for the pods that go with it. */
export const DEFAULT_SECONDS = 10;
const MOST_SECONDS = 3_600;
/** What Kubernetes gives a pod that does not say. */
const DEFAULT_GRACE = 30;
/** The kubelet's copy of a static pod: changed, it would be another one, and be made anew without end. */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

export interface PodAddition {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

export interface BeforeStop {
  /** A JSON Patch; empty where nothing is to be done, and the second time. */
  readonly patch: readonly PodAddition[];
  /** Sentences for the author of the pod. */
  readonly warnings: readonly string[];
}

const NOTHING: BeforeStop = { patch: [], warnings: [] };

/**
 * Gives the containers of a pod that asks for it a preStop hook that sleeps, and the pod as much more grace: without a
 * hook the SIGTERM is inside the archive, and CRI-O answers only once the grace period is over. A container with a
 * hook of its own is left as it is. Never throws.
 */
export function beforeStop(pod: JsonObject): BeforeStop {
  const [metadata, spec] = [fieldsOf(own(pod, 'metadata')), own(pod, 'spec')];
  const [labels, annotations] = [fieldsOf(own(metadata, 'labels')), fieldsOf(own(metadata, 'annotations'))];
  const containers = isObject(spec) ? own(spec, 'containers') : undefined;
  if (own(labels, BEFORE_STOP_LABEL) !== 'true' || !isObject(spec) || !Array.isArray(containers))
    return NOTHING;
  if (own(annotations, MIRROR_ANNOTATION) !== undefined) return NOTHING;
  const { seconds, warnings } = secondsOf(annotations);
  const patch: PodAddition[] = [];
  containers.forEach((container: unknown, index) => {
    if (!isObject(container)) return;
    const lifecycle = own(container, 'lifecycle');
    const preStop = own(fieldsOf(lifecycle), 'preStop') ?? undefined;
    if (preStop !== undefined) {
      const warning = ownHook(container, preStop);
      if (warning !== null) warnings.push(warning);
      return;
    }
    const hook = { sleep: { seconds } };
    patch.push(
      isObject(lifecycle)
        ? { op: 'add', path: `/spec/containers/${index}/lifecycle/preStop`, value: hook }
        : { op: 'add', path: `/spec/containers/${index}/lifecycle`, value: { preStop: hook } },
    );
  });
  if (patch.length > 0)
    patch.push({ op: 'add', path: '/spec/terminationGracePeriodSeconds', value: graceOf(spec) + seconds });
  return { patch, warnings };
}

/** What the program had for itself stays its own: the hook's time comes on top. At least a second, as the hook needs. */
function graceOf(spec: JsonObject): number {
  const grace = own(spec, 'terminationGracePeriodSeconds');
  return typeof grace === 'number' && Number.isSafeInteger(grace) ? Math.max(1, grace) : DEFAULT_GRACE;
}

function secondsOf(annotations: JsonObject): { readonly seconds: number; readonly warnings: string[] } {
  const given = own(annotations, BEFORE_STOP_SECONDS);
  if (given === undefined) return { seconds: DEFAULT_SECONDS, warnings: [] };
  const seconds = typeof given === 'string' && /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (seconds >= 1 && seconds <= MOST_SECONDS) return { seconds, warnings: [] };
  const warning = `the annotation ${BEFORE_STOP_SECONDS} is ${JSON.stringify(String(given).slice(0, 20))}, not whole seconds from 1 to ${MOST_SECONDS}; ${DEFAULT_SECONDS} are taken`;
  return { seconds: DEFAULT_SECONDS, warnings: [warning] };
}

/** A hook that sleeps does what is wanted; of another nobody knows how long it takes. */
function ownHook(container: JsonObject, preStop: unknown): string | null {
  const seconds = own(fieldsOf(own(fieldsOf(preStop), 'sleep')), 'seconds');
  if (typeof seconds === 'number' && seconds >= 1) return null;
  const name = String(own(container, 'name') ?? '').slice(0, 63);
  return `container ${JSON.stringify(name)} has a preStop hook of its own, which is left as it is; a checkpoint at its end succeeds only while that hook runs`;
}
