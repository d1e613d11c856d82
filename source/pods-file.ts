import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { configHashOf } from '../kube/pods.ts';
import type { PodFacts, PodLookup } from '../kube/types.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';

/** The pods of a file: what is not in it does not exist. */
export interface PodsFile extends PodLookup {
  /** How many pods the file lists. */
  readonly count: number;
}

/** Bytes of YAML, whose reader takes some 200 times as much memory; JSON has no such bound. */
const MOST_YAML = 4 * 1024 * 1024;
const HOW = 'take it anew with: kubectl get pods -A -o json';

/**
 * Reads the output of `kubectl get pods -A -o json` (or `-o yaml`). What is not in it counts as gone, so it must show
 * that it is whole: JSON by its closing brackets; YAML, and an empty list, by `metadata.resourceVersion`, which
 * kubectl always writes, and in YAML behind the items. One page of a longer list is refused.
 * @throws a sentence for anything else
 */
export async function podsFromFile(path: string): Promise<PodsFile> {
  const source = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Error(`pods file ${path} cannot be read: ${reason(cause)}`, { cause });
  });
  let pods: ReadonlyMap<string, PodFacts>;
  try {
    pods = podsOf(source);
  } catch (cause) {
    throw new Error(`pods file ${path}: ${reason(cause)}; ${HOW}`, { cause });
  }
  return {
    count: pods.size,
    get: async (namespace, name) => pods.get(`${namespace}/${name}`) ?? null,
  };
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'it does not exist';
  return error.message.split('\n')[0] ?? '';
}

function podsOf(source: string): ReadonlyMap<string, PodFacts> {
  const isJson = /^\ufeff?\s*\{/.test(source.slice(0, 1_000));
  const document = isJson ? fromJson(source) : fromYaml(source);
  if (!isObject(document) || own(document, 'apiVersion') !== 'v1') throw new Error('it is no list of pods');
  const kind = own(document, 'kind');
  if (kind === 'Pod') return new Map([podOf(document)]);
  const items = itemsOf(document, kind);
  if (!isJson || items.length === 0) requireWhole(document, items.length === 0);
  // `kubectl get all` lists other kinds, too; a PodList does not name the kind of its items.
  const pods = items.filter((each) => kind === 'PodList' || (isObject(each) && own(each, 'kind') === 'Pod'));
  if (pods.length === 0 && items.length > 0) throw new Error('it lists other things, but no pod');
  return new Map(pods.map(podOf));
}

function fromJson(source: string): unknown {
  try {
    return JSON.parse(source.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw new Error('it is not whole JSON', { cause });
  }
}

function fromYaml(source: string): unknown {
  if (source.length > MOST_YAML) throw new Error(`as YAML it may have ${MOST_YAML} bytes at most`);
  return parse(source);
}

function itemsOf(document: JsonObject, kind: unknown): readonly unknown[] {
  const items = own(document, 'items');
  if (kind !== 'List' && kind !== 'PodList') throw new Error('it is no whole list: kind: List is missing');
  if (!Array.isArray(items)) throw new Error('it has no items');
  const metadata = fieldsOf(own(document, 'metadata'));
  if (text(own(metadata, 'continue')) !== '' || own(metadata, 'remainingItemCount') !== undefined) {
    throw new Error('it is one page of a longer list');
  }
  return items;
}

function requireWhole(document: JsonObject, isEmpty: boolean): void {
  if (typeof own(fieldsOf(own(document, 'metadata')), 'resourceVersion') === 'string') return;
  const why = isEmpty ? 'it lists no pod, by which every archive would be an orphan' : 'it may not be whole';
  throw new Error(`${why}: metadata.resourceVersion, which kubectl always writes, is missing`);
}

function podOf(item: unknown): [key: string, facts: PodFacts] {
  const metadata = fieldsOf(isObject(item) ? own(item, 'metadata') : undefined);
  const [namespace, name, uid] = [own(metadata, 'namespace'), own(metadata, 'name'), own(metadata, 'uid')];
  if (!isObject(item) || !text(namespace) || !text(name) || !text(uid)) {
    throw new Error('it lists a pod without namespace, name or uid');
  }
  return [`${text(namespace)}/${text(name)}`, { uid: text(uid), configHash: configHashOf(item) }];
}
