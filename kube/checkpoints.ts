import { CHECKPOINT_API, PINNED_LABEL } from '../policy/checkpoint-object.ts';
import { fieldsOf, type JsonObject, own } from '../policy/json.ts';
import type { Instant } from '../policy/types.ts';
import type { KubeClient, KubeRequest } from './client.ts';
import { KubeError, statusError } from './error.ts';
import { at, numberAt, textAt } from './objects.ts';

/** What the plan of its node says of an archive; a younger server may know further rules. */
export interface ShownVerdict {
  readonly action: 'keep' | 'delete';
  readonly rule: string;
  readonly reason: string;
}

/** An archive as the aggregated API tells of it, flat. */
export interface ListedCheckpoint {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly pod: string;
  readonly container: string;
  readonly node: string;
  /** File name on the node; empty where there is none yet. */
  readonly archive: string;
  readonly bytes: number;
  /** Null where the answer does not say. */
  readonly createdAt: Instant | null;
  readonly runtime: string | null;
  /** `namespace/shop`; null where none governs it. */
  readonly policy: string | null;
  /** Null while its node does not know its policies. */
  readonly verdict: ShownVerdict | null;
  readonly pinned: boolean;
  readonly tainted: boolean;
  /** As it came. */
  readonly object: JsonObject;
}

export interface CheckpointQuery {
  /** Null: all. */
  readonly namespace: string | null;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface CheckpointList {
  readonly items: readonly ListedCheckpoint[];
  readonly resourceVersion: string;
}

export interface CheckpointEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly checkpoint: ListedCheckpoint;
}

export interface CheckpointRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Of the checkpoint itself; absent: the kubelet's own. */
  readonly timeoutSeconds?: number;
}

/** Archives as objects, through the API server. All reject with a KubeError. */
export interface Checkpoints {
  /** @param onWarning told of nodes that did not answer */
  list(query: CheckpointQuery, onWarning?: (text: string) => void): Promise<CheckpointList>;
  /** Ends when the server ends it, or with a KubeError of status 410 when the version is too old. */
  watch(
    query: CheckpointQuery,
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<CheckpointEvent>>;
  get(namespace: string, name: string): Promise<ListedCheckpoint>;
  /** @param dryRun says what would happen, and takes none */
  create(
    request: CheckpointRequest,
    options: Pick<KubeRequest, 'timeoutMs' | 'onWarning' | 'signal'> & { readonly dryRun: boolean },
  ): Promise<ListedCheckpoint>;
  pin(namespace: string, name: string, pinned: boolean): Promise<ListedCheckpoint>;
}

const BASE = `/apis/${CHECKPOINT_API.groupVersion}`;
/** Archives of one page. */
const PAGE = 500;
/** All nodes are asked in parallel, with a deadline of their own. */
const LIST_MS = 30_000;
/** Bookmarks come each minute. */
const IDLE_MS = 150_000;

export function checkpointsOf(client: KubeClient): Checkpoints {
  return {
    async list({ namespace, ...selectors }, onWarning) {
      const items: ListedCheckpoint[] = [];
      let next: string | undefined;
      for (;;) {
        const page = await client.request({
          path: collection(namespace),
          query: { ...selectors, limit: PAGE, continue: next },
          timeoutMs: LIST_MS,
          ...(onWarning && { onWarning }),
        });
        const found = at(page, 'items');
        if (!Array.isArray(found)) throw new KubeError(`the list of checkpoints was answered without items`);
        for (const each of found) items.push(checkpointIn(each));
        next = textAt(page, 'metadata', 'continue') || undefined;
        if (next === undefined)
          return { items, resourceVersion: textAt(page, 'metadata', 'resourceVersion') };
      }
    },
    async watch({ namespace, ...selectors }, resourceVersion, signal) {
      const query = { ...selectors, watch: true, resourceVersion, allowWatchBookmarks: true };
      const path = collection(namespace);
      return eventsIn(await client.stream({ path, query, signal, idleMs: IDLE_MS, timeoutMs: LIST_MS }));
    },
    async get(namespace, name) {
      return checkpointIn(await client.request({ path: objectPath(namespace, name), timeoutMs: LIST_MS }));
    },
    async create({ namespace, pod, container, timeoutSeconds }, { dryRun, ...options }) {
      const spec = { podName: pod, containerName: container, ...(timeoutSeconds && { timeoutSeconds }) };
      const { groupVersion, kind } = CHECKPOINT_API;
      const answer = await client.request({
        method: 'POST',
        path: collection(namespace),
        ...(dryRun && { query: { dryRun: 'All' } }),
        body: { apiVersion: groupVersion, kind, metadata: { namespace }, spec },
        ...options,
      });
      return checkpointIn(answer);
    },
    async pin(namespace, name, pinned) {
      const labels = { [PINNED_LABEL]: pinned ? 'true' : null };
      const answer = await client.request({
        method: 'PATCH',
        path: objectPath(namespace, name),
        contentType: 'application/merge-patch+json',
        body: { metadata: { labels } },
        timeoutMs: LIST_MS,
      });
      return checkpointIn(answer);
    },
  };
}

function collection(namespace: string | null): string {
  const inside = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${BASE}${inside}/${CHECKPOINT_API.plural}`;
}

function objectPath(namespace: string, name: string): string {
  return `${collection(namespace)}/${encodeURIComponent(name)}`;
}

async function* eventsIn(lines: AsyncIterable<unknown>): AsyncGenerator<CheckpointEvent> {
  for await (const line of lines) {
    const type = textAt(line, 'type');
    const object = at(line, 'object');
    if (type === 'ERROR') throw statusError('the watch of checkpoints', object) ?? new KubeError('it failed');
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') continue;
    yield { type, checkpoint: checkpointIn(object) };
  }
}

/** @throws KubeError when that is no Checkpoint */
export function checkpointIn(value: unknown): ListedCheckpoint {
  const object = fieldsOf(value);
  // Items of a list need not repeat their kind.
  const kind = own(object, 'kind') ?? CHECKPOINT_API.kind;
  if (kind !== CHECKPOINT_API.kind)
    throw new KubeError(`${textAt(object, 'kind')} was answered for a Checkpoint`);
  const createdAt = Date.parse(textAt(object, 'status', 'createdAt'));
  const isPinned = textAt(object, 'metadata', 'labels', PINNED_LABEL) === 'true';
  return {
    name: textAt(object, 'metadata', 'name'),
    namespace: textAt(object, 'metadata', 'namespace'),
    uid: textAt(object, 'metadata', 'uid'),
    resourceVersion: textAt(object, 'metadata', 'resourceVersion'),
    pod: textAt(object, 'spec', 'podName'),
    container: textAt(object, 'spec', 'containerName'),
    node: textAt(object, 'spec', 'nodeName'),
    archive: textAt(object, 'status', 'archive'),
    bytes: numberAt(object, 'status', 'sizeBytes') ?? 0,
    createdAt: Number.isNaN(createdAt) ? null : createdAt,
    runtime: textAt(object, 'status', 'runtime') || null,
    policy: textAt(object, 'status', 'policy') || null,
    verdict: verdictIn(at(object, 'status', 'verdict')),
    pinned: isPinned || at(object, 'status', 'pinned') === true,
    tainted: at(object, 'status', 'tainted') === true,
    object,
  };
}

function verdictIn(value: unknown): ShownVerdict | null {
  const action = textAt(value, 'action');
  if (action !== 'keep' && action !== 'delete') return null;
  return { action, rule: textAt(value, 'rule') || 'none', reason: textAt(value, 'reason') };
}
