import { setTimeout as delay } from 'node:timers/promises';
import { isObject, type JsonObject, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { KubeError, statusError } from './error.ts';
import type { Log } from './types.ts';

export interface InformerOptions<T> {
  readonly client: KubeClient;
  /** Of the collection: `/apis/criu.org/v1/checkpointrestoreoperators`. */
  readonly path: string;
  /** Which objects of it: `spec.nodeName=node1`. Default: all. */
  readonly fieldSelector?: string;
  /**
   * Called once for each resourceVersion of an object. Must not throw. Where it gives the value again that it gave for
   * the version before, nobody is told of a change.
   */
  readonly parse: (object: JsonObject) => T;
  readonly log?: Log;
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
  /** From 0 to 1; default `Math.random`. */
  readonly random?: () => number;
  /** Waits that many milliseconds between attempts; rejects when the signal says so. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly timing?: Partial<InformerTiming>;
}

/** All in milliseconds but for the page. */
export interface InformerTiming {
  /** Objects of one page of a list; default 500. */
  readonly pageSize: number;
  /** The server ends a watch after this to twice this long; default 300,000. */
  readonly watchMs: number;
  /** A watch without a byte for so long counts as dead; the API server's bookmarks come each minute. Default 75,000. */
  readonly idleMs: number;
  /** Age of the last contact up to which a quiet view counts as fresh; default 90,000. */
  readonly freshMs: number;
  /** How long a view stays fresh while the watch is being made again; default 10,000. */
  readonly lostMs: number;
  /** Waits between attempts grow from the first to the second; default 1,000 and 30,000. */
  readonly leastBackoffMs: number;
  readonly mostBackoffMs: number;
  /** A watch that the server ends sooner counts as failed, lest it be asked without a pause; default 1,000. */
  readonly leastWatchMs: number;
  /** `start` gives up after this; default 30,000. */
  readonly startMs: number;
  /** The first list begins within this time, at random: for those that start on all nodes at once. Default 0. */
  readonly startWithinMs: number;
  /** A list is made anew after this at the latest, whatever the watch says; default an hour. */
  readonly relistMs: number;
}

const TIMING: InformerTiming = {
  pageSize: 500,
  watchMs: 300_000,
  idleMs: 75_000,
  freshMs: 90_000,
  lostMs: 10_000,
  leastBackoffMs: 1_000,
  mostBackoffMs: 30_000,
  leastWatchMs: 1_000,
  startMs: 30_000,
  startWithinMs: 0,
  relistMs: 3_600_000,
};

/** After so many failures in a row the version is not trusted either. */
const FAILURES_BEFORE_RELIST = 5;
/** `start` does not wait for these to mend themselves. */
const HOPELESS: readonly (number | null)[] = [401, 403];

/** How often things happened since the start, for metrics. */
export interface InformerCounts {
  lists: number;
  watches: number;
  failures: number;
}

interface Held<T> {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly value: T;
}

interface Named {
  readonly object: JsonObject;
  /** `shop/quotas` */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * All objects of one collection, kept up to date by a list and a watch. Why it is not the library's informer:
 * docs/adr.
 */
export class Informer<T> {
  readonly counts: InformerCounts = { lists: 0, watches: 0, failures: 0 };
  readonly #options: InformerOptions<T>;
  readonly #timing: InformerTiming;
  readonly #now: () => number;
  readonly #ending = new AbortController();
  readonly #listeners = new Set<() => void>();
  #held = new Map<string, Held<T>>();
  #version: string | null = null;
  #listedAt = 0;
  /** When the view was last known to be what the server has; null before the first list. */
  #contactAt: number | null = null;
  /** Null while a watch is open. */
  #lostAt: number | null = null;
  #failures = 0;
  #notifying = false;
  #running: Promise<void> | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#now = options.now ?? Date.now;
  }

  /** Resolves with the first whole list; rejects when there is none in time, or no right to it. */
  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const begun = this.#now();
    let lastError: unknown;
    const mostMs = this.#timing.startWithinMs + this.#timing.startMs;
    const late = setTimeout(() => reject(lastError ?? new Error('no list in time')), mostMs);
    this.#running = this.#run(resolve, (error) => {
      lastError = error;
      const hopeless = error instanceof KubeError && HOPELESS.includes(error.status);
      if (hopeless || this.#now() - begun >= mostMs) reject(error);
    });
    // Only when it is stopped: then there is nothing to wait for.
    this.#running.then(() => reject(lastError ?? new Error('stopped before the first list')));
    try {
      await promise;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  *values(): Iterable<T> {
    for (const { value } of this.#held.values()) yield value;
  }

  /** @param key `shop/quotas`; of what has no namespace `/node1`. */
  get(key: string): T | undefined {
    return this.#held.get(key)?.value;
  }

  /** Keys, as `shop/quotas`, or `/node1` of what has no namespace, with their values. */
  *entries(): Iterable<readonly [key: string, value: T]> {
    for (const [key, { value }] of this.#held) yield [key, value];
  }

  get size(): number {
    return this.#held.size;
  }

  /** Milliseconds since the view was last known to be the server's; infinite before the first list. */
  staleness(): number {
    return this.#contactAt === null ? Number.POSITIVE_INFINITY : this.#now() - this.#contactAt;
  }

  /** False while nobody can tell whether the objects are still what they were. */
  isFresh(): boolean {
    if (this.#ending.signal.aborted || this.staleness() > this.#timing.freshMs) return false;
    return this.#lostAt === null || this.#now() - this.#lostAt <= this.#timing.lostMs;
  }

  /** Calls back after changes, once for those that come together. @returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(onListed: () => void, onFailure: (error: unknown) => void): Promise<void> {
    const { signal } = this.#ending;
    const { startWithinMs } = this.#timing;
    // Rejects only when the informer ends.
    if (startWithinMs > 0) await this.#sleep(startWithinMs * this.#random()).catch(() => {});
    while (!signal.aborted) {
      try {
        if (this.#version === null || this.#now() - this.#listedAt > this.#timing.relistMs) {
          this.#version = null;
          await this.#list();
          onListed();
        }
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        this.#lostAt ??= this.#now();
        this.#fail(error);
        onFailure(error);
        // Rejects only when the informer ends.
        await this.#pause().catch(() => {});
      }
    }
  }

  #fail(error: unknown): void {
    this.#failures += 1;
    this.counts.failures += 1;
    if (mustRelist(error) || this.#failures >= FAILURES_BEFORE_RELIST) this.#version = null;
    const fields = { err: error, path: this.#options.path, failures: this.#failures };
    // A version that is too old, and a watch that breaks once, are everyday.
    if (this.#failures === 1) this.#options.log?.info(fields, 'watch broken, making it again');
    else if (this.#failures === 2)
      this.#options.log?.warn(fields, 'the API server cannot be watched, trying on');
  }

  async #pause(): Promise<void> {
    const { leastBackoffMs, mostBackoffMs } = this.#timing;
    const most = Math.min(leastBackoffMs * 2 ** (this.#failures - 1), mostBackoffMs);
    await this.#sleep(most * (0.5 + this.#random() / 2));
  }

  async #sleep(ms: number): Promise<void> {
    const sleep = this.#options.sleep ?? ((time, signal) => delay(time, undefined, { signal }));
    await sleep(ms, this.#ending.signal);
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }

  async #list(): Promise<void> {
    const { client, path, fieldSelector } = this.#options;
    const held = new Map<string, Held<T>>();
    let version: string;
    let next = '';
    do {
      const query = {
        limit: this.#timing.pageSize,
        continue: next || undefined,
        ...(fieldSelector !== undefined && { fieldSelector }),
      };
      const page = await client.request({ path, query, signal: this.#ending.signal });
      const metadata = isObject(page) ? own(page, 'metadata') : undefined;
      const items = isObject(page) ? own(page, 'items') : undefined;
      version = isObject(metadata) ? text(own(metadata, 'resourceVersion')) : '';
      if (!isObject(metadata) || version === '' || !Array.isArray(items)) {
        throw new KubeError(`GET ${path} was answered with something that is no list`);
      }
      for (const item of items) held.set(...this.#take(item));
      next = text(own(metadata, 'continue'));
    } while (next !== '');
    this.counts.lists += 1;
    this.#listedAt = this.#now();
    this.#contact();
    this.#version = version;
    const changed =
      held.size !== this.#held.size ||
      [...held].some(([key, { value }]) => this.#held.get(key)?.value !== value);
    this.#held = held;
    if (changed) this.#notify();
  }

  async #watch(): Promise<void> {
    const { client, path, fieldSelector } = this.#options;
    const { watchMs, idleMs, leastWatchMs } = this.#timing;
    const timeoutSeconds = Math.ceil((watchMs * (1 + this.#random())) / 1_000);
    const begun = this.#now();
    // The server should end it by itself before that.
    const signal = AbortSignal.any([
      this.#ending.signal,
      AbortSignal.timeout(timeoutSeconds * 1_000 + idleMs),
    ]);
    const events = await client.stream({
      path,
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: this.#version ?? '',
        timeoutSeconds,
        ...(fieldSelector !== undefined && { fieldSelector }),
      },
      idleMs,
      signal,
    });
    this.counts.watches += 1;
    this.#contact();
    for await (const event of events) this.#event(event);
    if (this.#now() - begun < leastWatchMs) throw new KubeError(`the watch of ${path} ended at once`);
    this.#recover();
  }

  #event(event: unknown): void {
    const type = isObject(event) ? own(event, 'type') : undefined;
    const object = isObject(event) ? own(event, 'object') : undefined;
    if (type === 'ERROR') {
      throw statusError(`the watch of ${this.#options.path}`, object) ?? new KubeError('the watch broke');
    }
    if (type === 'BOOKMARK') {
      this.#version = versionOf(object) || this.#version;
    } else if (type === 'ADDED' || type === 'MODIFIED') {
      const [key, held] = this.#take(object);
      const former = this.#held.get(key);
      this.#held.set(key, held);
      if (former?.value !== held.value) this.#notify();
      this.#version = held.resourceVersion;
    } else if (type === 'DELETED') {
      const { key, resourceVersion } = this.#nameOf(object);
      if (this.#held.delete(key)) this.#notify();
      this.#version = resourceVersion;
    } else {
      throw new KubeError(`the watch of ${this.#options.path} brought an event of no known type`);
    }
    this.#recover();
    this.#contact();
  }

  #recover(): void {
    if (this.#failures > 1) {
      this.#options.log?.info({ path: this.#options.path }, 'the API server is watched again');
    }
    this.#failures = 0;
  }

  /** The object's key and what is held of it; the same thing again for the same version. */
  #take(item: unknown): [key: string, held: Held<T>] {
    const { object, key, uid, resourceVersion } = this.#nameOf(item);
    const former = this.#held.get(key);
    if (former?.uid === uid && former.resourceVersion === resourceVersion) return [key, former];
    return [key, { uid, resourceVersion, value: this.#options.parse(object) }];
  }

  #nameOf(object: unknown): Named {
    const metadata = isObject(object) ? own(object, 'metadata') : undefined;
    const resourceVersion = versionOf(object);
    if (!isObject(object) || !isObject(metadata) || resourceVersion === '') {
      throw new KubeError(`${this.#options.path} holds something that is no object of the API server`);
    }
    const key = `${text(own(metadata, 'namespace'))}/${text(own(metadata, 'name'))}`;
    return { object, key, uid: text(own(metadata, 'uid')), resourceVersion };
  }

  #contact(): void {
    this.#contactAt = this.#now();
    this.#lostAt = null;
  }

  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    setImmediate(() => {
      this.#notifying = false;
      if (this.#ending.signal.aborted) return;
      for (const listener of this.#listeners) listener();
    });
  }
}

function versionOf(object: unknown): string {
  const metadata = isObject(object) ? own(object, 'metadata') : undefined;
  return isObject(metadata) ? text(own(metadata, 'resourceVersion')) : '';
}

/** The version is gone (410), malformed (400), or from a future that the server has not seen (504). */
function mustRelist(error: unknown): boolean {
  return error instanceof KubeError && [400, 404, 410, 504].includes(error.status ?? 0);
}
