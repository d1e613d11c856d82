import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Log } from '../../kube/types.ts';
import type { Instant } from '../../policy/types.ts';
import { explain } from '../system/files.ts';

/** Files with which the door presents itself to the kubelet, and by which it knows the kubelet. All PEM but the token. */
export interface KubeletFiles {
  /** Authorities that the kubelet's certificate may be of. */
  readonly ca: string;
  /** A service account's token. */
  readonly token?: string;
  /** A client certificate and its key: in the place of a token, or with it. */
  readonly certificate?: string;
  readonly key?: string;
}

/** What a connection to the kubelet goes out with. */
export interface KubeletAccess {
  readonly secureContext: SecureContext;
  /** The Authorization header; null with a client certificate alone. */
  readonly authorization: string | null;
}

/** Mounted files are replaced well before what is in them ends. */
const RELOAD_MS = 10_000;

/** The door's credential for the kubelet, read again as its files change; the last good one stands in. */
export class KubeletAccessFiles {
  readonly #files: KubeletFiles;
  readonly #log: Log;
  readonly #now: () => Instant;
  #loaded: (KubeletAccess & { readonly from: string }) | null = null;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(files: KubeletFiles, log: Log, now: () => Instant) {
    this.#files = files;
    this.#log = log;
    this.#now = now;
  }

  /** Rejects with a sentence when there has been no good one. */
  async current(): Promise<KubeletAccess> {
    const age = this.#now() - this.#loadedAt;
    if (this.#loaded !== null && age >= 0 && age < RELOAD_MS) return this.#loaded;
    try {
      const from = await this.#read();
      if (this.#loaded?.from !== from.text) this.#loaded = { ...accessOf(from), from: from.text };
      if (this.#failing) this.#log.info({}, "the door's credential for the kubelet can be read again");
      this.#failing = false;
    } catch (error) {
      const what = `the door's credential for the kubelet cannot be used: ${explain(error)}`;
      if (this.#loaded === null)
        throw new Error(`${what}; check the files that are given for it`, { cause: error });
      if (!this.#failing) this.#log.warn({ err: error }, `${what}; the last good one stands in`);
      this.#failing = true;
    }
    this.#loadedAt = this.#now();
    return this.#loaded;
  }

  /** After a refusal: the files are read again before the next use. */
  invalidate(): void {
    this.#loadedAt = Number.NEGATIVE_INFINITY;
  }

  async #read(): Promise<Material> {
    const { ca, token, certificate, key } = this.#files;
    const readGiven = (path: string | undefined) => (path === undefined ? null : readText(path));
    const material = {
      ca: await readText(ca),
      token: (await readGiven(token))?.trim() ?? null,
      certificate: await readGiven(certificate),
      key: await readGiven(key),
    };
    if (material.token === '') throw new Error(`${token} is empty`);
    return { ...material, text: JSON.stringify(material) };
  }
}

interface Material {
  readonly ca: string;
  readonly token: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
  readonly text: string;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`${path}: ${explain(cause)}`, { cause });
  }
}

/** Throws for a key that does not belong to its certificate, too. */
function accessOf({ ca, token, certificate, key }: Material): KubeletAccess {
  const secureContext = createSecureContext({
    ca,
    minVersion: 'TLSv1.2',
    ...(certificate !== null && { cert: certificate }),
    ...(key !== null && { key }),
  });
  return { secureContext, authorization: token === null ? null : `Bearer ${token}` };
}
