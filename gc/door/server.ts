import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { CertificateSource } from '../../certs/source.ts';
import type { Log } from '../../kube/types.ts';
import { answerToBroken, brokenConnections } from '../../observe/broken-connections.ts';
import type { Instant } from '../../policy/types.ts';
import { explain } from '../system/files.ts';
import type { ClientAuthority } from './client-authority.ts';
import { COMMON, Connections, endAfter, endWith } from './connections.ts';
import type { DoorMetrics } from './metrics.ts';
import { certificateOf } from './peer.ts';
import type { Reply } from './reply.ts';
import { type Ask, CallerLeft } from './story.ts';

export interface DoorAddress {
  /** Absent: all addresses of the machine. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Milliseconds and counts within which a connection must keep. */
export interface ServerBounds {
  readonly handshakeMs: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** That a connection stays open without a request. */
  readonly idleMs: number;
  /** How often these are looked at. */
  readonly checkMs: number;
  /** That a caller may go on sending after a last answer, as to CONNECT or to what is no HTTP. */
  readonly lingerMs: number;
  readonly headerBytes: number;
  readonly headers: number;
  readonly connections: number;
  readonly requestsOfConnection: number;
}

/** A token of a service account takes 1 to 2 KiB, one of a large organization 8. */
export const SERVER_BOUNDS: ServerBounds = {
  handshakeMs: 5_000,
  headersMs: 5_000,
  idleMs: 65_000,
  checkMs: 1_000,
  lingerMs: 1_000,
  headerBytes: 16 * 1024,
  headers: 64,
  connections: 1_024,
  requestsOfConnection: 1_000,
};

export interface DoorServerOptions {
  readonly listen: DoorAddress;
  readonly certificates: CertificateSource;
  /** Null: callers come with tokens only. */
  readonly clients: ClientAuthority | null;
  readonly handle: (ask: Ask) => Promise<Reply>;
  readonly metrics: DoorMetrics;
  readonly log: Log;
  readonly now: () => Instant;
  readonly bounds?: Partial<ServerBounds>;
}

export interface DoorServer {
  readonly address: string;
  readonly port: number;
  /** Takes no new connection, and ends those without a request. Resolves when none is left. */
  close(): Promise<void>;
  /** Ends all connections, whatever they carry. */
  cut(): void;
}

/** Serves the door over TLS 1.3. Rejects with a sentence when the address cannot be had. */
export async function startDoorServer(options: DoorServerOptions): Promise<DoorServer> {
  const { certificates, clients } = options;
  const bounds = { ...SERVER_BOUNDS, ...options.bounds };
  const server = createServer({
    ...secureContextOf(certificates, clients),
    requestCert: clients !== null,
    // Whoever has a token needs no certificate; what a bad one is worth, the door says in words.
    rejectUnauthorized: false,
    handshakeTimeout: bounds.handshakeMs,
    headersTimeout: bounds.headersMs,
    requestTimeout: bounds.headersMs,
    keepAliveTimeout: bounds.idleMs,
    connectionsCheckingInterval: bounds.checkMs,
    maxHeaderSize: bounds.headerBytes,
    insecureHTTPParser: false,
    requireHostHeader: true,
    // Dead callers are noticed while the kubelet works.
    keepAlive: true,
  });
  server.maxConnections = bounds.connections;
  server.maxHeadersCount = bounds.headers;
  server.maxRequestsPerSocket = bounds.requestsOfConnection;
  const connections = new Connections(server);
  const busy = new WeakMap<object, number>();
  serveRequests(server, options, busy, bounds.lingerMs);
  tellBroken(server, options, busy, bounds.lingerMs);
  await listen(server, options.listen);
  server.on('error', (error) => {
    options.log.error({ err: error }, 'the door could not take a connection; it goes on listening');
  });
  const reload = () => server.setSecureContext(secureContextOf(certificates, clients));
  const reloadClients = () => {
    reload();
    // Whoever was let in by an authority that is gone shows himself again.
    server.closeIdleConnections();
  };
  const ends = [certificates.onChange(reload), clients?.onChange(reloadClients)];
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the door has no port');
  return {
    address: bound.address,
    port: bound.port,
    async close() {
      for (const end of ends) end?.();
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
    cut: () => connections.cut(),
  };
}

/** Everything each time: `setSecureContext` takes what is left out from Node's defaults. */
function secureContextOf(
  certificates: CertificateSource,
  clients: ClientAuthority | null,
): SecureContextOptions {
  const { certificate, key } = certificates.current();
  return {
    cert: certificate,
    key,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // A resumed session would bring an earlier look at the client's certificate with it.
    secureOptions: constants.SSL_OP_NO_TICKET,
    ...(clients !== null && { ca: clients.current() }),
  };
}

async function listen(server: Server, { host, port }: DoorAddress): Promise<void> {
  server.listen({ port, ...(host !== undefined && { host }) });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const where = `--door ${host?.includes(':') ? `[${host}]` : (host ?? '')}:${port}`;
    const what = `${where} cannot be listened on (${explain(cause)})`;
    throw new Error(`${what}; choose another address or port`, { cause });
  }
}

/** How many requests of a connection are still without an answer. */
type Busy = WeakMap<object, number>;

function serveRequests(server: Server, { handle }: DoorServerOptions, busy: Busy, lingerMs: number): void {
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const others = busy.get(socket) ?? 0;
    busy.set(socket, others + 1);
    const leaving = new AbortController();
    response.once('close', () => {
      busy.set(socket, (busy.get(socket) ?? 1) - 1);
      if (!response.writableFinished) leaving.abort(new CallerLeft('the caller has gone'));
    });
    handle(askOf(request, others > 0, leaving.signal)).then((reply) => {
      const { status, headers, body } = reply;
      // Of a body that is not read, the rest would reset the connection under the answer.
      if (status === 400 && others === 0) {
        request.resume();
        return endWith(socket, reply, lingerMs);
      }
      response.writeHead(status, { ...COMMON, ...headers, 'content-length': Buffer.byteLength(body) });
      response.end(body);
    });
  };
  server.on('request', serve);
  // Neither gets a `100 Continue`: the door refuses what expects one.
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    // Its answer would overtake that of the request before it.
    if (busy.get(request.socket)) return void socket.destroy();
    handle(askOf(request, false, new AbortController().signal)).then((reply) => {
      endWith(socket, reply, lingerMs);
    });
  });
}

