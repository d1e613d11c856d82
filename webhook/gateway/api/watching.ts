import type { Log } from '../../../kube/types.ts';
import { LONGEST_WAIT_MS } from '../../../policy/archive-routes.ts';
import { type ArchiveChange, archiveChangesIn } from '../../../policy/listed-archive.ts';
import { ApiError } from './api-error.ts';
import type { NodeArchives, NodePlace } from './node-archives.ts';

export interface WatchingOptions {
  readonly nodes: Pick<NodeArchives, 'ask' | 'nodes'>;
  readonly nodeName?: string;
  readonly namespace?: string;
  /** The version behind which it begins. */
  readonly since: number;
  readonly signal: AbortSignal;
  /** Waits so many milliseconds; resolves early when the signal says so. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  /** One at a time; the next waits until it has resolved. */
  readonly onChange: (node: string, change: ArchiveChange) => Promise<void>;
  /** Milliseconds that a poll of a node waits for a change; default 25,000. */
  readonly pollMs?: number;
}

const POLL_MS = 25_000;
/** Behind the poll's own wait, for its answer. */
const LEEWAY_MS = 5_000;
/** Between attempts at a node that does not answer: twice as long each time. */
const LEAST_AGAIN_MS = 1_000;
const MOST_AGAIN_MS = 30_000;
/** How often it is looked whether there are other nodes. */
const NODES_EVERY_MS = 10_000;

/**
 * Follows the changes of all nodes behind a version, by polls that wait. A node that does not answer is tried on; when
 * it is back and does not know any more what was meanwhile, the watch ends as expired, and its client lists anew.
 */
export class Watching {
  readonly #options: WatchingOptions;
  readonly #positions = new Map<string, number>();
  readonly #ending = new AbortController();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: WatchingOptions) {
    this.#options = options;
  }

  /** Up to where all nodes have been heard. */
  get version(): number {
    return this.#positions.size === 0 ? this.#options.since : Math.min(...this.#positions.values());
  }

  /** Resolves when the signal ends it. @throws ApiError 410 when what was missed cannot be told. */
  async run(): Promise<void> {
    const { signal, pause } = this.#options;
    const all = AbortSignal.any([signal, this.#ending.signal]);
    const failed = Promise.withResolvers<never>();
    // Of a failure behind the end nobody wants to know.
    failed.promise.catch(() => {});
    const followed = new Set<string>();
    const follow = async () => {
      while (!all.aborted) {
        for (const place of this.#places()) {
          if (followed.has(place.node)) continue;
          followed.add(place.node);
          // One that is gone may come back.
          this.#follow(place.node, all)
            .catch(failed.reject)
            .finally(() => followed.delete(place.node));
        }
        await pause(NODES_EVERY_MS, all);
      }
    };
    try {
      await Promise.race([follow(), failed.promise]);
    } finally {
      this.#ending.abort();
    }
  }

  #places(): readonly NodePlace[] {
    const { nodes, nodeName } = this.#options;
    return nodes.nodes().filter(({ node }) => nodeName === undefined || node === nodeName);
  }

  async #follow(node: string, signal: AbortSignal): Promise<void> {
    const { pause, log, since } = this.#options;
    this.#positions.set(node, since);
    let againMs = LEAST_AGAIN_MS;
    // The first answer comes at once, so that an expired version is told at once.
    let wait = 0;
    while (!signal.aborted) {
      const place = this.#places().find((each) => each.node === node);
      if (place === undefined) break;
      try {
        await this.#poll(place, wait, signal);
        wait = Math.min(this.#options.pollMs ?? POLL_MS, LONGEST_WAIT_MS);
        againMs = LEAST_AGAIN_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 410) throw error;
        if (againMs === LEAST_AGAIN_MS) log.info({ node, err: error }, 'a node cannot be watched, trying on');
        await pause(againMs, signal);
        againMs = Math.min(2 * againMs, MOST_AGAIN_MS);
      }
    }
    this.#positions.delete(node);
  }

  async #poll(place: NodePlace, wait: number, signal: AbortSignal): Promise<void> {
    const { nodes, namespace } = this.#options;
    const since = this.#positions.get(place.node) ?? this.#options.since;
    const where = namespace === undefined ? {} : { namespace };
    const route = { kind: 'changes', since, wait, ...where } as const;
    const { value } = await nodes.ask(place, route, null, wait + LEEWAY_MS, signal);
    const read = archiveChangesIn(value);
    if (read === null) throw new ApiError(502, `the door of node ${place.node} gave an answer that is none`);
    for (const change of read.changes) await this.#tell(place.node, change, signal);
    this.#positions.set(place.node, read.version);
  }

  /** In turn: of a slow client no node's changes pile up here. */
  async #tell(node: string, change: ArchiveChange, signal: AbortSignal): Promise<void> {
    const before = this.#writing;
    this.#writing = before.then(async () => {
      if (!signal.aborted) await this.#options.onChange(node, change);
    });
    await this.#writing;
  }
}
