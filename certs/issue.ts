import { generateKeyPair, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import type { Instant } from '../policy/types.ts';

/** Clocks of a cluster disagree by seconds to minutes. */
const BACKDATED_MS = 5 * 60_000;

export interface Validity {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** A certificate and its key, PEM. */
export interface Issued extends Validity {
  readonly certificate: string;
  readonly key: string;
}

/** An authority in memory. */
export interface Authority extends Validity {
  /** Its certificate, PEM. */
  readonly certificate: string;
  /**
   * A server's certificate for these DNS names and addresses, never valid for longer than the authority itself.
   * @param lifetime milliseconds from `now`
   */
  issue(names: readonly string[], now: Instant, lifetime: number): Promise<Issued>;
}

/** Makes an authority; `lifetime` in milliseconds. node-forge signs with RSA only, hence the kind of key. */
export async function createAuthority(now: Instant, lifetime: number): Promise<Authority> {
  const own = await createKey();
  const signingKey = forge.pki.privateKeyFromPem(own.privateKey);
  // The number tells the authorities of two processes apart where a client trusts both.
  const subject = [{ name: 'commonName', value: `checkpoint-warden ${randomBytes(4).toString('hex')}` }];
  const validity = { notBefore: now - BACKDATED_MS, notAfter: now + lifetime };
  const root = certificateFor(own.publicKey, subject, subject, validity, [
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const keyIdentifier = root.generateSubjectKeyIdentifier().getBytes();
  const sign = (certificate: forge.pki.Certificate) => {
    certificate.sign(signingKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate).replaceAll('\r', '');
  };

  return {
    ...validity,
    certificate: sign(root),
    async issue(names, at, life) {
      const { publicKey, privateKey } = await createKey();
      const during = {
        notBefore: Math.max(at - BACKDATED_MS, validity.notBefore),
        notAfter: Math.min(at + life, validity.notAfter),
      };
      const leaf = certificateFor(
        publicKey,
        [{ name: 'commonName', value: 'checkpoint-warden' }],
        subject,
        during,
        [
          { name: 'basicConstraints', critical: true, cA: false },
          { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
          { name: 'extKeyUsage', serverAuth: true },
          { name: 'subjectAltName', altNames: names.map(alternativeName) },
          { name: 'subjectKeyIdentifier' },
          { name: 'authorityKeyIdentifier', keyIdentifier },
        ],
      );
      return { ...during, certificate: sign(leaf), key: privateKey };
    },
  };
}

/** In a thread of the pool: node-forge's own way would hold the event loop for seconds. */
function createKey(): Promise<{ publicKey: string; privateKey: string }> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

function certificateFor(
  publicKey: string,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
  validity: Validity,
  extensions: readonly object[],
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber();
  certificate.validity.notBefore = new Date(validity.notBefore);
  certificate.validity.notAfter = new Date(validity.notAfter);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  certificate.setExtensions([...extensions]);
  return certificate;
}

/** 127 random bits, positive and without leading zero: RFC 5280, 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

function alternativeName(name: string): object {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}
