import { shownTime } from '../certs/inspect.ts';
import type { CertificateSource } from '../certs/source.ts';
import type { Instant } from '../policy/types.ts';
import type { PolicySource } from '../source/source.ts';
import { dialSelf } from './self-dial.ts';

/** A dial to oneself answers for this long: who asks often must not make the server dial often. */
const DIAL_EVERY_MS = 1_000;

export interface ReadinessOptions {
  readonly source: PolicySource;
  readonly certificates: CertificateSource;
  readonly now: () => Instant;
  /** Null while the server does not listen. */
  listening(): { readonly address: string; readonly port: number } | null;
  /** True once the first whole set of policies is known. */
  started(): boolean;
  stopping(): boolean;
}

/** Why the webhook must not be asked now, as sentences. */
export function readiness(options: ReadinessOptions): () => Promise<readonly string[]> {
  const { source, certificates, now } = options;
  let dialled: { readonly at: Instant; readonly outcome: Promise<string | null> } | undefined;

  const dial = (): Promise<string | null> => {
    const at = options.listening();
    if (at === null) return Promise.resolve('the server does not listen yet');
    if (dialled === undefined || now() - dialled.at >= DIAL_EVERY_MS) {
      dialled = { at: now(), outcome: dialSelf(at.port, at.address, certificates.current()) };
    }
    return dialled.outcome;
  };

  return async () => {
    if (options.stopping()) return ['the webhook is stopping'];
    const reasons: string[] = [];
    if (!options.started()) reasons.push('the policies are not known yet');
    else if (!source.isFresh()) reasons.push('the policies may be out of date: their source does not answer');
    const { notAfter } = certificates.describe();
    if (now() > notAfter) reasons.push(`the certificate expired at ${shownTime(notAfter)}`);
    const broken = await dial();
    if (broken !== null) reasons.push(broken);
    return reasons;
  };
}
