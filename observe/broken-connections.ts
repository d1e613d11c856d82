import type { Log } from '../kube/types.ts';

const LOG_EVERY_MS = 60_000;

/**
 * Counts connections that broke, and logs one line a minute for each reason: a port scanner must not fill the log.
 * @param now milliseconds since the epoch
 */
export function brokenConnections(
  count: (reason: string) => void,
  log: Log,
  now: () => number,
): (error: NodeJS.ErrnoException, message: string) => void {
  const loggedAt = new Map<string, number>();
  return (error, message) => {
    const reason = reasonOf(error);
    count(reason);
    if (now() - (loggedAt.get(reason) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    loggedAt.set(reason, now());
    log.warn({ reason, err: error }, message);
  };
}

/** A label of a metric: never the caller's own words. */
function reasonOf({ code }: NodeJS.ErrnoException): string {
  if (code === undefined) return 'other';
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return 'tls';
  if (code.startsWith('HPE_')) return code === 'HPE_HEADER_OVERFLOW' ? 'headers' : 'http';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'other';
}

const SENTENCES: Readonly<Record<string, readonly [status: number, sentence: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
};

/** What a caller is told of whose bytes are no request that Node's parser takes (`clientError`). */
export function answerToBroken({ code }: NodeJS.ErrnoException) {
  const [status, sentence] = SENTENCES[code ?? ''] ?? [400, 'the request is not plain HTTP/1.1'];
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${sentence}\n` };
}
