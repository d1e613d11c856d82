import type { AuthorityState } from '../../certs/authority/state.ts';
import { trustedBy, type View } from '../../certs/authority/view.ts';
import { certificatesIn, isSameBundle } from '../../certs/bundle.ts';
import type { CaBundle, TrustingState } from '../../kube/ca-bundles.ts';
import { REPLICA, unreadable } from './remedies.ts';
import { shownOf } from './shown.ts';
import type { CertificateFinding, Manager, ShownLeaf, ShownTrust } from './status.ts';

/** Whom each field of the API server's objects trusts, and who keeps it. */
export function trustOf(view: View, manager: Manager): ShownTrust[] {
  return [...view.trusting].flatMap(([object, { state }]) =>
    state.kind !== 'good'
      ? []
      : state.value.bundles.map(({ label, pem }) => ({
          object,
          entry: label,
          managedBy: entryManager(state.value, manager),
          trusts: certificatesIn(pem).all.map(shownOf),
        })),
  );
}

function entryManager({ injectedBy }: TrustingState, manager: Manager): Manager {
  if (injectedBy !== null) return 'cert-manager';
  return manager === 'cert-manager' ? 'files' : manager;
}

/** What of it does not fit the certificates. */
export function trustFindings(
  view: View,
  certificates: readonly ShownLeaf[],
  state: AuthorityState | null,
  manager: Manager,
): CertificateFinding[] {
  // Only a dial says what is served; the Secret comes next to it.
  const leaf = certificates.find(({ where }) => where !== 'Secret door-certificate');
  const bundle = state === null ? null : trustedBy(state);
  return [...view.trusting].flatMap(([object, { state: seen }]): CertificateFinding[] => {
    if (seen.kind === 'unknown') return [unreadable(object, seen.why)];
    if (seen.kind !== 'good') return [];
    const by = entryManager(seen.value, manager);
    return seen.value.bundles.flatMap((each) => bundleFindings(object, each, leaf, bundle, by));
  });
}

function bundleFindings(
  object: string,
  { label, pem }: CaBundle,
  leaf: ShownLeaf | undefined,
  bundle: string | null,
  by: Manager,
): CertificateFinding[] {
  const about = `${object} ${label}`;
  const { all, unreadable: rubbish } = certificatesIn(pem);
  const remedy = trustRemedy(by, bundle !== null);
  if (all.length === 0) {
    const message = rubbish > 0 ? 'has a caBundle that is no PEM' : 'has no caBundle: its calls fail';
    return [{ about, message, remedy }];
  }
  if (by === 'cert-manager' && bundle !== null) {
    return [
      { about, message: 'is filled in by cert-manager, so the own authority does not touch it', remedy },
    ];
  }
  const trusted = new Set(all.map(({ fingerprint256 }) => fingerprint256));
  if (leaf !== undefined && leaf.authority !== null && !trusted.has(leaf.authority)) {
    const message = `does not trust the authority of the certificate of ${leaf.where}: its calls fail`;
    return [{ about, message, remedy }];
  }
  if (leaf !== undefined && leaf.authority === null) {
    return [{ about, message: `trusts nobody who has signed the certificate of ${leaf.where}`, remedy }];
  }
  if (by === 'own authority' && bundle !== null && !isSameBundle(pem, bundle)) {
    return [{ about, message: 'trusts others than those of the authority', remedy }];
  }
  return [];
}

function trustRemedy(by: Manager, hasAuthority: boolean): string {
  if (by === 'own authority') return REPLICA;
  if (by === 'files' || by === 'unknown')
    return 'write the authority of the served certificate (its ca.crt) into the caBundle';
  return hasAuthority
    ? 'let one of the two keep the certificates: take away the annotation of cert-manager, or --authority-namespace and its Secret'
    : "see cert-manager's cainjector, and whether the annotation names the right Certificate";
}
