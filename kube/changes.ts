import { fieldsOf, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';

export interface ChangesOptions {
  readonly client: KubeClient;
  /** Of the collection. */
  readonly path: string;
  /** Of the one object that is watched; the right to `watch` may be limited to it. */
  readonly name: string;
  /** The object may have changed, or have gone. Whoever is told looks for himself. */
  onChange(resourceVersion: string): void;
  /** The watch failed for the first time, or by another reason. */
  onFailure(error: unknown): void;
  /** Waits that many milliseconds; rejects when the signal says so. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly random: () => number;
}

/** The server ends a watch after this to twice this long. */
const WATCH_SECONDS = 600;
/** The API server's bookmarks come each minute. */
const IDLE_MS = 90_000;
const LEAST_BACKOFF_MS = 1_000;
const MOST_BACKOFF_MS = 300_000;

/**
 * Tells that one object may have changed. Nothing is listed or kept: a watch is a hint, and whoever gets it reads the
 * object. A watch that is broken is made again, ever more slowly.
 * @returns a function that ends it.
 */
export function watchChanges(options: ChangesOptions): () => Promise<void> {
  const ending = new AbortController();
  const running = run(options, ending.signal);
  return async () => {
    ending.abort();
    await running;
  };
}

async function run(options: ChangesOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await watchOnce(options, signal, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures === 1) options.onFailure(error);
    }
    const most = Math.min(LEAST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), MOST_BACKOFF_MS);
    // Rejects only when it is ended.
    await options.sleep(most * (0.5 + options.random() / 2), signal).catch(() => {});
  }
}

async function watchOnce(
  { client, path, name, onChange, random }: ChangesOptions,
  signal: AbortSignal,
  onContact: () => void,
): Promise<void> {
  const timeoutSeconds = Math.ceil(WATCH_SECONDS * (1 + random()));
  const fieldSelector = `metadata.name=${name}`;
  // From whatever the API server's cache holds. Without a version it would be a watch that bookmarks never reach.
  const resourceVersion = '0';
  const query = { watch: true, allowWatchBookmarks: true, resourceVersion, fieldSelector, timeoutSeconds };
  const events = await client.stream({ path, query, idleMs: IDLE_MS, signal });
  for await (const event of events) {
    const type = text(own(fieldsOf(event), 'type'));
    if (type === 'ERROR') throw new KubeError(`the watch of ${path} (${name}) was answered with an error`);
    onContact();
    if (type === 'BOOKMARK') continue;
    const metadata = fieldsOf(own(fieldsOf(own(fieldsOf(event), 'object')), 'metadata'));
    onChange(text(own(metadata, 'resourceVersion')));
  }
}
