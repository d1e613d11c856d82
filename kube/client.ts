import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Credentials, type Identity } from './credentials.ts';
import { KubeError, statusError } from './error.ts';
import { type Access, inCluster, readKubeconfig } from './kubeconfig.ts';
import { jsonLines } from './lines.ts';
import type { Log } from './types.ts';

/** One call of the API server. */
export interface KubeRequest {
  /** Default GET. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/v1/namespaces/shop/pods/cart`; segments are encoded by the caller. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`; a PATCH says which kind it is. */
  readonly contentType?: string;
  /** Milliseconds until the whole answer must be there; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Told of each warning that the answer carries, as kubectl prints them. */
  readonly onWarning?: (text: string) => void;
  /** A call without effect, which may be sent again when a kept connection turns out to be closed; default: GET. */
  readonly repeatable?: boolean;
}

export interface WatchRequest extends Pick<KubeRequest, 'path' | 'query' | 'signal'> {
  /** Milliseconds until the answer must have begun; default 10,000. */
  readonly timeoutMs?: number;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly idleMs: number;
}

/** The API server, as one identity. */
export interface KubeClient {
  /** `https://10.96.0.1:443`, for messages. */
  readonly server: string;
  /** The answer's JSON. Rejects with a `KubeError` for any status but 2xx, and when there is no answer. */
  request(request: KubeRequest): Promise<unknown>;
  /** Resolves when the server has begun to answer; each value is one line of the stream, read as JSON. */
  stream(request: WatchRequest): Promise<AsyncIterable<unknown>>;
  /** Ends every call and connection. */
  close(): void;
}

export interface ClientOptions {
  /** Who to be and where, already read; then neither a kubeconfig nor a pod is asked. */
  readonly access?: Access;
  /** Path of a kubeconfig; absent: the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  /** A context of the kubeconfig; absent: its current one. */
  readonly context?: string;
  /** Default for `timeoutMs` of requests. */
  readonly timeoutMs?: number;
  readonly log?: Log;
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

const TIMEOUT_MS = 10_000;
/** Bytes of an answer: a page of 500 objects of 200 KB. */
const MOST_BYTES = 100 * 1024 * 1024;
/** Attempts where kept connections turn out to be closed. */
const MOST_ATTEMPTS = 3;

/** Rejects with a sentence when the configuration is missing or cannot be used. Makes no call. */
export async function createClient(options: ClientOptions = {}): Promise<KubeClient> {
  const { kubeconfig, context, log, now = Date.now, timeoutMs = TIMEOUT_MS } = options;
  const access =
    options.access ?? (kubeconfig === undefined ? inCluster() : await readKubeconfig(kubeconfig, context));
  const credentials = new Credentials(access, log, now);
  await credentials.current().catch((error: unknown) => {
    const message = `the credentials for ${access.server.origin} cannot be used: ${reason(error)}`;
    throw new Error(message, { cause: error });
  });
  return new HttpsClient(access.server, credentials, timeoutMs);
}

class HttpsClient implements KubeClient {
  readonly server: string;
  readonly #base: URL;
  readonly #credentials: Credentials;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();

  constructor(base: URL, credentials: Credentials, timeoutMs: number) {
    this.server = base.origin;
    this.#base = base;
    this.#credentials = credentials;
    this.#timeoutMs = timeoutMs;
  }

  async request(request: KubeRequest): Promise<unknown> {
    const call = this.#begin(request, request.timeoutMs);
    try {
      const response = await this.#send(call, request);
      if (request.onWarning !== undefined) warningsOf(response).forEach(request.onWarning);
      return parsed(call, await bodyOf(call, response));
    } catch (error) {
      throw call.explain(error);
    } finally {
      call.end();
    }
  }

  async stream(request: WatchRequest): Promise<AsyncIterable<unknown>> {
    const call = this.#begin(request, request.timeoutMs);
    try {
      const response = await this.#send(call, request);
      if (response.statusCode === 200) return this.#lines(call, response, request.idleMs);
      parsed(call, await bodyOf(call, response));
      throw new KubeError(`${call.what} was answered ${response.statusCode} and not with a stream`);
    } catch (error) {
      call.end();
      throw call.explain(error);
    }
  }

  close(): void {
    this.#closing.abort();
    this.#credentials.close();
  }

  async *#lines(call: Call, response: IncomingMessage, idleMs: number): AsyncGenerator<unknown> {
    try {
      call.deadline(idleMs);
      for await (const line of jsonLines(response)) {
        call.deadline(idleMs);
        yield line;
      }
    } catch (error) {
      throw call.explain(error);
    } finally {
      call.end();
      response.destroy();
    }
  }

