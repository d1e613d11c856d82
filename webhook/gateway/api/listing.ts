import { MOST_LISTED } from '../../../policy/archive-routes.ts';
import {
  type ArchivePage,
  archivePageIn,
  byPosition,
  compare,
  type ListedArchive,
  type ListPosition,
} from '../../../policy/listed-archive.ts';
import { ApiError } from './api-error.ts';
import type { NodeArchives, NodePlace } from './node-archives.ts';

/** An archive and where it is. */
export interface Found {
  readonly node: string;
  readonly archive: ListedArchive;
}

/** Behind which archive of which node a list goes on. */
export interface Position extends ListPosition {
  readonly node: string;
}

export interface ListingOptions {
  readonly nodes: Pick<NodeArchives, 'ask' | 'nodes'>;
  /** The one node that is asked; absent: all. */
  readonly nodeName?: string;
  readonly namespace?: string;
  readonly pod?: string;
  readonly after: Position | null;
  /** How many are wanted; null for all. */
  readonly limit: number | null;
  /** Milliseconds that a node has for a page. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** A node that did not answer at first. */
  readonly onSilent: (node: string, error: unknown) => void;
  /** Nodes that were silent a moment ago: they have a part of the time. */
  readonly wereSilent?: ReadonlySet<string>;
  readonly onAnswer?: (node: string) => void;
}

/** Archives that the gateway holds for one list at a time, of all nodes together. */
const MOST_HELD = 4_000;
const LEAST_OF_NODE = 16;
const NODES_AT_ONCE = 32;
/** Of the time of others, for a node that did not answer before. */
const SILENT_SHARE = 1 / 6;

/** One node's part of a list: a page of it at a time. */
interface Source {
  readonly place: NodePlace;
  items: readonly ListedArchive[];
  next: number;
  more: boolean;
}

/** A node answered before and does not now: what was listed stays, and a page can end there. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * The archives of all nodes in one order: namespace, pod, file, node. Every node gives a page of its own, in
 * parallel; they are merged as they are read, and a node's next page is fetched when its last one is used up. So what
 * is held does not grow with what there is.
 */
export class Listing {
  readonly #options: ListingOptions;
  readonly #chunk: number;
  readonly #places: readonly NodePlace[];
  #sources: Source[] = [];
  /** The least version of the nodes that answered; null where none did. */
  version: number | null = null;

  constructor(options: ListingOptions) {
    this.#options = options;
    const { nodes, nodeName, limit } = options;
    this.#places = nodes.nodes().filter(({ node }) => nodeName === undefined || node === nodeName);
    const share = Math.floor(MOST_HELD / Math.max(1, this.#places.length));
    const wanted = limit === null ? MOST_LISTED : limit + 1;
    this.#chunk = Math.min(MOST_LISTED, wanted, Math.max(LEAST_OF_NODE, share));
  }

  /** Asks every node for its first page. Resolves when all have answered, or their time is over. */
  async open(): Promise<void> {
    const waiting = this.#places.values();
    // With many silent nodes, each of their deadlines would come behind another.
    const late = AbortSignal.timeout(2 * this.#options.deadlineMs);
    const work = async () => {
      for (const place of waiting) {
        if (late.aborted) this.#options.onSilent(place.node, late.reason);
        else await this.#openOne(place);
      }
    };
    await Promise.all(Array.from({ length: NODES_AT_ONCE }, work));
    this.#options.signal.throwIfAborted();
  }

  /** @throws Interrupted */
  async *found(): AsyncGenerator<Found> {
    for (;;) {
      let first: Source | null = null;
      for (const source of this.#sources) if (first === null || isBefore(source, first)) first = source;
      const archive = first?.items[first.next];
      if (first === null || archive === undefined) return;
      first.next += 1;
      yield { node: first.place.node, archive };
      await this.#advance(first, archive);
    }
  }

  /** How many archives are held now. */
  get held(): number {
    return this.#sources.reduce((sum, { items, next }) => sum + items.length - next, 0);
  }

  async #openOne(place: NodePlace): Promise<void> {
    const { after, onSilent, signal } = this.#options;
    try {
      const page = await this.#fetch(place, startFor(place.node, after));
      this.#options.onAnswer?.(place.node);
      this.version = Math.min(this.version ?? page.version, page.version);
      const items = page.items.filter((each) => after === null || isBehind(each, place.node, after));
      const source = { place, items, next: 0, more: page.more };
      const last = page.items.at(-1);
      if (items.length === 0 && page.more && last) await this.#refill(source, last);
      if (source.items.length > 0) this.#sources.push(source);
    } catch (error) {
      if (!signal.aborted) onSilent(place.node, error);
    }
  }

  /** A source without an item to come is done with. */
  async #advance(source: Source, last: ListedArchive): Promise<void> {
    if (source.next < source.items.length) return;
    if (source.more) {
      try {
        await this.#refill(source, last);
      } catch (cause) {
        this.#options.signal.throwIfAborted();
        throw new Interrupted(`node ${source.place.node} does not answer any more`, { cause });
      }
    }
    if (source.next >= source.items.length) this.#sources = this.#sources.filter((each) => each !== source);
  }

  async #refill(source: Source, after: ListPosition): Promise<void> {
    const page = await this.#fetch(source.place, after);
    source.items = page.items;
    source.next = 0;
    source.more = page.more && page.items.length > 0;
  }

  async #fetch(place: NodePlace, after: ListPosition | null): Promise<ArchivePage> {
    const { nodes, namespace, pod, signal, wereSilent } = this.#options;
    const share = wereSilent?.has(place.node) ? SILENT_SHARE : 1;
    const deadlineMs = Math.ceil(share * this.#options.deadlineMs);
    const late = AbortSignal.timeout(deadlineMs);
    const where = { ...(namespace !== undefined && { namespace }), ...(pod !== undefined && { pod }) };
    const route = { kind: 'list', limit: this.#chunk, after, ...where } as const;
    const { value } = await nodes.ask(place, route, null, deadlineMs, AbortSignal.any([signal, late]));
    const page = archivePageIn(value);
    if (page !== null) return page;
    throw new ApiError(502, `the door of node ${place.node} gave an answer that is none`);
  }
}

/**
 * Where a node is asked from. Of a name that two nodes have, those of later nodes are still to come: they begin a
 * little before it, and what is before is left out.
 */
function startFor(node: string, after: Position | null): ListPosition | null {
  if (after === null) return null;
  const { namespace, pod, file } = after;
  const isDone = compare(node, after.node) <= 0;
  return { namespace, pod, file: isDone || file.length < 2 ? file : file.slice(0, -1) };
}

function isBehind(archive: ListedArchive, node: string, after: Position): boolean {
  return (byPosition(archive, after) || compare(node, after.node)) > 0;
}

function isBefore(one: Source, other: Source): boolean {
  const [first, second] = [one.items[one.next], other.items[other.next]];
  if (first === undefined || second === undefined) return second === undefined;
  return (byPosition(first, second) || compare(one.place.node, other.place.node)) < 0;
}

export function positionOf({ node, archive: { namespace, pod, file } }: Found): Position {
  return { namespace, pod, file, node };
}
