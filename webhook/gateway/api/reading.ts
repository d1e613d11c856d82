import { NODE_DIGITS, nodeDigits } from '../../../kube/node-digits.ts';
import type { Log } from '../../../kube/types.ts';
import { CHECKPOINT_API, type Checkpoint } from '../../../policy/checkpoint-object.ts';
import { checkpointOf, listedArchiveIn } from '../../../policy/listed-archive.ts';
import type { Instant } from '../../../policy/types.ts';
import { ApiError, statusObject } from './api-error.ts';
import { type ApiCall, answer, begin, silentNodes, warnings, write } from './call.ts';
import { type Form, formOf } from './form.ts';
import { Interrupted, Listing, type Position, positionOf } from './listing.ts';
import type { NodeArchives, NodePlace } from './node-archives.ts';
import { fieldSelector, labelSelector } from './selectors.ts';
import { COLUMNS, metadataOf, rowOf } from './table.ts';
import { Watching } from './watching.ts';

export interface ReadingOptions {
  readonly nodes: NodeArchives;
  readonly now: () => Instant;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  /** Milliseconds that a node has for a page of a list; default 3,000. */
  readonly deadlineMs?: number;
  /** Milliseconds between bookmarks; default 30,000. */
  readonly bookmarkMs?: number;
}

const DEADLINE_MS = 3_000;
const BOOKMARK_MS = 30_000;
/** With a selector that few match, a page ends before it is full. */
const MOST_SEEN = 5_000;
/** A node whose clock is behind by more does not set back the version of a list. */
const SKEW_US = 300_000_000;
const LONGEST_WATCH_S = 3_600;
const DEFAULT_WATCH_S = 1_800;

/** Where a checkpoint is. */
export interface Located {
  readonly place: NodePlace;
  readonly checkpoint: Checkpoint;
}

/** What a list or a watch asks for. */
interface Selection {
  readonly form: Form;
  readonly namespace: string | null;
  readonly matches: (checkpoint: Checkpoint) => boolean;
  /** What the nodes can be asked for at once. */
  readonly narrowed: { readonly nodeName?: string; readonly namespace?: string; readonly pod?: string };
}

