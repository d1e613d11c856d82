import { X509Certificate } from 'node:crypto';
import type { Secret } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import { certificatesIn, isSameBundle } from '../bundle.ts';
import { BadCertificate, type Inspected, inspect } from '../inspect.ts';
import { caOf, requireShort } from './authority-secret.ts';
import type { Leaf } from './decide.ts';
import type { Ca } from './state.ts';

/** A server's certificate that is kept in a Secret of type kubernetes.io/tls. */
export interface LeafSecret {
  readonly name: string;
  /** DNS names that clients dial. */
  readonly names: readonly string[];
}

/** A certificate that may be served. */
export interface ReadLeaf extends Leaf {
  readonly inspected: Inspected;
}

const PARTS = { certificate: 'tls.crt', key: 'tls.key', ca: 'ca.crt' } as const;

/**
 * The certificate in a Secret.
 * @param cas one of whom must have signed it
 * @param bundle all whom clients are to trust, PEM
 * @throws BadCertificate with a sentence that says why it must not be served
 */
export function readLeaf(
  { data }: Secret,
  { names }: LeafSecret,
  cas: readonly Ca[],
  bundle: string,
  now: Instant,
): ReadLeaf {
  const inspected = inspect(pairIn(data), PARTS, now);
  const leaf = new X509Certificate(inspected.certificate.certificate);
  if (certificatesIn(inspected.certificate.certificate).all.length !== 1) {
    throw new BadCertificate('tls.crt does not hold exactly one certificate');
  }
  const missing = names.find((name) => !inspected.names.includes(name));
  if (missing !== undefined) {
    throw new BadCertificate(`tls.crt is not for the name ${missing}`);
  }
  const signer = cas.find(({ certificate }) => isSignedBy(leaf, certificate));
  if (signer === undefined) throw new BadCertificate('tls.crt is signed by another authority');
  return {
    inspected,
    signedBy: signer.fingerprint,
    notBefore: inspected.notBefore,
    notAfter: inspected.notAfter,
    namesAll: isSameBundle(inspected.certificate.ca, bundle),
  };
}

/** The authority of a good certificate, as its Secret names it; null where there is none. Its key is not known. */
export function caOfLeaf({ data }: Secret, now: Instant): Ca | null {
  try {
    const { certificate } = inspect(pairIn(data), PARTS, now);
    const leaf = new X509Certificate(certificate.certificate);
    const signer = certificatesIn(certificate.ca).all.find((each) => isSignedBy(leaf, each.toString()));
    return signer === undefined ? null : caOf(signer.toString(), null);
  } catch {
    // Whatever is wrong with it is told where it is to be served.
    return null;
  }
}

function pairIn(data: Secret['data']): { certificate: string; key: string; ca: string } {
  const part = (name: string): string => {
    const pem = data[name];
    if (pem === undefined) throw new BadCertificate(`it has no ${name}`);
    requireShort(pem, name);
    return pem;
  };
  return { certificate: part(PARTS.certificate), key: part(PARTS.key), ca: part(PARTS.ca) };
}

function isSignedBy(leaf: X509Certificate, certificate: string): boolean {
  const ca = new X509Certificate(certificate);
  return leaf.checkIssued(ca) && leaf.verify(ca.publicKey);
}
