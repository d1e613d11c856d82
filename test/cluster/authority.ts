import { generateKeyPair, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';

const backdatedMilliseconds = 5 * 60_000;
const lifetimeMilliseconds = 30 * 24 * 3_600_000;

/** A certificate and its key, both PEM. */
export interface Credentials {
  readonly certificate: string;
  readonly key: string;
}

/** Whom a certificate names, and for what. */
export interface CertificateRequest {
  /** Common name: to Kubernetes, the user. */
  readonly name: string;
  /** Organizations: to Kubernetes, the groups. */
  readonly groups?: readonly string[];
  /** DNS names and addresses of a server; without them the certificate is a client's. */
  readonly hosts?: readonly string[];
}

/** A certificate authority in memory. */
export interface Authority {
  /** Its own certificate, PEM. */
  readonly certificate: string;
  issue(request: CertificateRequest): Credentials;
}

/** Creates an authority. All its certificates share one key: an RSA key each would cost the tests seconds. */
export async function createAuthority(name: string): Promise<Authority> {
  const [own, shared] = await Promise.all([createRsaKey(), createRsaKey()]);
  const signingKey = forge.pki.privateKeyFromPem(own.privateKey);
  const subject = [nameField('commonName', name)];
  const authority = certificateFor(own.publicKey, subject, subject, [
    { name: 'basicConstraints', critical: true, cA: true },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const sign = (certificate: forge.pki.Certificate) => {
    certificate.sign(signingKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate);
  };

  return {
    certificate: sign(authority),
    issue({ name, groups = [], hosts = [] }) {
      const fields = [
        ...groups.map((group) => nameField('organizationName', group)),
        nameField('commonName', name),
      ];
      const certificate = certificateFor(shared.publicKey, fields, subject, [
        { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
        { name: 'extKeyUsage', clientAuth: hosts.length === 0, serverAuth: hosts.length > 0 },
        ...(hosts.length > 0 ? [{ name: 'subjectAltName', altNames: hosts.map(alternativeName) }] : []),
      ]);
      return { certificate: sign(certificate), key: shared.privateKey };
    },
  };
}

// forge's own key generation would block the event loop.
function createRsaKey(): Promise<{ publicKey: string; privateKey: string }> {
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
  extensions: object[],
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(Date.now() - backdatedMilliseconds);
  certificate.validity.notAfter = new Date(Date.now() + lifetimeMilliseconds);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  certificate.setExtensions(extensions);
  return certificate;
}

// The default, PrintableString, cannot hold `@` or `_`; the typings name the wrong enum for the tag.
function nameField(name: string, value: string): forge.pki.CertificateField {
  const utf8: number = forge.asn1.Type.UTF8;
  return { name, value, valueTagClass: utf8 };
}

function alternativeName(host: string): { type: number; value?: string; ip?: string } {
  return isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host };
}
