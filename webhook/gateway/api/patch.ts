import { type Checkpoint, PINNED_LABEL } from '../../../policy/checkpoint-object.ts';
import { canonicalJson, isObject, isUnwieldy, type JsonObject, own } from '../../../policy/json.ts';
import { ApiError } from './api-error.ts';

/** The kinds of patches that are taken, by their content type. */
const PATCHES: ReadonlyMap<string, (object: JsonObject, patch: unknown) => unknown> = new Map([
  ['application/merge-patch+json', merged],
  // Of the same meaning here: what could be merged by key is no list.
  ['application/strategic-merge-patch+json', merged],
  ['application/json-patch+json', patched],
]);

/**
 * What a patch makes of the pin: true sets it, false takes it away, null leaves it.
 * @throws ApiError 400, 409, 415, 422: whatever else it changes is not for clients to change.
 */
export function pinIn(checkpoint: Checkpoint, contentType: string, patch: unknown): boolean | null {
  const apply = PATCHES.get(contentType);
  if (apply === undefined) {
    throw new ApiError(
      415,
      `a patch of type ${JSON.stringify(contentType)} is not taken; send ${[...PATCHES.keys()].join(', ')}`,
    );
  }
  if (isUnwieldy(patch)) throw new ApiError(400, 'the patch is too deep or too large');
  const before: unknown = JSON.parse(JSON.stringify(checkpoint));
  if (!isObject(before)) throw new Error('a checkpoint is an object');
  const after = apply(before, patch);
  if (!isObject(after)) throw new ApiError(422, 'the patch leaves no object');
  requireSameVersion(before, after);
  const labels = pinLabelsOf(after);
  if (!isSame(withoutLabels(before), withoutLabels(after))) {
    const message = `only the label ${PINNED_LABEL} can be changed; all else is what the node says of the archive`;
    throw ApiError.invalid('metadata', message, checkpoint.metadata.name);
  }
  const value = labels === undefined ? false : labels === 'true';
  return value === checkpoint.status.pinned ? null : value;
}

/** Its label; undefined where it has none. @throws ApiError 422 for other labels, and other values. */
function pinLabelsOf(object: JsonObject): string | undefined {
  const labels = fieldsAt(object, 'labels');
  for (const [key, value] of Object.entries(labels)) {
    if (key !== PINNED_LABEL) {
      throw ApiError.invalid(`metadata.labels[${key}]`, `only ${PINNED_LABEL} can be kept; leave it out`);
    }
    if (value !== 'true') {
      throw ApiError.invalid(`metadata.labels[${key}]`, 'is "true", or is not there; take it away to unpin');
    }
  }
  const value = own(labels, PINNED_LABEL);
  return typeof value === 'string' ? value : undefined;
}

function fieldsAt(object: JsonObject, key: string): JsonObject {
  const metadata = own(object, 'metadata');
  const value = isObject(metadata) ? own(metadata, key) : undefined;
  return isObject(value) ? value : {};
}

function requireSameVersion(before: JsonObject, after: JsonObject): void {
  const [one, other] = [before, after].map((each) => {
    const metadata = own(each, 'metadata');
    return isObject(metadata) ? own(metadata, 'resourceVersion') : undefined;
  });
  if (one === other || other === undefined) return;
  throw new ApiError(409, 'the checkpoint has changed since that resourceVersion; read it again');
}

/** Without what clients add by themselves, too. */
function withoutLabels(object: JsonObject): object {
  const metadata = own(object, 'metadata');
  if (!isObject(metadata)) return object;
  const { labels: _, annotations, managedFields: __, resourceVersion: ___, ...rest } = metadata;
  const hasAnnotations = isObject(annotations) && Object.keys(annotations).length > 0;
  return { ...object, metadata: { ...rest, ...(hasAnnotations && { annotations }) } };
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** RFC 7386. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, merged(result.get(key), value));
  }
  return Object.fromEntries(result);
}

/** RFC 6902, as far as objects go: an index of a list is none that could be changed. */
function patched(object: JsonObject, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError(400, 'a JSON patch is a list of operations');
  return patch.reduce<unknown>((value, operation) => {
    if (!isObject(operation)) throw new ApiError(400, 'an operation of the JSON patch is no object');
    const [kind, path] = [own(operation, 'op'), own(operation, 'path')];
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw new ApiError(400, `the path ${JSON.stringify(path)} of the JSON patch is none`);
    }
    const keys = path
      .slice(1)
      .split('/')
      .map((each) => each.replaceAll('~1', '/').replaceAll('~0', '~'));
    return operated(value, keys, kind, own(operation, 'value'), path);
  }, object);
}

function operated(
  target: unknown,
  [key = '', ...rest]: readonly string[],
  kind: unknown,
  value: unknown,
  path: string,
): unknown {
  if (!isObject(target)) throw new ApiError(422, `there is nothing at ${path}`);
  const fields = new Map(Object.entries(target));
  if (rest.length > 0) {
    // A label is added to an object without any, as kubectl's own patches of labels presume.
    const inner = fields.get(key) ?? (key === 'labels' && kind === 'add' ? {} : undefined);
    fields.set(key, operated(inner, rest, kind, value, path));
    return Object.fromEntries(fields);
  }
  const isThere = fields.has(key);
  if (kind !== 'add' && !isThere) throw new ApiError(422, `there is nothing at ${path}`);
  if (kind === 'test' && !isSame(fields.get(key), value)) {
    throw new ApiError(422, `the test of ${path} in the JSON patch failed`);
  }
  if (kind === 'remove') fields.delete(key);
  else if (kind === 'add' || kind === 'replace') fields.set(key, value);
  else if (kind !== 'test') throw new ApiError(400, `the operation ${JSON.stringify(kind)} is not taken`);
  return Object.fromEntries(fields);
}
