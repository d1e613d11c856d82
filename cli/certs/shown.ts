import type { X509Certificate } from 'node:crypto';
import type { Instant } from '../../policy/types.ts';
import type { ShownCertificate, ShownLeaf } from './status.ts';

/** @param signers who may have signed it */
export function shownLeaf(
  leaf: X509Certificate,
  where: string,
  signers: readonly X509Certificate[],
  renewal: (validity: ShownCertificate) => Instant | null,
): ShownLeaf {
  const shown = shownOf(leaf);
  const signer = signers.find((each) => leaf.checkIssued(each) && leaf.verify(each.publicKey));
  return { ...shown, where, renewalAt: renewal(shown), authority: signer?.fingerprint256 ?? null };
}

export function shownOf(certificate: X509Certificate): ShownCertificate {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    fingerprint: certificate.fingerprint256,
    names: (certificate.subjectAltName ?? '')
      .split(', ')
      .flatMap((each) => /^(?:DNS|IP Address):(.+)$/.exec(each)?.[1] ?? []),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}

/** Node writes a name's parts on lines of their own; there may be none at all. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
