import { constants } from 'node:crypto';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { Certificate } from '../../../certs/source.ts';
import type { Log } from '../../../kube/types.ts';
import { secureContextOf, type TlsVersion } from '../../tls.ts';
import type { Bounds } from '../bounds.ts';
import { Handshakes } from '../handshakes.ts';
import { listen } from '../listening.ts';
import { systemTimers } from '../timers.ts';
import type { Api } from './api.ts';

export interface ApiServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly certificate: Certificate;
  readonly minTlsVersion: TlsVersion;
  readonly bounds: Bounds;
  /** PEM: who signs the API server's client certificate; null while it is not known. */
  readonly clientCa: () => string | null;
  readonly api: Pick<Api, 'handle'>;
  readonly log: Log;
}

export interface ApiServer {
  readonly address: string;
  readonly port: number;
  setCertificate(certificate: Certificate): void;
  /** Connections that were met by another authority than the present one end with what they carry. */
  clientCaChanged(): void;
  close(): Promise<void>;
  cut(): void;
}

/** Milliseconds. */
const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const IDLE_MS = 65_000;
/** The user's groups and extras come as headers. */
const HEADER_BYTES = 64 * 1024;
const HEADERS = 512;

/** Serves the API over TLS, and asks who comes for a certificate. Rejects when the address cannot be had. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { minTlsVersion, bounds, api, log, clientCa } = options;
  let { certificate } = options;
  const contextOf = (): SecureContextOptions => ({
    ...secureContextOf(certificate, minTlsVersion),
    // None at all while there is none: left out, it would be all that Node comes with.
    ca: clientCa() ?? [],
    // A resumed session would bring an earlier look at the certificate with it.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  const server = createServer({
    ...contextOf(),
    requestCert: true,
    // Who is not believed is told so in words.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
    headersTimeout: HEADERS_MS,
    keepAliveTimeout: IDLE_MS,
    maxHeaderSize: HEADER_BYTES,
    insecureHTTPParser: false,
    requireHostHeader: true,
    keepAlive: true,
  });
  server.maxHeadersCount = HEADERS;
  const handshakes = new Handshakes(server, bounds, systemTimers);
  const outdated = new WeakSet<Socket>();
  let closing = false;
  server.on('request', (request, response) => {
    if (closing || outdated.has(request.socket)) response.setHeader('connection', 'close');
    if (outdated.has(request.socket)) {
      response.writeHead(401).end();
      return;
    }
    api.handle(request, response).catch((err: unknown) => {
      log.error({ err }, 'an answer to the API server could not be written');
      response.destroy();
    });
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.on('clientError', (_, socket) => socket.destroy());
  const { address, port, sockets, close, cut } = await listen(server, handshakes, options);
  return {
    ...{ address, port, cut },
    setCertificate(next) {
      certificate = next;
      server.setSecureContext(contextOf());
    },
    clientCaChanged() {
      server.setSecureContext(contextOf());
      for (const socket of sockets) outdated.add(socket);
      server.closeIdleConnections();
    },
    close() {
      closing = true;
      return close();
    },
  };
}
