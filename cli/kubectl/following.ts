import { setTimeout as delay } from 'node:timers/promises';
import type { CheckpointEvent, CheckpointQuery, ListedCheckpoint } from '../../kube/checkpoints.ts';
import { KubeError } from '../../kube/error.ts';
import type { Session } from './session.ts';

/** One archive that came, changed or went. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly checkpoint: ListedCheckpoint;
}

/** Waits so many milliseconds; resolves early when the signal says so. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

const pauseFor: Sleep = (ms, signal) => delay(ms, undefined, { signal }).catch(() => {});

const PAUSE_MS = 1_000;
const MOST_PAUSE_MS = 30_000;

/**
 * The archives that there are, then each change until the signal; a watch that ends is made again, and one whose
 * version is forgotten is made good by a list.
 *
 * @param started told of those that there are at first
 */
export async function* follow(
  { checkpoints, warn }: Session,
  query: CheckpointQuery,
  signal: AbortSignal,
  started: (items: readonly ListedCheckpoint[]) => void,
  sleep: Sleep = pauseFor,
): AsyncGenerator<Change> {
  const first = await checkpoints.list(query, warn);
  const known = new Map(first.items.map((each) => [each.uid, each]));
  started(first.items);
  let version = first.resourceVersion;
  let pause = PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const event of await checkpoints.watch(query, version, signal)) {
        pause = PAUSE_MS;
        version = event.checkpoint.resourceVersion || version;
        if (event.type === 'BOOKMARK') continue;
        yield* taken(event, known);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      pause = Math.min(pause * 2, MOST_PAUSE_MS);
    }
    await sleep(pause, signal);
    if (signal.aborted) return;
    try {
      const again = await checkpoints.list(query, warn);
      version = again.resourceVersion;
      yield* differences(again.items, known);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }
}

/** What may be otherwise in a moment: no answer, an expired version, a server that is starting. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status === null || error.status === 410 || error.status === 429 || error.status >= 500;
}

function* taken(
  { type, checkpoint }: CheckpointEvent,
  known: Map<string, ListedCheckpoint>,
): Generator<Change> {
  if (type === 'BOOKMARK') return;
  const former = known.get(checkpoint.uid);
  if (type === 'DELETED') {
    known.delete(checkpoint.uid);
    yield { type, checkpoint };
    return;
  }
  known.set(checkpoint.uid, checkpoint);
  if (former !== undefined && isSame(former, checkpoint)) return;
  yield { type: former === undefined ? 'ADDED' : 'MODIFIED', checkpoint };
}

function* differences(
  items: readonly ListedCheckpoint[],
  known: Map<string, ListedCheckpoint>,
): Generator<Change> {
  const there = new Set(items.map(({ uid }) => uid));
  for (const [uid, checkpoint] of [...known]) {
    if (there.has(uid)) continue;
    known.delete(uid);
    yield { type: 'DELETED', checkpoint };
  }
  for (const checkpoint of items) yield* taken({ type: 'MODIFIED', checkpoint }, known);
}

function isSame(one: ListedCheckpoint, other: ListedCheckpoint): boolean {
  return JSON.stringify(one.object) === JSON.stringify(other.object);
}
