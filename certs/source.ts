import type { Instant } from '../policy/types.ts';

/** What a TLS server shows, and what its clients are to trust. All PEM. */
export interface Certificate {
  /** The leaf, then its chain. */
  readonly certificate: string;
  readonly key: string;
  /** Several while one authority takes the place of another. */
  readonly ca: string;
}

/** What there is to say of a source's certificate, for status and metrics. */
export interface CertificateStatus {
  /** `files in /etc/warden/tls`, `self-signed` */
  readonly origin: string;
  /** DNS names and addresses that the certificate is for. */
  readonly names: readonly string[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** Why something newer is not in use, as a sentence; null when all is well. */
  readonly problem: string | null;
}

/** Where a server's certificate comes from: files, an authority of one's own. */
export interface CertificateSource {
  /** Resolves when there is a good certificate; rejects with a sentence when there is none. */
  start(): Promise<void>;
  /** The last good certificate. @throws before `start` has resolved. */
  current(): Certificate;
  /** Calls back after each change of `current`. @returns a function that ends it. */
  onChange(listener: () => void): () => void;
  /** @throws before `start` has resolved. */
  describe(): CertificateStatus;
  stop(): Promise<void>;
}
