import type { Stage } from '../../certs/authority/state.ts';
import type { Validity } from '../../certs/validity.ts';
import type { Instant } from '../../policy/types.ts';

/** A certificate as people are told of it. */
export interface ShownCertificate extends Validity {
  /** `CN=checkpoint-warden` */
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256. */
  readonly fingerprint: string;
  readonly names: readonly string[];
}

/** A server's certificate. */
export interface ShownLeaf extends ShownCertificate {
  /** `Secret webhook-certificate`, `127.0.0.1:9443` */
  readonly where: string;
  readonly renewalAt: Instant | null;
  /** Of the authority that signed it, where that is known. */
  readonly authority: string | null;
}

export interface ShownAuthority extends ShownCertificate {
  readonly role: 'signs' | 'next' | 'former';
  /** When it is to be replaced, or to leave. */
  readonly until: Instant | null;
}

/** One field by which the API server knows whom to trust. */
export interface ShownTrust {
  /** `ValidatingWebhookConfiguration checkpoint-warden-policies` */
  readonly object: string;
  readonly entry: string;
  readonly managedBy: Manager;
  readonly trusts: readonly ShownCertificate[];
}

/** `unknown`: the Secret that says so cannot be read. */
export type Manager = 'own authority' | 'cert-manager' | 'files' | 'unknown';

/** Something that is wrong. */
export interface CertificateFinding {
  readonly about: string;
  readonly message: string;
  readonly remedy: string;
}

export interface CertificateReport {
  readonly namespace: string;
  readonly now: Instant;
  readonly managedBy: Manager;
  /** Of the own authority; null where there is none. */
  readonly stage: Stage | null;
  readonly authorities: readonly ShownAuthority[];
  readonly certificates: readonly ShownLeaf[];
  readonly trust: readonly ShownTrust[];
  /** The soonest first. */
  readonly upcoming: readonly { readonly what: string; readonly at: Instant }[];
  readonly findings: readonly CertificateFinding[];
}
