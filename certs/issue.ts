import { randomBytes } from 'node:crypto';
import forge from 'node-forge';
import type { Instant } from '../policy/types.ts';
import { BACKDATED_MS, type Validity } from './validity.ts';
import { alternativeName, createKey, type DistinguishedName, signCertificate, signingKey } from './x509.ts';

/** A certificate and its key, PEM. */
export interface Issued extends Validity {
  readonly certificate: string;
  readonly key: string;
}

/** An authority: its certificate, and its key, PEM. */
export interface Authority extends Issued {
  /**
   * A server's certificate for these DNS names and addresses, never valid for longer than the authority itself.
   * @param lifetime milliseconds from `now`
   */
  issue(names: readonly string[], now: Instant, lifetime: number): Promise<Issued>;
}

/** Makes an authority; `lifetime` in milliseconds. */
export async function createAuthority(
  now: Instant,
  lifetime: number,
  newKey: typeof createKey = createKey,
): Promise<Authority> {
  const { publicKey, privateKey } = await newKey();
  // The number tells the authorities of two processes apart where a client trusts both.
  const subject = [{ name: 'commonName', value: `checkpoint-warden ${randomBytes(4).toString('hex')}` }];
  const validity = { notBefore: now - BACKDATED_MS, notAfter: now + lifetime };
  const extensions = [
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ];
  const signing = signingKey(privateKey);
  const form = { publicKey, subject, issuer: subject, validity, extensions };
  return openAuthority({ ...validity, certificate: signCertificate(form, signing), key: privateKey }, newKey);
}

/** An authority that there is already. Its certificate and key (RSA) have been found to belong together. */
export function openAuthority(own: Issued, newKey: typeof createKey = createKey): Authority {
  const signing = signingKey(own.key);
  const { subject, keyIdentifier } = identityOf(own.certificate);
  return {
    ...own,
    async issue(names, at, life) {
      const { publicKey, privateKey } = await newKey();
      const validity = {
        notBefore: Math.max(at - BACKDATED_MS, own.notBefore),
        notAfter: Math.min(at + life, own.notAfter),
      };
      const form = {
        publicKey,
        subject: [{ name: 'commonName', value: 'checkpoint-warden' }],
        issuer: subject,
        validity,
        extensions: [
          { name: 'basicConstraints', critical: true, cA: false },
          { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
          { name: 'extKeyUsage', serverAuth: true },
          { name: 'subjectAltName', altNames: names.map(alternativeName) },
          { name: 'subjectKeyIdentifier' },
          { name: 'authorityKeyIdentifier', keyIdentifier },
        ],
      };
      return { ...validity, certificate: signCertificate(form, signing), key: privateKey };
    },
  };
}

/** Byte for byte as the authority's certificate has them: some clients compare names so. */
function identityOf(pem: string): { readonly subject: DistinguishedName; readonly keyIdentifier: string } {
  const certificate = forge.pki.certificateFromPem(pem);
  const extension: unknown = certificate.getExtension('subjectKeyIdentifier');
  const known =
    typeof extension === 'object' && extension !== null && 'subjectKeyIdentifier' in extension
      ? String(extension.subjectKeyIdentifier)
      : null;
  const keyIdentifier =
    known === null ? certificate.generateSubjectKeyIdentifier().getBytes() : forge.util.hexToBytes(known);
  return { subject: certificate.subject.attributes, keyIdentifier };
}
