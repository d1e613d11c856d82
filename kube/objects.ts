import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import type { KubeClient, KubeRequest } from './client.ts';
import { KubeError } from './error.ts';

/** Objects of one page of a list. */
const PAGE = 500;

/** An object of the API server. Rejects with a KubeError, also when the answer is none. */
export async function getObject(client: KubeClient, path: string): Promise<JsonObject> {
  const answer = await client.request({ path });
  if (!isObject(answer)) throw new KubeError(`GET ${path} was answered with no object`);
  return answer;
}

/** Null for whatever is answered 404: no such object, or nothing that is served. Rejects with a KubeError. */
export async function getObjectIfAny(client: KubeClient, path: string): Promise<JsonObject | null> {
  try {
    return await getObject(client, path);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return null;
    throw error;
  }
}

/** Objects of a list, and the version that a watch goes on from. */
export interface ObjectList {
  readonly items: readonly JsonObject[];
  readonly resourceVersion: string;
}

/** All objects of a collection, page by page. Rejects with a KubeError. */
export async function listObjects(
  client: KubeClient,
  path: string,
  query: NonNullable<KubeRequest['query']> = {},
): Promise<ObjectList> {
  const items: JsonObject[] = [];
  let next: string | undefined;
  for (;;) {
    const page = await client.request({ path, query: { limit: PAGE, ...query, continue: next } });
    const found = own(fieldsOf(page), 'items');
    if (!Array.isArray(found)) throw new KubeError(`GET ${path} was answered without items`);
    for (const each of found) items.push(fieldsOf(each));
    const metadata = fieldsOf(own(fieldsOf(page), 'metadata'));
    next = text(own(metadata, 'continue')) || undefined;
    if (next === undefined) return { items, resourceVersion: text(own(metadata, 'resourceVersion')) };
  }
}

/** What stands deep in an object from outside; undefined where the way to it ends. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((each, key) => own(fieldsOf(each), key), value);
}

/** As `at`; the text there, or an empty one. */
export function textAt(value: unknown, ...keys: readonly string[]): string {
  return text(at(value, ...keys));
}

/** As `at`; the objects of the list there, or none. */
export function objectsAt(value: unknown, ...keys: readonly string[]): readonly JsonObject[] {
  const list = at(value, ...keys);
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/** As `at`; the texts of the list there, or none. */
export function textsAt(value: unknown, ...keys: readonly string[]): readonly string[] {
  const list = at(value, ...keys);
  return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
}

/** As `at`; the number there, or null. */
export function numberAt(value: unknown, ...keys: readonly string[]): number | null {
  const found = at(value, ...keys);
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}
