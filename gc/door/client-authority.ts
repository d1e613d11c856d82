import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Listeners } from '../../certs/listeners.ts';
import type { Log } from '../../kube/types.ts';
import type { Clock } from '../system/clock.ts';
import { explain } from '../system/files.ts';

/** Whose certificates a caller may show. */
export interface ClientAuthority {
  /** PEM; the last good one. */
  current(): string;
  /** Calls back after each change. @returns a function that ends it. */
  onChange(listener: () => void): () => void;
  stop(): void;
}

/** A mounted file is swapped by renaming a link, which a watch can miss. */
const COMPARE_MS = 10_000;

/** The authority in a file, taken anew when it changes. Rejects with a sentence when there is no good one. */
export async function clientAuthorityFile(path: string, clock: Clock, log: Log): Promise<ClientAuthority> {
  const listeners = new Listeners();
  let good = await read(path).catch((cause: unknown) => {
    const what = `the authority for client certificates in ${path} cannot be used: ${explain(cause)}`;
    throw new Error(`${what}; give a file with PEM certificates`, { cause });
  });
  let failing = false;
  let stopped = false;
  let cancel = () => {};
  const compare = async () => {
    try {
      const found = await read(path);
      failing = false;
      if (found !== good) {
        good = found;
        log.info({ file: path }, 'the authority for client certificates has changed');
        listeners.call();
      }
    } catch (error) {
      const what = `the authority for client certificates in ${path} cannot be used: ${explain(error)}`;
      if (!failing) log.warn({ err: error }, `${what}; the last good one goes on`);
      failing = true;
    }
    arm();
  };
  const arm = () => {
    if (stopped) return;
    cancel = clock.after(COMPARE_MS, () => void compare());
  };
  arm();
  return {
    current: () => good,
    onChange: (listener) => listeners.add(listener),
    stop() {
      stopped = true;
      cancel();
    },
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Node takes a text without certificates for an authority that signs nothing. */
async function read(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('it holds no certificate');
  for (const each of certificates) new X509Certificate(each);
  return certificates.join('\n');
}
