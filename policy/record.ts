import { fromJson, isObject, type JsonObject, own, text } from './json.ts';
import { readResource } from './read.ts';
import { API_VERSION, CONFIRM_ANNOTATION, KIND } from './schema.ts';
import type { PolicyResource } from './types.ts';

/** A resource as JSON that the same one can be read from again (`resourceOf`), in another process. */
export function recordOf(resource: PolicyResource): JsonObject {
  const { reference, authority, createdAt, confirmed, canonicalSpec, sound } = resource;
  const { file, ...names } = reference;
  return {
    metadata: {
      ...names,
      ...(createdAt > 0 && { creationTimestamp: new Date(createdAt).toISOString() }),
      ...(confirmed.length > 0 && { annotations: { [CONFIRM_ANNOTATION]: confirmed.join(',') } }),
    },
    ...(file !== undefined && { file }),
    authority,
    sound,
    spec: canonicalSpec,
  };
}

/** Null where the record is none, or its resource would not read as it did: nothing may come to delete more by that. */
export function resourceOf(record: unknown): PolicyResource | null {
  if (!isObject(record)) return null;
  const [authority, file] = [own(record, 'authority'), own(record, 'file')];
  if (authority !== 'administrator' && authority !== 'tenant') return null;
  const spec = fromJson(text(own(record, 'spec')));
  const document = { apiVersion: API_VERSION, kind: KIND, metadata: own(record, 'metadata'), spec };
  const { resource } = readResource(document, { authority, ...(typeof file === 'string' && { file }) });
  return resource?.sound === own(record, 'sound') ? resource : null;
}
