import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';

/** What a path of the API server's asks for. */
export type ApiPath =
  | { readonly kind: 'groups' | 'group' | 'resources' | 'openapi2' | 'openapi3' | 'openapi3Group' }
  | { readonly kind: 'collection'; readonly namespace: string | null }
  | { readonly kind: 'object'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'podCheckpoint'; readonly namespace: string; readonly pod: string };

const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const SUBDOMAIN = '[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?';
const BASE = `/apis/${CHECKPOINT_API.groupVersion}`;
const IN_NAMESPACE = `${BASE}/namespaces/(${LABEL})`;
const OBJECT = new RegExp(`^${IN_NAMESPACE}/checkpoints/(${SUBDOMAIN})$`);
const COLLECTION = new RegExp(`^${IN_NAMESPACE}/checkpoints$`);
const POD = new RegExp(`^${IN_NAMESPACE}/pods/(${SUBDOMAIN})/checkpoint$`);

const FIXED: ReadonlyMap<string, ApiPath> = new Map<string, ApiPath>([
  ['/apis', { kind: 'groups' }],
  [`/apis/${CHECKPOINT_API.group}`, { kind: 'group' }],
  [BASE, { kind: 'resources' }],
  [`${BASE}/checkpoints`, { kind: 'collection', namespace: null }],
  ['/openapi/v2', { kind: 'openapi2' }],
  ['/openapi/v3', { kind: 'openapi3' }],
  [`/openapi/v3${BASE}`, { kind: 'openapi3Group' }],
]);

/**
 * Reads a path without its query. Nothing is decoded: names need no encoding, so what has one is nobody's. A slash at
 * the end is left out.
 */
export function readApiPath(path: string): ApiPath | null {
  const plain = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  const fixed = FIXED.get(plain);
  if (fixed !== undefined) return fixed;
  const object = OBJECT.exec(plain);
  if (object !== null) return { kind: 'object', namespace: object[1] ?? '', name: object[2] ?? '' };
  const collection = COLLECTION.exec(plain);
  if (collection !== null) return { kind: 'collection', namespace: collection[1] ?? '' };
  const pod = POD.exec(plain);
  if (pod !== null) return { kind: 'podCheckpoint', namespace: pod[1] ?? '', pod: pod[2] ?? '' };
  return null;
}
