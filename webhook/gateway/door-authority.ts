import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Log } from '../../kube/types.ts';
import type { Instant } from '../../policy/types.ts';

/** Mounted files are replaced well before what is in them ends. */
const RELOAD_MS = 10_000;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Whom doors must be vouched for by. */
export interface DoorTrust {
  /** What a connection to a door goes out with. Rejects with a sentence when there has been no good authority. */
  current(): Promise<SecureContext>;
}

/** The authority that doors' certificates are of, in a file that is read again as it changes; the last good one stands in. */
export class DoorAuthority implements DoorTrust {
  readonly #file: string;
  readonly #log: Log;
  readonly #now: () => Instant;
  #context: SecureContext | null = null;
  #text = '';
  #readAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(file: string, log: Log, now: () => Instant) {
    this.#file = file;
    this.#log = log;
    this.#now = now;
  }

  async current(): Promise<SecureContext> {
    const age = this.#now() - this.#readAt;
    if (this.#context !== null && age >= 0 && age < RELOAD_MS) return this.#context;
    try {
      const text = await read(this.#file);
      if (this.#context !== null && text !== this.#text) {
        this.#log.info({ file: this.#file }, 'the authority of the doors has changed');
      }
      if (this.#context === null || text !== this.#text) {
        this.#context = createSecureContext({ ca: text, minVersion: 'TLSv1.3' });
      }
      this.#text = text;
      this.#failing = false;
    } catch (err) {
      const why = err instanceof Error ? err.message : String(err);
      const what = `the authority of the doors in ${this.#file} cannot be used: ${why}`;
      if (this.#context === null)
        throw new Error(`${what}; give a file with PEM certificates`, { cause: err });
      if (!this.#failing) this.#log.warn({ err }, `${what}; the last good one goes on`);
      this.#failing = true;
    }
    this.#readAt = this.#now();
    return this.#context;
  }
}

/**
 * The authority that the webhook's own certificate is of: one for both where it is the cluster's own.
 * @param pem all who are to be trusted now, PEM
 */
export function sharedDoorTrust(pem: () => string): DoorTrust {
  let known: { readonly text: string; readonly context: SecureContext } | null = null;
  return {
    async current() {
      const text = pem();
      if (known?.text !== text) {
        known = { text, context: createSecureContext({ ca: text, minVersion: 'TLSv1.3' }) };
      }
      return known.context;
    },
  };
}

/** @param file null: the authority that the webhook's own certificate is of */
export function doorTrust(
  file: string | null,
  shared: () => string,
  log: Log,
  now: () => Instant,
): DoorTrust {
  return file === null ? sharedDoorTrust(shared) : new DoorAuthority(file, log, now);
}

/** Node takes a text without certificates for an authority that signs nothing. */
async function read(file: string): Promise<string> {
  const certificates = (await readFile(file, 'utf8')).match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('it holds no certificate');
  for (const each of certificates) new X509Certificate(each);
  return certificates.join('\n');
}