/** Reads checkpoints from the nodes: one, lists in pages, and watches. */
export class Reading {
  readonly #options: ReadingOptions;
  /** Nodes that did not answer the last list. */
  readonly #silent = new Set<string>();

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  async get(call: ApiCall, namespace: string, name: string): Promise<void> {
    const form = formOf(call.accept, call.query.get('includeObject'));
    const { checkpoint } = await this.find(namespace, name, call.signal);
    answer(call, 200, this.#shown(checkpoint, form));
  }

  /**
   * Asks those nodes that can have a checkpoint of this name. @throws ApiError 404 when they say that they have not,
   * and 503 when one does not answer: no answer is not a no.
   */
  async find(namespace: string, name: string, signal: AbortSignal): Promise<Located> {
    const { nodes, deadlineMs = DEADLINE_MS } = this.#options;
    const digits = /-([0-9a-f]{16})$/.exec(name)?.[1]?.slice(0, NODE_DIGITS);
    const places = nodes.nodes().filter(({ node }) => nodeDigits(node) === digits);
    if (!/^[a-z0-9-]{1,63}$/.test(name)) throw ApiError.notFound(name);
    const errors: unknown[] = [];
    const found = await Promise.all(
      places.map(async (place) => {
        try {
          const route = { kind: 'get', namespace, name } as const;
          const late = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
          const archive = listedArchiveIn((await nodes.ask(place, route, null, deadlineMs, late)).value);
          return archive === null ? null : { place, checkpoint: checkpointOf(archive, place.node) };
        } catch (error) {
          if (!(error instanceof ApiError && error.fields.code === 'noArchive')) errors.push(error);
          return null;
        }
      }),
    );
    const first = found.find((each) => each !== null);
    if (first) return first;
    signal.throwIfAborted();
    const [error] = errors;
    if (error === undefined) throw ApiError.notFound(name);
    if (error instanceof ApiError) throw error;
    const which = places.map(({ node }) => node).join(', ');
    throw new ApiError(503, `node ${which}, which would have it, does not answer`, { cause: error });
  }

  async list(call: ApiCall, namespace: string | null): Promise<void> {
    const selection = selectionOf(call, namespace);
    this.#requireVersion(call);
    const limit = countIn(call.query, 'limit') || null;
    const token = call.query.get('continue');
    const start = token ? readToken(token) : null;
    const silent: string[] = [];
    const listing = await this.#open(selection, start?.position ?? null, limit, silent, call.signal);
    const version = start?.version ?? this.#versionOf(listing);
    begin(call, warnings(silentNodes(silent)));
    const form = selection.form.kind;
    const head =
      form === 'Table'
        ? `{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":${JSON.stringify(COLUMNS)},"rows":[`
        : form === 'Metadata'
          ? '{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":['
          : `{"kind":"${CHECKPOINT_API.listKind}","apiVersion":"${CHECKPOINT_API.groupVersion}","items":[`;
    await write(call, head);
    const next = await this.#writeItems(call, selection, listing, limit);
    const metadata = {
      resourceVersion: String(version),
      ...(next !== null && { continue: tokenText(version, next) }),
    };
    call.response.end(`],"metadata":${JSON.stringify(metadata)}}\n`);
  }

  /** @returns where the next page begins; null at the end. */
  async #writeItems(
    call: ApiCall,
    { form, matches }: Selection,
    listing: Listing,
    limit: number | null,
  ): Promise<Position | null> {
    let [written, seen] = [0, 0];
    let last: Position | null = null;
    try {
      for await (const found of listing.found()) {
        if (limit !== null && (written >= limit || seen >= MOST_SEEN)) return last;
        seen += 1;
        const checkpoint = checkpointOf(found.archive, found.node);
        last = positionOf(found);
        if (!matches(checkpoint)) continue;
        const item =
          form.kind === 'Table'
            ? rowOf(checkpoint, this.#options.now(), form.include)
            : this.#shown(checkpoint, form);
        await write(call, `${written > 0 ? ',' : ''}${JSON.stringify(item)}`);
        written += 1;
      }
    } catch (error) {
      // The next page names the node that is gone; a list without pages cannot, so it breaks off.
      if (error instanceof Interrupted && limit !== null && last !== null) return last;
      throw error;
    }
    return null;
  }

  async watch(call: ApiCall, namespace: string | null): Promise<void> {
    const selection = selectionOf(call, namespace);
    this.#requireVersion(call);
    const { query } = call;
    const given = query.get('resourceVersion') ?? '';
    const sendsInitial = isTrue(query.get('sendInitialEvents'));
    const isFromNow = given === '' || given === '0';
    const silent: string[] = [];
    const listing =
      sendsInitial || isFromNow ? await this.#open(selection, null, null, silent, call.signal) : null;
    const since = listing === null ? Number(given) : this.#versionOf(listing);
    const seconds = countIn(query, 'timeoutSeconds') || DEFAULT_WATCH_S;
    const late = AbortSignal.timeout(Math.min(seconds, LONGEST_WATCH_S) * 1_000);
    const signal = AbortSignal.any([call.signal, late]);
    begin(call, warnings(silentNodes(silent)));
    const events = new Events(call, selection, this.#options.now);
    try {
      if (listing !== null) {
        for await (const found of listing.found()) {
          await events.tell('ADDED', checkpointOf(found.archive, found.node));
        }
      }
      if (sendsInitial) await events.bookmark(since, true);
      await this.#follow(events, selection, since, signal, isTrue(query.get('allowWatchBookmarks')));
    } catch (error) {
      if (!signal.aborted) await events.fail(error);
      if (!(error instanceof ApiError) && !signal.aborted) throw error;
    }
    call.response.end();
  }

  async #follow(
    events: Events,
    { narrowed }: Selection,
    since: number,
    signal: AbortSignal,
    wantsBookmarks: boolean,
  ): Promise<void> {
    const { nodes, pause, log, bookmarkMs = BOOKMARK_MS } = this.#options;
    const { pod: _, ...where } = narrowed;
    const watching = new Watching({
      ...{ nodes, pause, log, since, signal, ...where },
      onChange: async (node, { type, version, archive }) => {
        await events.tell(type, checkpointOf({ ...archive, version }, node));
      },
    });
    const bookmarks = async () => {
      while (!signal.aborted) {
        await pause(bookmarkMs, signal);
        if (!signal.aborted) await events.bookmark(watching.version, false);
      }
    };
    await Promise.race([watching.run(), ...(wantsBookmarks ? [bookmarks()] : [])]);
  }

  async #open(
    { narrowed }: Selection,
    after: Position | null,
    limit: number | null,
    silent: string[],
    signal: AbortSignal,
  ): Promise<Listing> {
    const { nodes, log, deadlineMs = DEADLINE_MS } = this.#options;
    const listing = new Listing({
      ...{ nodes, after, limit, deadlineMs, signal, ...narrowed },
      onSilent: (node, err) => {
        silent.push(node);
        if (!this.#silent.has(node))
          log.warn({ node, err }, 'a node does not tell of its archives: lists go without');
        this.#silent.add(node);
      },
      wereSilent: this.#silent,
      onAnswer: (node) => {
        if (this.#silent.delete(node)) log.info({ node }, 'a node tells of its archives again');
      },
    });
    await listing.open();
    silent.sort();
    if (listing.version !== null || silent.length === 0) return listing;
    throw new ApiError(503, `no node answers: ${silentNodes(silent)[0]}`);
  }

  #versionOf({ version }: Listing): number {
    const now = Math.floor(this.#options.now() * 1_000);
    return Math.max(version ?? now, now - SKEW_US);
  }

  /** Lists are as of now; of the past nothing is known. @throws ApiError 400, 410, 504 */
  #requireVersion({ query }: ApiCall): void {
    const given = query.get('resourceVersion') ?? '';
    if (given !== '' && !/^\d{1,16}$/.test(given)) {
      throw new ApiError(400, `resourceVersion ${JSON.stringify(given)} is none that was given here`);
    }
    if (query.get('resourceVersionMatch') === 'Exact') {
      throw new ApiError(410, 'what was at an earlier resourceVersion is not known; list without one');
    }
    if (Number(given) <= this.#options.now() * 1_000 + SKEW_US) return;
    throw new ApiError(504, `Too large resource version: ${given}`, { retryAfterSeconds: 1 });
  }

  #shown(checkpoint: Checkpoint, form: Form): object {
    if (form.kind === 'Object') return checkpoint;
    if (form.kind === 'Metadata') return metadataOf(checkpoint);
    const { resourceVersion } = checkpoint.metadata;
    return tableOf([rowOf(checkpoint, this.#options.now(), form.include)], resourceVersion, true);
  }
}

/** The events of one watch, in the form that its client wants. */
class Events {
  readonly #call: ApiCall;
  readonly #selection: Selection;
  readonly #now: () => Instant;
  #isFirst = true;

  constructor(call: ApiCall, selection: Selection, now: () => Instant) {
    this.#call = call;
    this.#selection = selection;
    this.#now = now;
  }

  async tell(type: 'ADDED' | 'MODIFIED' | 'DELETED', checkpoint: Checkpoint): Promise<void> {
    const { matches, namespace } = this.#selection;
    if (namespace !== null && checkpoint.metadata.namespace !== namespace) return;
    // What a selector does not match any more has left the view of this watch.
    const isMatch = matches(checkpoint);
    if (!isMatch && type !== 'MODIFIED') return;
    await this.#send(isMatch ? type : 'DELETED', this.#form(checkpoint));
  }

  async bookmark(version: number, endsInitial: boolean): Promise<void> {
    const resourceVersion = String(version);
    const annotations = endsInitial ? { 'k8s.io/initial-events-end': 'true' } : undefined;
    const metadata = { resourceVersion, ...(annotations && { annotations }) };
    const { kind } = this.#selection.form;
    const object =
      kind === 'Table'
        ? { ...tableOf([], resourceVersion, false), metadata }
        : kind === 'Metadata'
          ? { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
          : { kind: CHECKPOINT_API.kind, apiVersion: CHECKPOINT_API.groupVersion, metadata };
    await this.#send('BOOKMARK', object);
  }

  async fail(error: unknown): Promise<void> {
    const known =
      error instanceof ApiError
        ? new ApiError(error.status, `${error.message}`, error.fields)
        : new ApiError(500, 'the gateway failed');
    await this.#send('ERROR', statusObject(known));
  }

  #form(checkpoint: Checkpoint): object {
    const { form } = this.#selection;
    if (form.kind === 'Object') return checkpoint;
    if (form.kind === 'Metadata') return metadataOf(checkpoint);
    const rows = [rowOf(checkpoint, this.#now(), form.include)];
    return tableOf(rows, checkpoint.metadata.resourceVersion, this.#isFirst);
  }

  async #send(type: string, object: object): Promise<void> {
    await write(this.#call, `${JSON.stringify({ type, object })}\n`);
    this.#isFirst = false;
  }
}

/** Columns are told once. */
function tableOf(rows: readonly object[], resourceVersion: string, hasColumns: boolean): object {
  return {
    ...{ kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: { resourceVersion } },
    columnDefinitions: hasColumns ? COLUMNS : null,
    rows,
  };
}

function selectionOf({ query, accept }: ApiCall, namespace: string | null): Selection {
  const labels = labelSelector(query.get('labelSelector') ?? '');
  const fields = fieldSelector(query.get('fieldSelector') ?? '');
  const [nodeName, pod] = [fields.only('spec.nodeName'), fields.only('spec.podName')];
  const inNamespace = namespace ?? fields.only('metadata.namespace');
  return {
    form: formOf(accept, query.get('includeObject')),
    namespace,
    matches: (checkpoint) => labels(checkpoint.metadata.labels ?? {}) && fields.matches(checkpoint),
    narrowed: {
      ...(nodeName !== undefined && { nodeName }),
      ...(inNamespace !== undefined && { namespace: inNamespace }),
      // A pod of every namespace is sought among all.
      ...(pod !== undefined && inNamespace !== undefined && { pod }),
    },
  };
}

/** 0 for none. @throws ApiError 400 */
function countIn(query: URLSearchParams, name: string): number {
  const value = query.get(name) ?? '';
  if (value === '') return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new ApiError(400, `${name}=${JSON.stringify(value)} is no count`);
}

export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}

function tokenText(version: number, { namespace, pod, file, node }: Position): string {
  return Buffer.from(JSON.stringify([1, version, namespace, pod, file, node])).toString('base64url');
}

/** @throws ApiError 400 */
function readToken(token: string): { readonly version: number; readonly position: Position } {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(value) && value.length === 6 && value[0] === 1 && Number.isSafeInteger(value[1])) {
      const [namespace, pod, file, node] = value.slice(2).map(String);
      if (namespace && pod && file && node) {
        return { version: Number(value[1]), position: { namespace, pod, file, node } };
      }
    }
  } catch {
    // Told below, as whatever else is none.
  }
  throw new ApiError(400, 'continue is no token that was given here; list from the beginning');
}