function askOf(request: IncomingMessage, pipelined: boolean, signal: AbortSignal): Ask {
  const { method, url, httpVersion, rawHeaders, headers, socket } = request;
  const credentials = { authorization: headers.authorization, certificate: certificateOf(socket) };
  // An IPv4 address, where the door listens on all.
  const from = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '');
  return { method, url, httpVersion, rawHeaders, credentials, pipelined, from, signal };
}

/** What is no HTTP gets a sentence, and the connection ends. One line a minute for each reason. */
function tellBroken(
  server: Server,
  { metrics, log, now }: DoorServerOptions,
  busy: Busy,
  lingerMs: number,
): void {
  const tell = brokenConnections((reason) => metrics.brokenConnections.inc({ reason }), log, now);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Node leaves a handshake that ran out of time to whoever listens.
    socket.destroy();
    tell(error, 'a connection to the door failed in its TLS handshake; does the caller trust the authority?');
  });
  const ending = new WeakSet<object>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What still comes on it is an error each time; it ends when its answer has had time to arrive.
    if (ending.has(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    tell(error, 'a caller of the door sent what is no HTTP/1.1');
    ending.add(socket);
    // An answer of ours would overtake that of the request before it, or be a second one to the same.
    if (busy.get(socket)) return endAfter(socket, lingerMs);
    endWith(socket, answerToBroken(error), lingerMs);
  });
}
