import forge from 'node-forge';
import { BACKDATED_MS } from '../../certs/validity.ts';
import { alternativeName, createKey, signCertificate, signingKey } from '../../certs/x509.ts';

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
  const [own, shared] = await Promise.all([createKey(), createKey()]);
  const signing = signingKey(own.privateKey);
  const issuer = [nameField('commonName', name)];
  const sign = (publicKey: string, subject: forge.pki.CertificateField[], extensions: readonly object[]) => {
    const now = Date.now();
    const validity = { notBefore: now - BACKDATED_MS, notAfter: now + lifetimeMilliseconds };
    return signCertificate({ publicKey, subject, issuer, validity, extensions }, signing);
  };

  return {
    certificate: sign(own.publicKey, issuer, [
      { name: 'basicConstraints', critical: true, cA: true },
      { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
      { name: 'subjectKeyIdentifier' },
    ]),
    issue({ name, groups = [], hosts = [] }) {
      const fields = [
        ...groups.map((group) => nameField('organizationName', group)),
        nameField('commonName', name),
      ];
      const certificate = sign(shared.publicKey, fields, [
        { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
        { name: 'extKeyUsage', clientAuth: hosts.length === 0, serverAuth: hosts.length > 0 },
        ...(hosts.length > 0 ? [{ name: 'subjectAltName', altNames: hosts.map(alternativeName) }] : []),
      ]);
      return { certificate, key: shared.privateKey };
    },
  };
}

// The default, PrintableString, cannot hold `@` or `_`; the typings name the wrong enum for the tag.
function nameField(name: string, value: string): forge.pki.CertificateField {
  const utf8: number = forge.asn1.Type.UTF8;
  return { name, value, valueTagClass: utf8 };
}
