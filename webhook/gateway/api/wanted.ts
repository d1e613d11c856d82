import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../../../policy/json.ts';
import { ApiError } from './api-error.ts';

/** A checkpoint that somebody asks for. */
export interface Wanted {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly timeoutSeconds?: number;
}

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
/** The kubelet makes nanoseconds of it, in 64 bits. */
const LONGEST_SECONDS = 9_223_372_036;
const TOP = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
const METADATA = new Set(['generateName', 'namespace', 'creationTimestamp', 'labels', 'annotations']);
const SPEC = new Set(['podName', 'containerName', 'nodeName', 'timeoutSeconds']);

/**
 * Reads the body of a create: a `Checkpoint`, or for `pods/checkpoint` no more than its spec's container.
 * @param pod of the path; null where the body has to name it.
 * @throws ApiError 400, 422
 */
export function wantedIn(body: unknown, namespace: string, pod: string | null): Wanted {
  const object = bodyOf(body, pod !== null);
  const metadata = fieldsOf(own(object, 'metadata'));
  const spec = fieldsOf(own(object, 'spec'));
  refuseOthers(object, TOP, '');
  refuseName(metadata, pod);
  refuseOthers(spec, SPEC, 'spec.');
  const own_ = text(own(metadata, 'namespace'));
  if (own_ !== '' && own_ !== namespace) {
    throw new ApiError(400, `metadata.namespace is ${own_}, and the request is for namespace ${namespace}`);
  }
  if (own(spec, 'nodeName') !== undefined && text(own(spec, 'nodeName')) !== '') {
    throw ApiError.invalid('spec.nodeName', 'follows from the pod; leave it out');
  }
  const named = text(own(spec, 'podName'));
  if (pod !== null && named !== '' && named !== pod) {
    throw ApiError.invalid('spec.podName', `is ${named}, and the request is for pod ${pod}`);
  }
  const [podName, container] = [pod ?? named, text(own(spec, 'containerName'))];
  if (!SUBDOMAIN.test(podName)) throw ApiError.invalid('spec.podName', 'has to be the name of a pod');
  if (!LABEL.test(container)) {
    throw ApiError.invalid('spec.containerName', 'has to be the name of a container of the pod');
  }
  const seconds = own(spec, 'timeoutSeconds');
  if (seconds === undefined) return { namespace, pod: podName, container };
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 0 || seconds > LONGEST_SECONDS) {
    throw ApiError.invalid('spec.timeoutSeconds', `has to be whole seconds from 0 to ${LONGEST_SECONDS}`);
  }
  return { namespace, pod: podName, container, timeoutSeconds: seconds };
}

function bodyOf(body: unknown, mayBeEmpty: boolean): JsonObject {
  if (!isObject(body)) throw new ApiError(400, 'the body is no JSON object');
  const [apiVersion, kind] = [own(body, 'apiVersion'), own(body, 'kind')];
  const isOurs = apiVersion === CHECKPOINT_API.groupVersion && kind === CHECKPOINT_API.kind;
  if (isOurs || (mayBeEmpty && apiVersion === undefined && kind === undefined)) return body;
  const expected = `${CHECKPOINT_API.kind} of ${CHECKPOINT_API.groupVersion}`;
  throw new ApiError(
    400,
    `the body is ${text(kind) || 'no kind'} of ${text(apiVersion) || 'no group'}, not a ${expected}`,
  );
}

/** The node gives the name; another one than was asked for would break whoever goes by it. */
function refuseName(metadata: JsonObject, pod: string | null): void {
  const name = text(own(metadata, 'name'));
  if (name !== '' && name !== pod) {
    throw ApiError.invalid('metadata.name', 'is made by the node; leave it out, or give generateName');
  }
  for (const key of ['labels', 'annotations']) {
    if (Object.keys(fieldsOf(own(metadata, key))).length > 0) {
      throw ApiError.invalid(`metadata.${key}`, 'cannot be kept; leave it out, and pin afterwards');
    }
  }
  const { name: _, ...rest } = metadata;
  refuseOthers(rest, METADATA, 'metadata.');
}

function refuseOthers(object: JsonObject, known: ReadonlySet<string>, prefix: string): void {
  for (const key of Object.keys(object)) {
    if (!known.has(key)) throw ApiError.invalid(prefix + key, 'is no field that there is; leave it out');
  }
}
