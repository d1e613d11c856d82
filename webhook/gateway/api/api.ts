import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../../../kube/types.ts';
import { CallerLeft } from '../reply.ts';
import { ApiError, statusObject } from './api-error.ts';
import { type ApiCall, answer } from './call.ts';
import { aggregatedDiscovery, groupList, groupObject, resourceList } from './discovery.ts';
import { callerOf, type FrontProxy } from './front-proxy.ts';
import type { ApiMetrics } from './metrics.ts';
import { OPENAPI, tagOf } from './openapi.ts';
import { isTrue, type Reading } from './reading.ts';
import { readApiPath } from './route.ts';
import type { Writing } from './writing.ts';

/** How much of each kind may be under way: what a list holds is bounded, so all lists together are. */
export interface ApiBounds {
  readonly lists: number;
  readonly watches: number;
  /** All else but documents. */
  readonly others: number;
}

export const API_BOUNDS: ApiBounds = { lists: 8, watches: 64, others: 128 };

export interface ApiOptions {
  readonly frontProxy: () => FrontProxy | null;
  readonly reading: Reading;
  readonly writing: Writing;
  readonly bounds: ApiBounds;
  readonly metrics: ApiMetrics;
  readonly log: Log;
}

/** The API server sends no more than 3 MiB; a checkpoint or a patch of one has a few hundred bytes. */
const MOST_BODY = 256 * 1024;
const BODY_MS = 10_000;

type Kind = keyof ApiBounds;

/** From a request of the API server's to its answer, each step's failure being one, too. */
export class Api {
  readonly #options: ApiOptions;
  readonly #underWay: Record<Kind, number> = { lists: 0, watches: 0, others: 0 };
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  get underWay(): Readonly<Record<Kind, number>> {
    return this.#underWay;
  }

