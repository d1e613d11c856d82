import type { Instant } from '../../policy/types.ts';
import type { Validity } from '../validity.ts';

/** A certificate authority of ours. */
export interface Ca extends Validity {
  /** PEM, one certificate. */
  readonly certificate: string;
  /** PEM; null when it was lost, or thrown away because it signs no more. */
  readonly key: string | null;
  /** SHA-256 of the certificate, as OpenSSL writes it. */
  readonly fingerprint: string;
}

/**
 * What the Secret of the authority says: which authorities there are, and how far a rotation has come.
 *
 * steady: `issuer` alone · announced: `next` is there, and clients learn of it · retiring: `previous` is there, because
 * somebody may still show a certificate of its. Two at once as a rule, four at most.
 */
export interface AuthorityState {
  /** Grows with each write. Of two versions the higher is the younger one. */
  readonly generation: number;
  /** Signs. */
  readonly issuer: Ca;
  /** Is to sign when every client trusts it. */
  readonly next: Ca | null;
  /** Sign no more, and are still trusted; the youngest first. A second one only where a key was lost meanwhile. */
  readonly previous: readonly Ca[];
  /** Since when every caBundle has been seen to hold `next`; null while that is not so. */
  readonly trustedSince: Instant | null;
  /** When the last certificate that `previous` have signed will have expired; null where that is not known. */
  readonly retireAfter: Instant | null;
  /** An administrator has asked for a rotation. */
  readonly rotate: boolean;
}

export type Stage = 'steady' | 'announced' | 'retiring';

export function stageOf({ next, previous }: Pick<AuthorityState, 'next' | 'previous'>): Stage {
  if (next !== null) return 'announced';
  return previous.length === 0 ? 'steady' : 'retiring';
}

/** All that clients are to trust, the one that signs first. */
export function casOf({ issuer, next, previous }: AuthorityState): readonly Ca[] {
  return [issuer, ...(next === null ? [] : [next]), ...previous];
}

/** What no rotation has said yet. */
export const FRESH = { trustedSince: null, retireAfter: null, rotate: false } as const;

export function steady(issuer: Ca, generation: number): AuthorityState {
  return { generation, issuer, next: null, previous: [], ...FRESH };
}

/** True when two versions say the same, whatever their generations. */
export function isSameState(one: AuthorityState, other: AuthorityState): boolean {
  return textOf(one) === textOf(other);
}

function textOf({ issuer, next, previous, trustedSince, retireAfter }: AuthorityState): string {
  const of = (ca: Ca | null) => ca && [ca.fingerprint, ca.key !== null];
  return JSON.stringify([of(issuer), of(next), previous.map(of), trustedSince, retireAfter]);
}
