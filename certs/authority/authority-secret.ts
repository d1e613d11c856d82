import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret, SecretContent } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import { bundleOf, certificatesIn } from '../bundle.ts';
import { BadCertificate, shownTime } from '../inspect.ts';
import type { AuthorityState, Ca } from './state.ts';

/** Far beyond any certificate or key, far below what would hurt. */
const LONGEST_PEM = 64 * 1024;

const ANNOTATION = {
  generation: 'checkpoint.criu.org/generation',
  trustedSince: 'checkpoint.criu.org/trusted-since',
  retireAfter: 'checkpoint.criu.org/retire-after',
  rotate: 'checkpoint.criu.org/rotate',
} as const;

/** The annotation by which an administrator asks for another authority; its value does not matter. */
export const ROTATE_ANNOTATION = ANNOTATION.rotate;

/** A Secret of the authority as it was read. */
export interface ReadAuthority {
  readonly state: AuthorityState;
  /** Parts that cannot be used and were left out, as sentences. */
  readonly faults: readonly string[];
}

/**
 * The authority that a Secret holds: ca.crt and ca.key, next.crt and next.key, previous.crt. A key that cannot be used
 * counts as lost.
 * @throws BadCertificate when there is no authority in it
 */
export function readAuthority({ data, annotations }: Secret, now: Instant): ReadAuthority {
  const faults: string[] = [];
  const issuer = caIn(data, 'ca', now, faults);
  const optional = (name: 'next'): Ca | null => {
    if (data[`${name}.crt`] === undefined) return null;
    try {
      return caIn(data, name, now, faults);
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      return null;
    }
  };
  const generation = Number(annotations[ANNOTATION.generation]);
  return {
    faults,
    state: {
      generation: Number.isSafeInteger(generation) && generation > 0 ? generation : 0,
      issuer,
      next: optional('next'),
      previous: formerIn(data, faults),
      trustedSince: instantIn(annotations[ANNOTATION.trustedSince]),
      retireAfter: instantIn(annotations[ANNOTATION.retireAfter]),
      rotate: annotations[ANNOTATION.rotate] !== undefined,
    },
  };
}

/** What the Secret is to hold. The wish for a rotation is fulfilled by whatever is written. */
export function writeAuthority(state: AuthorityState): SecretContent {
  const { generation, issuer, next, previous, trustedSince, retireAfter } = state;
  const time = (at: Instant | null) => (at === null ? '' : new Date(at).toISOString());
  return {
    data: {
      'ca.crt': issuer.certificate,
      ...(issuer.key !== null && { 'ca.key': issuer.key }),
      ...(next && { 'next.crt': next.certificate, ...(next.key !== null && { 'next.key': next.key }) }),
      ...(previous.length > 0 && { 'previous.crt': bundleOf(previous.map((each) => each.certificate)) }),
    },
    annotations: {
      [ANNOTATION.generation]: String(generation),
      [ANNOTATION.trustedSince]: time(trustedSince),
      [ANNOTATION.retireAfter]: time(retireAfter),
      [ANNOTATION.rotate]: '',
    },
  };
}

/** @throws BadCertificate when that is no authority's certificate */
export function caOf(certificate: string, key: string | null, name = 'ca.crt'): Ca {
  requireShort(certificate, name);
  if ((certificate.match(/-----BEGIN CERTIFICATE-----/g) ?? []).length !== 1) {
    throw new BadCertificate(`${name} does not hold exactly one certificate in PEM`);
  }
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch (cause) {
    throw new BadCertificate(`${name} cannot be read as a certificate`, { cause });
  }
  if (!parsed.ca) throw new BadCertificate(`${name} is not the certificate of an authority`);
  return {
    certificate,
    key,
    fingerprint: parsed.fingerprint256,
    notBefore: Date.parse(parsed.validFrom),
    notAfter: Date.parse(parsed.validTo),
  };
}

function caIn(data: Secret['data'], name: 'ca' | 'next' | 'previous', now: Instant, faults: string[]): Ca {
  const certificate = data[`${name}.crt`];
  if (certificate === undefined) throw new BadCertificate(`it has no ${name}.crt`);
  const ca = caOf(certificate, null, `${name}.crt`);
  if (now < ca.notBefore) {
    throw new BadCertificate(`${name}.crt is valid only from ${shownTime(ca.notBefore)}`);
  }
  const key = data[`${name}.key`];
  if (key === undefined) return ca;
  const fault = faultOfKey(certificate, key, name);
  if (fault === null) return { ...ca, key };
  faults.push(fault);
  return ca;
}

/** Former authorities have no keys. */
function formerIn(data: Secret['data'], faults: string[]): readonly Ca[] {
  const pem = data['previous.crt'];
  if (pem === undefined) return [];
  try {
    requireShort(pem, 'previous.crt');
    const { all, unreadable } = certificatesIn(pem);
    if (unreadable > 0) throw new BadCertificate('previous.crt holds something that is no certificate');
    return all.map((each) => caOf(each.toString(), null, 'previous.crt'));
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
    return [];
  }
}

function faultOfKey(certificate: string, pem: string, name: string): string | null {
  try {
    requireShort(pem, `${name}.key`);
    const key = createPrivateKey(pem);
    // node-forge signs with nothing else.
    if (key.asymmetricKeyType !== 'rsa') return `${name}.key is not an RSA key`;
    const isItsOwn = new X509Certificate(certificate).checkPrivateKey(key);
    return isItsOwn ? null : `${name}.key does not belong to ${name}.crt`;
  } catch (error) {
    return error instanceof BadCertificate ? error.message : `${name}.key is not a private key in PEM`;
  }
}

/** @throws BadCertificate */
export function requireShort(pem: string, name: string): void {
  if (pem.length <= LONGEST_PEM) return;
  throw new BadCertificate(`${name} has ${pem.length} bytes, at most ${LONGEST_PEM} are read`);
}

function instantIn(text: string | undefined): Instant | null {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? null : at;
}