  /** Never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const running = this.#handle(request, response);
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** Ends watches; resolves when all else has its answer. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CallerLeft('the gateway closes'));
    await Promise.all(this.#running);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, log } = this.#options;
    const leaving = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) leaving.abort(new CallerLeft('the caller has gone'));
    });
    response.on('error', () => {});
    let verb = 'unknown';
    try {
      verb = await this.#pass(request, response, leaving.signal, (known) => {
        verb = known;
      });
    } catch (error) {
      this.#fail(request, response, error, leaving.signal.aborted);
    }
    const isLeft = leaving.signal.aborted;
    metrics.requests.inc({ verb, status: isLeft ? 'left' : String(response.statusCode) });
    if (!response.writableEnded && !response.destroyed) {
      log.error({ verb }, 'a request of the API server was left without an end');
      response.destroy();
    }
  }

  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    leaving: AbortSignal,
    onVerb: (verb: string) => void,
  ): Promise<string> {
    const user = callerOf(request, this.#options.frontProxy());
    const { method = '', url = '', headers } = request;
    const [plain = '', query = ''] = url.split(/\?(.*)/s, 2);
    const path = readApiPath(plain);
    if (path === null) throw new ApiError(404, `there is nothing at ${JSON.stringify(plain.slice(0, 200))}`);
    const call: ApiCall = {
      ...{ method, path, user, response },
      query: new URLSearchParams(query),
      accept: headers.accept,
      contentType: (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
      body: () => bodyOf(request),
      signal: leaving,
    };
    const verb = verbOf(call);
    onVerb(verb);
    await this.#dispatch(call, verb, headers['if-none-match']);
    return verb;
  }

  async #dispatch(call: ApiCall, verb: string, knownTag: string | undefined): Promise<void> {
    const { path } = call;
    const { reading, writing } = this.#options;
    switch (path.kind) {
      case 'groups':
        return answer(call, 200, ...groupsFor(call.accept));
      case 'group':
        return answer(call, 200, groupObject());
      case 'resources':
        return answer(call, 200, resourceList());
      case 'openapi2':
        return documented(call, OPENAPI.v2, knownTag);
      case 'openapi3':
        return documented(call, OPENAPI.index, knownTag);
      case 'openapi3Group':
        return documented(call, OPENAPI.v3, knownTag);
      case 'collection': {
        const { namespace } = path;
        if (verb === 'list') return this.#within('lists', () => reading.list(call, namespace));
        if (verb === 'watch') {
          // Watches alone end with the gateway: the rest is waited for.
          const signal = AbortSignal.any([call.signal, this.#stopping.signal]);
          return this.#within('watches', () => reading.watch({ ...call, signal }, namespace));
        }
        if (verb === 'create' && namespace !== null) {
          return this.#within('others', () => writing.create(call, namespace, null));
        }
        break;
      }
      case 'object': {
        const { namespace, name } = path;
        if (verb === 'get') return this.#within('others', () => reading.get(call, namespace, name));
        if (verb === 'delete') return this.#within('others', () => writing.delete(call, namespace, name));
        if (verb === 'patch') return this.#within('others', () => writing.patch(call, namespace, name));
        break;
      }
      case 'podCheckpoint': {
        const { namespace, pod } = path;
        if (verb === 'create') return this.#within('others', () => writing.create(call, namespace, pod));
        break;
      }
    }
    throw new ApiError(405, `${call.method} is not served there`);
  }

  async #within(kind: Kind, run: () => Promise<void>): Promise<void> {
    const most = this.#options.bounds[kind];
    if (this.#underWay[kind] >= most) {
      const what = kind === 'others' ? 'requests' : kind;
      throw new ApiError(429, `${most} ${what} are under way, and no more may; try again in a moment`, {
        retryAfterSeconds: 1,
      });
    }
    this.#underWay[kind] += 1;
    try {
      await run();
    } finally {
      this.#underWay[kind] -= 1;
    }
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown, isLeft: boolean): void {
    const { log } = this.#options;
    if (isLeft || error instanceof CallerLeft) {
      response.destroy();
      return;
    }
    const known =
      error instanceof ApiError ? error : new ApiError(500, 'the gateway failed', { cause: error });
    const { status, message, fields } = known;
    if (status >= 500 && status !== 507) {
      const url = (request.url ?? '').split('?', 1)[0];
      log.error({ method: request.method, path: url, status, err: fields.cause ?? error }, message);
    }
    if (response.headersSent) {
      // A list that cannot be gone on with must not look whole.
      response.destroy();
      return;
    }
    // A header Retry-After would make clients ask again by themselves, for minutes; the object has the seconds.
    answer({ response }, status, statusObject(known), {
      ...(!request.complete && { connection: 'close' }),
      ...(status === 429 && request.method === 'GET' && { 'retry-after': '1' }),
    });
  }
}

function verbOf({ method, path, query }: ApiCall): string {
  if (path.kind !== 'collection' && path.kind !== 'object' && path.kind !== 'podCheckpoint') {
    return method === 'GET' ? 'document' : 'unknown';
  }
  if (method === 'GET' && path.kind === 'collection') return isTrue(query.get('watch')) ? 'watch' : 'list';
  return VERBS.get(method) ?? 'unknown';
}

const VERBS = new Map([
  ['GET', 'get'],
  ['POST', 'create'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

/** Aggregated where it is asked for: the API server prefers it, and falls back. */
function groupsFor(accept: string | undefined): readonly [object, Record<string, string>] {
  const version = /application\/json;g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList/.exec(
    (accept ?? '').replaceAll(' ', ''),
  )?.[1];
  if (version === undefined) return [groupList(), {}];
  const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  return [aggregatedDiscovery(version), { 'content-type': type }];
}

function documented(call: ApiCall, document: string, knownTag: string | undefined): void {
  if (call.method !== 'GET') throw new ApiError(405, `${call.method} is not served there`);
  const etag = tagOf(document);
  if (knownTag === etag) {
    call.response.writeHead(304, { etag }).end();
    return;
  }
  answer(call, 200, document, { etag, vary: 'accept' });
}

/** @throws ApiError 400, 413, 415 */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  const late = setTimeout(() => request.destroy(), BODY_MS);
  try {
    for await (const chunk of request) {
      const bytes = Buffer.from(chunk);
      length += bytes.length;
      if (length > MOST_BODY) throw new ApiError(413, `the body is longer than ${MOST_BODY} bytes`);
      chunks.push(bytes);
    }
  } finally {
    clearTimeout(late);
  }
  if (length === 0) return {};
  const type =
    (request.headers['content-type'] ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !type.endsWith('+json')) {
    throw new ApiError(415, `a body of type ${JSON.stringify(type)} is not taken; send application/json`);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiError(400, 'the body is no JSON');
  }
}
