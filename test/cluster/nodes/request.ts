import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Credentials } from '../authority.ts';

const defaultTimeoutMilliseconds = 60_000;

/** Who asks, and how. */
export interface RequestOptions {
  /** Default GET. */
  readonly method?: string;
  /** Path and query exactly as they are to be sent; by default those of the URL, which are normalised. */
  readonly path?: string;
  /** The authority that the server's certificate must come from, PEM. */
  readonly ca: string;
  /** A client certificate. */
  readonly credentials?: Credentials;
  /** A bearer token. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds until it gives up; default 60,000. */
  readonly timeout?: number;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Seconds; absent where the answer does not say. */
  readonly retryAfter?: string;
  readonly body: string;
}

/** One request over TLS, by a connection of its own. Any answer is a result; none within the time is an error. */
export function request(url: string, options: RequestOptions): Promise<Answer> {
  const { method = 'GET', path, ca, credentials, token, headers, body } = options;
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      url,
      {
        method,
        ca,
        agent: false,
        signal: AbortSignal.timeout(options.timeout ?? defaultTimeoutMilliseconds),
        ...(path !== undefined && { path }),
        ...(credentials && { cert: credentials.certificate, key: credentials.key }),
        headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      },
      (incoming) => {
        const { statusCode: status = 0, headers: received } = incoming;
        const contentType = received['content-type'] ?? '';
        const wait = received['retry-after'];
        const answer = { status, contentType, ...(wait !== undefined && { retryAfter: wait }) };
        text(incoming).then((body) => resolve({ ...answer, body }), reject);
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
