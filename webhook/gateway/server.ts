import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Certificate } from '../../certs/source.ts';
import type { Log } from '../../kube/types.ts';
import { answerToBroken, brokenConnections } from '../../observe/broken-connections.ts';
import { STATUS_CODES } from '../../observe/http.ts';
import type { Instant } from '../../policy/types.ts';
import { secureContextOf, type TlsVersion } from '../tls.ts';
import type { Bounds } from './bounds.ts';
import { Handshakes } from './handshakes.ts';
import { listen } from './listening.ts';
import type { GatewayMetrics } from './metrics.ts';
import { type Ask, CallerLeft, type Reply } from './reply.ts';
import { systemTimers } from './timers.ts';

export interface GatewayServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly certificate: Certificate;
  readonly minTlsVersion: TlsVersion;
  readonly bounds: Bounds;
  readonly handle: (ask: Ask) => Promise<Reply>;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  readonly now: () => Instant;
}

export interface GatewayServer {
  readonly address: string;
  readonly port: number;
  /** Connections outlive the change. */
  setCertificate(certificate: Certificate): void;
  /**
   * Takes no new connection, ends those that have had their last answer, and tells the others to end with theirs.
   * Resolves when none is left.
   */
  close(): Promise<void>;
  /** Ends all connections, whatever they carry. */
  cut(): void;
}

/** Milliseconds. */
const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const IDLE_MS = 65_000;
const CHECK_MS = 1_000;
/** A token of a service account takes 1 to 2 KiB, one of a large organization 8. */
const HEADER_BYTES = 16 * 1024;
const HEADERS = 64;
const REQUESTS_OF_CONNECTION = 1_000;

/** Serves the gateway over TLS. Rejects when the address cannot be had. */
export async function startGatewayServer(options: GatewayServerOptions): Promise<GatewayServer> {
  const { certificate, minTlsVersion, bounds } = options;
  const server = createServer({
    ...secureContextOf(certificate, minTlsVersion),
    handshakeTimeout: HANDSHAKE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: HEADERS_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: CHECK_MS,
    maxHeaderSize: HEADER_BYTES,
    insecureHTTPParser: false,
    requireHostHeader: true,
    // Dead callers are noticed while a door works.
    keepAlive: true,
  });
  server.maxHeadersCount = HEADERS;
  server.maxRequestsPerSocket = REQUESTS_OF_CONNECTION;
  // Before whatever else meets connections here.
  const handshakes = new Handshakes(server, bounds, systemTimers);
  const state = { closing: false };
  serveRequests(server, options, state);
  tellBroken(server, options);
  const { address, port, close, cut } = await listen(server, handshakes, options);
  return {
    ...{ address, port, cut },
    setCertificate: (next) => server.setSecureContext(secureContextOf(next, minTlsVersion)),
    close() {
      state.closing = true;
      return close();
    },
  };
}

const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

function serveRequests(
  server: Server,
  { handle, log }: GatewayServerOptions,
  state: { readonly closing: boolean },
): void {
  const busy = new WeakMap<Socket, number>();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const others = busy.get(socket) ?? 0;
    busy.set(socket, others + 1);
    const leaving = new AbortController();
    response.once('close', () => {
      busy.set(socket, (busy.get(socket) ?? 1) - 1);
      if (!response.writableFinished) leaving.abort(new CallerLeft('the caller has gone'));
    });
    // A caller who leaves breaks the answer off; that he did is told by `close`.
    response.on('error', () => {});
    const answer = ({ status, headers, body }: Reply) => {
      if (response.destroyed) return;
      response.writeHead(status, {
        ...{ ...COMMON, ...headers },
        'content-length': Buffer.byteLength(body),
        ...(state.closing && { connection: 'close' }),
      });
      response.end(body);
    };
    handle(askOf(request, others > 0, leaving.signal))
      .then(answer)
      .catch((err: unknown) => {
        log.error({ err }, 'an answer could not be written');
        response.destroy();
      });
  };
  server.on('request', serve);
  // Neither gets a `100 Continue`: what expects one is refused.
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);
  // What a tunnel would carry is never read.
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    handle(askOf(request, false, new AbortController().signal)).then((reply) => endWith(socket, reply));
  });
}

function askOf(request: IncomingMessage, pipelined: boolean, signal: AbortSignal): Ask {
  const { method, url, httpVersion, rawHeaders, headers, socket } = request;
  const from = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '');
  return {
    method,
    url,
    httpVersion,
    rawHeaders,
    authorization: headers.authorization,
    pipelined,
    from,
    signal,
  };
}

/** What is no HTTP gets a sentence, and the connection ends. One line a minute for each reason. */
function tellBroken(server: Server, { metrics, log, now }: GatewayServerOptions): void {
  const tell = brokenConnections((reason) => metrics.brokenConnections.inc({ reason }), log, now);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Node leaves a handshake that ran out of time to whoever listens.
    socket.destroy();
    tell(
      error,
      'a connection to the gateway failed in its TLS handshake; does the caller trust the authority?',
    );
  });
  const told = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What goes on coming is an error each time, and must not cut the answer to the first.
    if (told.has(socket)) return;
    told.add(socket);
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    tell(error, 'a caller of the gateway sent what is no HTTP/1.1');
    endWith(socket, answerToBroken(error));
  });
}

/** That a caller may go on sending after a last answer. */
const LINGER_MS = 1_000;

/** An answer on a connection that carries no further one. */
function endWith(socket: Duplex, { status, headers, body }: Reply): void {
  const all = { ...COMMON, ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {});
  // What is left unread would reset the connection, and the answer with it.
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  systemTimers.after(LINGER_MS, () => socket.destroy());
}
