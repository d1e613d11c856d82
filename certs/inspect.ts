import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Instant } from '../policy/types.ts';
import type { Certificate } from './source.ts';

/** A certificate that has been looked at and found good. */
export interface Inspected {
  readonly certificate: Certificate;
  readonly names: readonly string[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** What the three parts are called where they come from, for messages. */
export interface PartNames {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

/** A certificate that must not be served. */
export class BadCertificate extends Error {
  override name = 'BadCertificate';
}

/**
 * Looks at a certificate before it is served: a key that does not match throws nowhere in `tls` and breaks every
 * handshake.
 * @throws BadCertificate with a sentence that names the part and the remedy.
 */
export function inspect(pair: Certificate, names: PartNames, now: Instant): Inspected {
  const leaf = parsed(pair.certificate, names.certificate);
  parsed(pair.ca, names.ca);
  if (!leaf.checkPrivateKey(parsedKey(pair.key, names.key))) {
    throw new BadCertificate(
      `${names.key} does not belong to ${names.certificate}; write both of one pair, the key first or both at once`,
    );
  }
  const [notBefore, notAfter] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  if (now > notAfter) {
    throw new BadCertificate(
      `${names.certificate} expired at ${shownTime(notAfter)}; put a renewed certificate in its place`,
    );
  }
  if (now < notBefore) {
    throw new BadCertificate(
      `${names.certificate} is valid only from ${shownTime(notBefore)}; look at this machine's clock, which says ${shownTime(now)}`,
    );
  }
  tryOut(pair, names.certificate);
  return { certificate: pair, names: namesOf(leaf), notBefore, notAfter };
}

/** OpenSSL has rules of its own, for the length of keys for instance. */
function tryOut({ certificate, key }: Certificate, name: string): void {
  try {
    createSecureContext({ cert: certificate, key });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BadCertificate(`${name} cannot be served (${why}); issue another`, { cause });
  }
}

/** `2026-11-21T03:30:06Z` */
export function shownTime(instant: Instant): string {
  return new Date(instant).toISOString().replace(/\.\d+Z$/, 'Z');
}

function parsed(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new BadCertificate(
      `${name} is not a certificate in PEM; write one that begins with BEGIN CERTIFICATE`,
      {
        cause,
      },
    );
  }
}

function parsedKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new BadCertificate(`${name} is not a private key in PEM; write one without a passphrase`, {
      cause,
    });
  }
}

/** The subject alternative names: `DNS:warden.svc, IP Address:127.0.0.1`. */
function namesOf(leaf: X509Certificate): string[] {
  return (leaf.subjectAltName ?? '').split(', ').flatMap((each) => {
    const name = /^(?:DNS|IP Address):(.+)$/.exec(each)?.[1];
    return name === undefined ? [] : [name];
  });
}