  #begin(request: KubeRequest, timeoutMs = this.#timeoutMs): Call {
    const { method = 'GET', path, query = {}, signal } = request;
    const url = new URL(this.#base);
    url.pathname = `${this.#base.pathname.replace(/\/$/, '')}${path}`;
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const call = new Call(method, url, [this.#closing.signal, ...(signal ? [signal] : [])]);
    call.deadline(timeoutMs);
    return call;
  }

  async #send(call: Call, request: KubeRequest): Promise<IncomingMessage> {
    const repeatable = request.repeatable ?? call.method === 'GET';
    for (let attempt = 1; ; attempt += 1) {
      const identity = await call.unlessAborted(this.#credentials.current());
      try {
        const response = await exchange(call, request, identity);
        if (response.statusCode === 401) this.#credentials.invalidate();
        return response;
      } catch (error) {
        if (!(repeatable && error instanceof StaleConnection && attempt < MOST_ATTEMPTS)) throw error;
      }
    }
  }
}

/** One call under way: its address, and what may end it. */
class Call {
  readonly method: string;
  readonly url: URL;
  /** `GET https://10.96.0.1/api/v1/…`, for messages. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly #late = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(method: string, url: URL, signals: readonly AbortSignal[]) {
    this.method = method;
    this.url = url;
    this.what = `${method} ${url.origin}${url.pathname}`;
    this.signal = AbortSignal.any([this.#late.signal, ...signals]);
  }

  /** From now on; each call sets it anew. */
  deadline(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#late.abort(new KubeError(`${this.what} had no answer for ${ms / 1000} s`));
    }, ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** A promise that cannot be cancelled, but need not be waited for. */
  async unlessAborted<T>(promise: Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(this.signal.reason);
    this.signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([promise, aborted]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }

  /** The error to hand on: the deadline's where it ended the call. */
  explain(error: unknown): unknown {
    if (this.#late.signal.aborted) return this.#late.signal.reason;
    if (error instanceof KubeError) return error;
    if (this.signal.aborted) return new KubeError(`${this.what} was given up`, { cause: error });
    const cause = error instanceof StaleConnection ? error.cause : error;
    return new KubeError(`${this.what} had no answer: ${reason(cause)}`, { cause });
  }
}

/** Of OpenSSL's errors the words alone. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('library' in error && 'reason' in error) return String(error.reason);
  return error.message.split('\n')[0] ?? '';
}

/** A kept connection that the server had closed already. */
class StaleConnection extends Error {}

function exchange(call: Call, request: KubeRequest, { agent, headers }: Identity): Promise<IncomingMessage> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(call.url, {
      method: call.method,
      agent,
      signal: call.signal,
      headers: {
        Accept: 'application/json',
        'User-Agent': 'checkpoint-warden',
        ...Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, headerValue(value)])),
        ...(body !== undefined && {
          'Content-Type': request.contentType ?? 'application/json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
    });
    outgoing.once('response', (response) => {
      // Whoever reads the body gets the error; without a listener it would end the process before that.
      response.on('error', () => {});
      resolve(response);
    });
    outgoing.on('error', (error) => {
      const stale =
        outgoing.reusedSocket && 'code' in error && ['ECONNRESET', 'EPIPE'].includes(String(error.code));
      reject(stale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    outgoing.end(body);
  });
}

function headerValue(value: string | readonly string[]): string | string[] {
  return typeof value === 'string' ? value : [...value];
}

/** RFC 7234: `299 - "text"`, with quotes and backslashes escaped; several are joined by commas. */
function warningsOf({ headers }: IncomingMessage): string[] {
  const texts = (headers.warning ?? '').matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g);
  return Array.from(texts, ([, text = '']) => text.replace(/\\(.)/g, '$1'));
}

async function bodyOf(call: Call, response: IncomingMessage): Promise<{ status: number; text: string }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MOST_BYTES)
      throw new KubeError(`${call.what} was answered with more than ${MOST_BYTES} bytes`);
    chunks.push(bytes);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parsed({ what }: Call, { status, text }: { status: number; text: string }): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    const not = `${what} was answered ${status} with something that is not JSON, so not by an API server`;
    throw new KubeError(not, { status, cause });
  }
  if (status >= 200 && status < 300) return body;
  throw statusError(what, body, status) ?? new KubeError(`${what} was answered ${status}`, { status });
}
