import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { KubeClient } from '../../../kube/client.ts';
import type { Log, UserInfo } from '../../../kube/types.ts';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import type { Timers } from '../timers.ts';
import { ApiError } from './api-error.ts';

/** By what the API server is known, and how it says whose request it passes on. */
export interface FrontProxy {
  /** PEM: who signs its client certificate. */
  readonly ca: string;
  /** Common names that its certificate may have; none: whatever that authority signed. */
  readonly allowedNames: readonly string[];
  /** Lower case. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
}

const PATH = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** The API server takes its own file up within a minute. */
const RELOAD_MS = 10_000;

/**
 * Reads what the API server has published. Rejects with a sentence where there is nothing that one could go by.
 */
export async function readFrontProxy(client: Pick<KubeClient, 'request'>): Promise<FrontProxy> {
  const data = fieldsOf(own(fieldsOf(await client.request({ path: PATH })), 'data'));
  const certificates = text(own(data, 'requestheader-client-ca-file')).match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    const remedy = 'start the API server with --requestheader-client-ca-file';
    throw new Error(`ConfigMap kube-system/extension-apiserver-authentication holds no authority; ${remedy}`);
  }
  for (const each of certificates) new X509Certificate(each);
  const usernameHeaders = namesIn(own(data, 'requestheader-username-headers'));
  if (usernameHeaders.length === 0) {
    throw new Error('ConfigMap kube-system/extension-apiserver-authentication names no header for users');
  }
  return {
    ca: certificates.join('\n'),
    allowedNames: listIn(own(data, 'requestheader-allowed-names')),
    usernameHeaders,
    uidHeaders: namesIn(own(data, 'requestheader-uid-headers')),
  };
}

function namesIn(value: unknown): readonly string[] {
  return listIn(value).map((each) => each.toLowerCase());
}

/** The ConfigMap holds lists as JSON. Rejects what is none, for an empty one would let in everybody. */
function listIn(value: unknown): readonly string[] {
  const written = text(value);
  if (written === '') return [];
  const list: unknown = JSON.parse(written);
  if (Array.isArray(list) && list.every((each) => typeof each === 'string')) return list;
  throw new Error(
    `ConfigMap kube-system/extension-apiserver-authentication holds ${written}, no list of names`,
  );
}

export interface FrontProxyWatchOptions {
  readonly client: Pick<KubeClient, 'request'>;
  readonly timers: Timers;
  readonly log: Log;
  readonly onChange: () => void;
}

/** The front proxy as it is published now; the last good one stands in. */
export class FrontProxyWatch {
  readonly #options: FrontProxyWatchOptions;
  #current: FrontProxy | null = null;
  #failing = false;
  #stopped = false;
  #cancel = () => {};

  constructor(options: FrontProxyWatchOptions) {
    this.#options = options;
  }

  /** Null until it has been read once: then nobody is believed. */
  get current(): FrontProxy | null {
    return this.#current;
  }

  /** Reads it now, and from time to time. */
  async start(): Promise<void> {
    await this.read();
    if (!this.#stopped) this.#cancel = this.#options.timers.after(RELOAD_MS, () => void this.start());
  }

  async read(): Promise<void> {
    const { client, log, onChange } = this.#options;
    try {
      const found = await readFrontProxy(client);
      const changed = JSON.stringify(found) !== JSON.stringify(this.#current);
      if (changed && this.#current !== null)
        log.info({}, "the API server's front proxy authority has changed");
      this.#current = found;
      if (this.#failing) log.info({}, "the API server's front proxy authority is known again");
      this.#failing = false;
      if (changed) onChange();
    } catch (err) {
      const known = this.#current === null ? 'nobody is believed' : 'the last good one goes on';
      if (!this.#failing)
        log.error({ err }, `the API server's front proxy authority cannot be read; ${known}`);
      this.#failing = true;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }
}

/**
 * Whose request this is. Only the TLS layer's word counts for who has sent it: a client certificate of the published
 * authority with an allowed name. @throws ApiError 401
 */
export function callerOf(request: IncomingMessage, proxy: FrontProxy | null): UserInfo {
  const { socket, rawHeaders } = request;
  if (proxy === null || !(socket instanceof TLSSocket) || !socket.authorized) throw unauthorized();
  const { CN } = socket.getPeerCertificate().subject ?? {};
  if (typeof CN !== 'string' || CN === '') throw unauthorized();
  if (proxy.allowedNames.length > 0 && !proxy.allowedNames.includes(CN)) throw unauthorized();
  const username = single(rawHeaders, proxy.usernameHeaders);
  if (username === null || username === '') throw unauthorized();
  const uid = single(rawHeaders, proxy.uidHeaders);
  return { username, ...(uid && { uid }) };
}

/** The one value of the first of these headers that is there; null for none, or several. */
function single(raw: readonly string[], names: readonly string[]): string | null {
  for (const name of names) {
    const values = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === name);
    if (values.length > 0) return values.length === 1 ? (values[0] ?? null) : null;
  }
  return null;
}

function unauthorized(): ApiError {
  const remedy = 'come through the API server';
  return new ApiError(401, `only the API server is believed here, by its client certificate; ${remedy}`);
}
