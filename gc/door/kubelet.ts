import { setMaxListeners } from 'node:events';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { buildConnector, Client } from 'undici';
import type { Log } from '../../kube/types.ts';
import type { Instant } from '../../policy/types.ts';
import { explain } from '../system/files.ts';
import { type Container, containerName } from './container.ts';
import { type KubeletAccess, KubeletAccessFiles, type KubeletFiles } from './kubelet-access.ts';
import { type KubeletOutcome, outcomeOf } from './kubelet-answer.ts';

/** The kubelet of this node, as far as the door needs it. */
export interface Kubelet {
  /**
   * Asks for a checkpoint. Never rejects: whatever comes is an outcome. Nobody's leaving ends it; the runtime would
   * work on, and nobody would know.
   */
  checkpoint(container: Container, timeoutSeconds: number | undefined): Promise<KubeletOutcome>;
  /** Gives up what is under way. */
  close(): void;
}

export interface KubeletOptions {
  /** `https://10.1.2.3:10250` */
  readonly url: string;
  /** Names and addresses, of which the kubelet's certificate must be for one; absent: the URL's host. */
  readonly serverNames?: readonly string[];
  readonly files: KubeletFiles;
  readonly log: Log;
  readonly now: () => Instant;
  readonly bounds?: Partial<KubeletBounds>;
}

export interface KubeletBounds {
  readonly connectMs: number;
  /** The kubelet raises a shorter timeout to this one, the CRI's default. */
  readonly leastSeconds: number;
  /** The kubelet cuts a connection that waits longer. */
  readonly mostSeconds: number;
  /** Between the kubelet's own deadline and ours. */
  readonly leewaySeconds: number;
  readonly bodyMs: number;
  /** Of an answer: a path, or an error of the runtime with its command lines. */
  readonly bodyBytes: number;
}

export const KUBELET_BOUNDS: KubeletBounds = {
  connectMs: 5_000,
  leastSeconds: 120,
  mostSeconds: 4 * 3_600,
  leewaySeconds: 30,
  bodyMs: 10_000,
  bodyBytes: 256 * 1024,
};

/**
 * Each request has a connection of its own, which takes some milliseconds: so it is certain of every failure whether
 * the kubelet can have heard of it, and nothing of one request is left for the next.
 *
 * @throws a RangeError for a URL that is none.
 */
export function kubeletClient({ url, serverNames, files, log, now, ...options }: KubeletOptions): Kubelet {
  const bounds = { ...KUBELET_BOUNDS, ...options.bounds };
  const { protocol, origin } = new URL(url);
  if (protocol !== 'https:') throw new RangeError(`the kubelet's URL ${url} must begin with https://`);
  const access = new KubeletAccessFiles(files, log, now);
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);

  const attempt = async (
    container: Container,
    timeoutSeconds: number | undefined,
  ): Promise<KubeletOutcome> => {
    let credential: KubeletAccess;
    try {
      credential = await access.current();
    } catch (error) {
      return { kind: 'unsent', text: explain(error) };
    }
    const waitSeconds =
      Math.min(Math.max(timeoutSeconds ?? 0, bounds.leastSeconds), bounds.mostSeconds) + bounds.leewaySeconds;
    return exchange(origin, serverNames, credential, {
      container,
      timeoutSeconds,
      waitMs: waitSeconds * 1_000,
      bounds,
      signal: closing.signal,
    });
  };

  return {
    async checkpoint(container, timeoutSeconds) {
      const outcome = await attempt(container, timeoutSeconds);
      if (outcome.kind !== 'refused' || outcome.status !== 401) return outcome;
      // A credential that was replaced since: nothing was done, so it may be asked once more.
      access.invalidate();
      return attempt(container, timeoutSeconds);
    },
    close() {
      closing.abort(new Error('the door closes'));
    },
  };
}

interface Exchange {
  readonly container: Container;
  readonly timeoutSeconds: number | undefined;
  readonly waitMs: number;
  readonly bounds: KubeletBounds;
  readonly signal: AbortSignal;
}

async function exchange(
  origin: string,
  serverNames: readonly string[] | undefined,
  { secureContext, authorization }: KubeletAccess,
  { container, timeoutSeconds, waitMs, bounds, signal }: Exchange,
): Promise<KubeletOutcome> {
  const connect = buildConnector({
    secureContext,
    timeout: bounds.connectMs,
    allowH2: false,
    maxCachedSessions: 0,
    // Explicit: an environment variable could turn it off.
    rejectUnauthorized: true,
    ...(serverNames !== undefined && namesToCheck(serverNames)),
  });
  let connected = false;
  const client = new Client(origin, {
    connect: (options, callback) =>
      connect(options, (...result) => {
        connected ||= result[0] === null;
        callback(...result);
      }),
    headersTimeout: waitMs,
    bodyTimeout: bounds.bodyMs,
    maxResponseSize: bounds.bodyBytes,
  });
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      // Built from names that were checked: nothing in them needs to be encoded.
      path: `/checkpoint/${containerName(container)}${timeoutSeconds === undefined ? '' : `?timeout=${timeoutSeconds}`}`,
      headers: {
        accept: 'application/json',
        'user-agent': 'checkpoint-warden',
        connection: 'close',
        ...(authorization !== null && { authorization }),
      },
      signal,
    });
    return outcomeOf(container, statusCode, await body.text());
  } catch (error) {
    return { kind: connected ? 'lost' : 'unsent', text: causesOf(error) };
  } finally {
    client.destroy().catch(() => {});
  }
}

/** An address cannot be asked for in a handshake, but it can stand in a certificate. */
export function namesToCheck(
  names: readonly string[],
): Pick<ConnectionOptions, 'servername' | 'checkServerIdentity'> {
  const servername = names.find((name) => isIP(name) === 0);
  return {
    ...(servername !== undefined && { servername }),
    checkServerIdentity: (_, certificate) => {
      const errors = names.map((name) => checkServerIdentity(name, certificate));
      if (errors.includes(undefined)) return undefined;
      return errors[0] ?? new Error('no name is allowed in the certificate');
    },
  };
}

/** `fetch failed: connect ECONNREFUSED 10.1.2.3:10250` */
function causesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
