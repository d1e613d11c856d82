import { createServer } from './http.ts';

/** What is measured, as text; prom-client's registries have this shape. */
export interface Exposition {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface MetricsListener {
  readonly port: number;
  /** `http://127.0.0.1:9090/metrics` */
  readonly url: string;
  close(): Promise<void>;
}

/** Where a listener listens. */
export interface ListenAddress {
  /** Absent: all addresses of the machine. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
}

interface Bound {
  readonly address: string;
  readonly port: number;
}

const SLOWEST_REQUEST_MS = 5_000;

/**
 * Serves `/metrics` and, for probes, `/healthz` and `/readyz`, over plain HTTP; there are no secrets in any.
 * Rejects with a sentence when the address cannot be had.
 *
 * @param isReady asked by `/readyz`, which answers 503 where it says no.
 */
export async function serveMetrics(
  exposition: Exposition,
  address: ListenAddress,
  isReady: () => boolean = () => true,
): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answer(405, 'text/plain', 'method not allowed\n');
      return;
    }
    const path = request.url?.split('?', 1)[0];
    if (path === '/metrics') {
      exposition.metrics().then(
        (text) => answer(200, exposition.contentType, text),
        () => answer(500, 'text/plain', 'the metrics cannot be collected\n'),
      );
    } else if (path === '/healthz') {
      // The answer is the proof: the event loop turns.
      answer(200, 'text/plain', 'ok\n');
    } else if (path === '/readyz') {
      const ready = isReady();
      answer(ready ? 200 : 503, 'text/plain', ready ? 'ok\n' : 'not ready\n');
    } else {
      answer(404, 'text/plain', 'here are /metrics, /healthz and /readyz\n');
    }
  });
  server.requestTimeout = SLOWEST_REQUEST_MS;
  server.headersTimeout = SLOWEST_REQUEST_MS;
  const bound = await listen(server, address);
  return {
    port: bound.port,
    url: `http://${urlHost(bound.address)}:${bound.port}/metrics`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** An IPv6 address in brackets. */
export function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

async function listen(server: ReturnType<typeof createServer>, address: ListenAddress): Promise<Bound> {
  const name = `${address.host ?? ''}:${address.port}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Error(
          `--metrics ${name} cannot be listened on (${error.message}); choose another address or port`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen({ port: address.port, ...(address.host && { host: address.host }) }, resolve);
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound : { address: '', port: address.port };
}
