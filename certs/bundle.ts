import { X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order; what cannot be read is left out and counted. */
export function certificatesIn(pem: string): {
  readonly all: readonly X509Certificate[];
  readonly unreadable: number;
} {
  const blocks = pem.match(CERTIFICATE) ?? [];
  const all = blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
  const isRubbish = pem.trim() !== '' && blocks.length === 0;
  return { all, unreadable: isRubbish ? 1 : blocks.length - all.length };
}

/** SHA-256 of each certificate, sorted, each once; null when the text holds anything that is none. */
export function fingerprintsIn(pem: string): readonly string[] | null {
  const { all, unreadable } = certificatesIn(pem);
  return unreadable > 0 ? null : [...new Set(all.map(({ fingerprint256 }) => fingerprint256))].sort();
}

/** True when both hold the same certificates, in whatever order and with whatever blanks. */
export function isSameBundle(one: string, other: string): boolean {
  const [ours, theirs] = [fingerprintsIn(one), fingerprintsIn(other)];
  return ours !== null && theirs !== null && ours.join() === theirs.join();
}

/** One text of several, each certificate once. */
export function bundleOf(certificates: readonly string[]): string {
  return [...new Set(certificates.map((each) => `${each.trim()}\n`))].join('');
}
