import type { IncomingMessage } from 'node:http';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { request } from '../../observe/http.ts';
import type { DoorTrust } from './door-authority.ts';

/** How doors are known. */
export interface DoorAccess {
  /** The port on every node. */
  readonly port: number;
  /**
   * The name in every door's certificate. It is one for all: whoever can make up a Node object can name an address, but
   * not show this name there, so he gets no token.
   */
  readonly name: string;
}

/** One request to the door of a node. */
export interface DoorRequest {
  readonly address: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** `Bearer …` */
  readonly authorization: string;
  /** Further ones, of the gateway's own making. */
  readonly headers?: Readonly<Record<string, string>>;
  /** That its answer may have; default that of all. */
  readonly bodyBytes?: number;
  /** Milliseconds from the request to the head of its answer. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What became of it. Texts are for the log. */
export type DoorOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer;
    }
  /** It was never asked: nobody listens there, or not in time. */
  | { readonly kind: 'away'; readonly cause: Error }
  /** It was never asked: whoever listens there is no door that one can trust. */
  | { readonly kind: 'untrusted'; readonly cause: Error }
  /** It was asked, and said nothing in time. */
  | { readonly kind: 'slow' }
  /** It was asked, and the connection broke. */
  | { readonly kind: 'lost'; readonly cause: Error }
  /** What came back is no door's answer. */
  | { readonly kind: 'garbled'; readonly text: string };

export interface DoorClientBounds {
  /** Milliseconds until a connection with its handshake is there. */
  readonly connectMs: number;
  /** From the head of an answer to its end. */
  readonly bodyMs: number;
  /** Of an answer: a path, a sentence, or a verdict. */
  readonly bodyBytes: number;
}

export const DOOR_BOUNDS: DoorClientBounds = { connectMs: 5_000, bodyMs: 10_000, bodyBytes: 64 * 1024 };

const KEEP_ALIVE_MS = 15_000;

/**
 * Doors, each request on a connection of its own: so it is certain of every failure whether the door can have heard of
 * it, nothing is asked twice, and a caller who leaves takes the connection with him.
 */
export class DoorClient {
  readonly #access: DoorAccess;
  readonly #authority: DoorTrust;
  readonly #bounds: DoorClientBounds;

  constructor(access: DoorAccess, authority: DoorTrust, bounds: Partial<DoorClientBounds> = {}) {
    this.#access = access;
    this.#authority = authority;
    this.#bounds = { ...DOOR_BOUNDS, ...bounds };
  }

  /** Rejects with the signal's reason when it is aborted, and when there is no authority to know doors by. */
  async ask(asked: DoorRequest): Promise<DoorOutcome> {
    const context = await this.#authority.current();
    asked.signal.throwIfAborted();
    const connected = await this.#connect(asked, context);
    if ('kind' in connected) return connected;
    const socket = connected;
    const onAbort = () => socket.destroy();
    asked.signal.addEventListener('abort', onAbort, { once: true });
    try {
      const outcome = await this.#exchange(asked, socket);
      asked.signal.throwIfAborted();
      return outcome;
    } finally {
      asked.signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  }

  /** Nothing is sent before the certificate has been found good. */
  async #connect(
    { address, signal }: DoorRequest,
    secureContext: SecureContext,
  ): Promise<TLSSocket | Extract<DoorOutcome, { kind: 'away' | 'untrusted' }>> {
    const { name, port } = this.#access;
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket | { cause: Error; met: boolean }>();
    let met = false;
    const socket = connect({
      host: address,
      port,
      servername: name,
      secureContext,
      // Explicit: an environment variable could turn it off.
      rejectUnauthorized: true,
    });
    const fail = (cause: Error) => resolve({ cause, met });
    const onAbort = () => reject(signal.reason);
    const late = () => fail(new Error(`no connection within ${this.#bounds.connectMs} ms`));
    const timer = setTimeout(late, this.#bounds.connectMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      met = true;
      socket.setNoDelay(true);
      // A node that dies is noticed while its door works.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
    });
    socket.once('secureConnect', () => resolve(socket));
    // Stays: an error behind the answer must not end the process.
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('the connection was closed')));
    let result: TLSSocket | { cause: Error; met: boolean } | null = null;
    try {
      result = await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (result !== socket) socket.destroy();
    }
    if (!('met' in result)) return result;
    const { cause } = result;
    return { kind: result.met && !isOfNetwork(cause) ? 'untrusted' : 'away', cause };
  }

  async #exchange(asked: DoorRequest, socket: TLSSocket): Promise<DoorOutcome> {
    const { bodyMs } = this.#bounds;
    const { bodyBytes = this.#bounds.bodyBytes } = asked;
    const { promise, resolve } = Promise.withResolvers<IncomingMessage | DoorOutcome>();
    const timer = setTimeout(() => resolve({ kind: 'slow' }), asked.waitMs);
    const outgoing = request({
      createConnection: () => socket,
      method: asked.method,
      path: asked.path,
      // Nothing of the caller's but his credential.
      headers: {
        host: this.#access.name,
        accept: 'application/json',
        'user-agent': 'checkpoint-warden',
        connection: 'close',
        authorization: asked.authorization,
        ...asked.headers,
      },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', (cause) => resolve({ kind: 'lost', cause }));
    outgoing.end();
    const first = await promise;
    clearTimeout(timer);
    if ('kind' in first) return first;
    const late = setTimeout(() => socket.destroy(), bodyMs);
    try {
      const body = await bodyOf(first, bodyBytes);
      if (body === null) return { kind: 'garbled', text: `an answer of more than ${bodyBytes} bytes` };
      return answered(first, body);
    } catch (cause) {
      return { kind: 'lost', cause: cause instanceof Error ? cause : new Error(String(cause)) };
    } finally {
      clearTimeout(late);
    }
  }
}

/** What the network says, as against what TLS says. */
function isOfNetwork(cause: Error): boolean {
  const code = 'code' in cause ? String(cause.code) : '';
  return code === '' || (/^E[A-Z]+$/.test(code) && !code.startsWith('EPROTO'));
}

async function bodyOf(response: IncomingMessage, most: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > most) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Headers of a door's answer that its caller is to see. */
const PASSED = /^(?:content-type|retry-after|www-authenticate|checkpoint-warden-[a-z-]+)$/;

function answered({ statusCode = 0, headers }: IncomingMessage, body: Buffer): DoorOutcome {
  if (statusCode !== 200 && (statusCode < 400 || statusCode > 599)) {
    return { kind: 'garbled', text: `status ${statusCode}` };
  }
  const passed = Object.entries(headers).flatMap(([name, value]) =>
    PASSED.test(name) && typeof value === 'string' ? [[name, value] as const] : [],
  );
  return { kind: 'answered', status: statusCode, headers: Object.fromEntries(passed), body };
}
