import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CertificateSource } from '../certs/source.ts';
import { BOUNDS, type Bounds, type Shed } from './bounds.ts';
import { Connections } from './connections.ts';
import type { Timings } from './timings.ts';
import { secureContextOf, type TlsVersion } from './tls.ts';

/** A server while it runs. */
export interface RunningServer {
  readonly address: string;
  readonly port: number;
  /**
   * Goes on serving for `timings.drain`, but tells every caller to close; then takes no new connection, ends
   * what is in flight, and cuts what has not ended after `timings.finish`.
   */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly app: RequestListener;
  readonly certificates: CertificateSource;
  readonly minTlsVersion: TlsVersion;
  readonly timings: Timings;
  readonly bounds?: Bounds;
  /** A connection gave way to another. */
  onShed?(what: Shed): void;
  /** A connection failed before it carried a request. */
  onTlsError(error: NodeJS.ErrnoException): void;
}

/** Serves an application over TLS with a certificate that can change. Connections outlive such a change. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, certificates, minTlsVersion, timings, bounds = BOUNDS } = options;
  let stopping = false;
  const server = createServer({
    ...secureContextOf(certificates.current(), minTlsVersion),
    handshakeTimeout: timings.handshake,
    headersTimeout: timings.headers,
    requestTimeout: timings.request,
    keepAliveTimeout: timings.keepAlive,
    connectionsCheckingInterval: timings.check,
  });
  const connections = new Connections(server, bounds, (what) => options.onShed?.(what));
  server.on('request', (request, response: ServerResponse) => {
    if (stopping) response.setHeader('connection', 'close');
    options.app(request, response);
  });
  server.on('tlsClientError', (error, socket) => {
    // Node leaves a handshake that ran out of time to whoever listens.
    socket.destroy();
    options.onTlsError(error);
  });
  answerBrokenRequests(server);
  server.listen(port, host);
  await once(server, 'listening');

  const unsubscribe = certificates.onChange(() => {
    server.setSecureContext(secureContextOf(certificates.current(), minTlsVersion));
  });
  const bound = server.address() as AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    async stop() {
      stopping = true;
      await sleep(timings.drain);
      const closed = once(server, 'close');
      server.close();
      connections.close();
      const cut = setTimeout(() => connections.cut(), timings.finish);
      await closed;
      clearTimeout(cut);
      unsubscribe();
    },
  };
}

const BROKEN: Readonly<Record<string, readonly [status: string, sentence: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not arrive in time'],
};

/** What is no HTTP gets a sentence, and the connection ends. */
function answerBrokenRequests(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [status, sentence] = BROKEN[error.code ?? ''] ?? ['400 Bad Request', 'the request is not HTTP/1.1'];
    const body = `${sentence}\n`;
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });
}
