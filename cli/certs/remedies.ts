import type { CertificateFinding, Manager } from './status.ts';

/** Where the own authority sees to it. */
export const REPLICA =
  'see the log of a running replica of the webhook, which mends this by itself when it can';

export function remedyOf(manager: Manager): string {
  if (manager === 'own authority') return REPLICA;
  return manager === 'cert-manager'
    ? "see the Certificate's events: kubectl describe certificate"
    : 'put a renewed certificate in its place';
}

export function unreadable(about: string, why: string): CertificateFinding {
  return {
    about,
    // Without the address, which is long and always the same.
    message: `cannot be read: ${why.replace(/^[A-Z]+ \S+ (?=was answered|had no answer)/, '')}`,
    remedy: 'call as somebody who may get it (--kubeconfig), and see whether the API server answers',
  };
}
