import { X509Certificate } from 'node:crypto';
import type { ReadAuthority } from '../../certs/authority/authority-secret.ts';
import { decide, type Seen } from '../../certs/authority/decide.ts';
import { AUTHORITY_SECRET, WEBHOOK_SECRET } from '../../certs/authority/names.ts';
import { type AuthorityState, type Ca, stageOf } from '../../certs/authority/state.ts';
import { authorityIn, leavesIn, trustedBy, trustIn, type View } from '../../certs/authority/view.ts';
import { certificatesIn } from '../../certs/bundle.ts';
import { shownTime } from '../../certs/inspect.ts';
import { TERMS } from '../../certs/own-authority.ts';
import { renewalOf } from '../../certs/validity.ts';
import type { Secret } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import type { Dialled } from './dial.ts';
import { REPLICA, remedyOf, unreadable } from './remedies.ts';
import { shownLeaf, shownOf } from './shown.ts';
import type { CertificateFinding, CertificateReport, Manager, ShownAuthority, ShownLeaf } from './status.ts';
import { trustFindings, trustOf } from './trust.ts';

/** What was found, before it is judged. */
export interface Found {
  readonly namespace: string;
  readonly now: Instant;
  readonly view: View;
  /** Null where nobody asked for it. */
  readonly dialled: Dialled | null;
}

/** How long something may be late before it is wrong: replicas look every few minutes. */
const LATE_MS = 15 * 60_000;

/** What is served, who is trusted, what comes next, and everything that does not fit together. */
export function judge({ namespace, now, view, dialled }: Found): CertificateReport {
  const findings: CertificateFinding[] = [];
  const authority = authorityIn(view, now);
  const state = authority.kind === 'good' ? authority.value.state : null;
  const manager = managerOf(view, authority);
  findings.push(...authorityFindings(authority, manager, now));
  const certificates = leavesOf(view, dialled, state, manager, now);
  findings.push(...leafFindings(view, state, manager, now));
  findings.push(...dialFindings(dialled, certificates, now));
  const trust = trustOf(view, manager);
  findings.push(...trustFindings(view, certificates, state, manager));
  if (certificates.length === 0 && findings.length === 0) {
    findings.push({
      about: `namespace ${namespace}`,
      message: 'no certificate of the webhook is kept here, and none was dialled',
      remedy: "name the webhook's namespace with --namespace, or its address with --address",
    });
  }
  const upcoming = state === null ? certificateDates(certificates) : upcomingOf(view, state, now);
  return {
    ...{ namespace, now, managedBy: manager, certificates, trust, upcoming, findings },
    stage: state && stageOf(state),
    authorities: state === null ? [] : authoritiesOf(state),
  };
}

function managerOf(view: View, authority: Seen<ReadAuthority>): Manager {
  if (authority.kind === 'unknown') return 'unknown';
  if (authority.kind === 'good' || authority.kind === 'bad') return 'own authority';
  const isInjected = [...view.trusting.values()].some(
    ({ state }) => state.kind === 'good' && state.value.injectedBy !== null,
  );
  return isInjected ? 'cert-manager' : 'files';
}

function authoritiesOf(state: AuthorityState): ShownAuthority[] {
  const { issuer, next, previous, retireAfter, trustedSince } = state;
  const shown = (ca: Ca | null, role: ShownAuthority['role'], until: Instant | null) =>
    ca === null ? [] : [{ ...shownOf(new X509Certificate(ca.certificate)), role, until }];
  const switchAt = trustedSince === null ? null : trustedSince + TERMS.propagation;
  return [
    ...shown(issuer, 'signs', next === null ? renewalOf(issuer) : switchAt),
    ...shown(next, 'next', null),
    ...previous.flatMap((each) => shown(each, 'former', (retireAfter ?? each.notAfter) + TERMS.propagation)),
  ];
}

function authorityFindings(
  authority: Seen<ReadAuthority>,
  manager: Manager,
  now: Instant,
): CertificateFinding[] {
  const about = `Secret ${AUTHORITY_SECRET}`;
  if (authority.kind === 'unknown') return [unreadable(about, authority.why)];
  if (manager !== 'own authority') return [];
  if (authority.kind === 'bad')
    return [{ about, message: `cannot be used: ${authority.why}`, remedy: REPLICA }];
  if (authority.kind === 'absent') return [];
  const { state, faults } = authority.value;
  const findings = faults.map((message) => ({ about, message, remedy: REPLICA }));
  const { issuer, next, trustedSince } = state;
  const late = (message: string) => findings.push({ about, message, remedy: REPLICA });
  if (now >= issuer.notAfter) late(`the authority expired at ${shownTime(issuer.notAfter)}`);
  else if (next === null && now > renewalOf(issuer) + LATE_MS) {
    late(`its rotation was due at ${shownTime(renewalOf(issuer))} and has not begun`);
  } else if (next !== null && trustedSince !== null && now > trustedSince + TERMS.propagation + LATE_MS) {
    late(`its rotation has been standing still since ${shownTime(trustedSince + TERMS.propagation)}`);
  }
  if (issuer.key === null && next === null)
    late('the key of the authority is lost, and no other takes its place');
  return findings;
}

function leavesOf(
  view: View,
  dialled: Dialled | null,
  state: AuthorityState | null,
  manager: Manager,
  now: Instant,
): ShownLeaf[] {
  const kept = [...view.leaves].flatMap(([name, { secret }]): ShownLeaf[] => {
    const [leaf] = secret.kind === 'good' ? certificatesIn(secret.value.data['tls.crt'] ?? '').all : [];
    if (leaf === undefined || secret.kind !== 'good') return [];
    const cas = signersOf(secret.value, state);
    const isOurs = manager === 'own authority';
    return [shownLeaf(leaf, `Secret ${name}`, cas, isOurs ? (of) => renewalOf(of) : () => null)];
  });
  if (dialled?.kind !== 'shown') return kept;
  const cas = [...view.leaves.values()].flatMap(({ secret }) =>
    secret.kind === 'good' ? signersOf(secret.value, state) : [],
  );
  const trusted = [...view.trusting.values()].flatMap(({ state: each }) =>
    each.kind === 'good' ? each.value.bundles.flatMap(({ pem }) => certificatesIn(pem).all) : [],
  );
  const served = shownLeaf(dialled.certificate, dialled.address, [...cas, ...trusted], () => null);
  return [{ ...served, renewalAt: served.notAfter < now ? null : served.renewalAt }, ...kept];
}

/** Who may have signed what a Secret holds. */
function signersOf({ data }: Secret, state: AuthorityState | null): readonly X509Certificate[] {
  return certificatesIn(`${data['ca.crt'] ?? ''}\n${state === null ? '' : trustedBy(state)}`).all;
}

function leafFindings(
  view: View,
  state: AuthorityState | null,
  manager: Manager,
  now: Instant,
): CertificateFinding[] {
  const judged = state === null ? null : leavesIn(view, state, now);
  return [...view.leaves].flatMap(([name, { secret }]): CertificateFinding[] => {
    const about = `Secret ${name}`;
    const seen = judged?.get(name) ?? secret;
    if (seen.kind === 'unknown') return [unreadable(about, seen.why)];
    if (seen.kind === 'bad') return [{ about, message: `cannot be served: ${seen.why}`, remedy: REPLICA }];
    if (seen.kind === 'absent') {
      return state === null ? [] : [{ about, message: 'is not there', remedy: REPLICA }];
    }
    const [leaf] = secret.kind === 'good' ? certificatesIn(secret.value.data['tls.crt'] ?? '').all : [];
    if (leaf === undefined) return [{ about, message: 'holds no certificate', remedy: remedyOf(manager) }];
    const { notBefore, notAfter } = shownOf(leaf);
    if (now >= notAfter) {
      return [{ about, message: `expired at ${shownTime(notAfter)}`, remedy: remedyOf(manager) }];
    }
    const due = renewalOf({ notBefore, notAfter });
    const isLate = now > due + LATE_MS && notAfter !== state?.issuer.notAfter;
    // What others issue is renewed when they think fit.
    if (manager !== 'own authority' || !isLate) return [];
    return [{ about, message: `its renewal was due at ${shownTime(due)}`, remedy: REPLICA }];
  });
}

function dialFindings(
  dialled: Dialled | null,
  certificates: readonly ShownLeaf[],
  now: Instant,
): CertificateFinding[] {
  if (dialled === null) return [];
  const about = dialled.address;
  if (dialled.kind === 'failed') {
    const remedy = 'see whether the webhook runs there, and whether it can be reached from here';
    return [{ about, message: `cannot be dialled: ${dialled.why}`, remedy }];
  }
  const served = shownOf(dialled.certificate);
  const kept = certificates.find(({ where }) => where === `Secret ${WEBHOOK_SECRET}`);
  const findings: CertificateFinding[] = [];
  if (now >= served.notAfter || now < served.notBefore) {
    const message = `serves a certificate that is valid from ${shownTime(served.notBefore)} to ${shownTime(served.notAfter)}`;
    findings.push({ about, message, remedy: "see the log of that replica, and both machines' clocks" });
  }
  if (kept !== undefined && kept.fingerprint !== served.fingerprint) {
    findings.push({
      about,
      message: `serves another certificate (${served.fingerprint.slice(0, 23)}…) than ${kept.where} holds`,
      remedy: 'a mounted Secret takes a minute or two to arrive; if it stays so, see the log of that replica',
    });
  }
  return findings;
}

function upcomingOf(view: View, state: AuthorityState, now: Instant): CertificateReport['upcoming'] {
  const leaves = leavesIn(view, state, now);
  const situation = { now, early: 0, terms: TERMS, state, leaves, trust: trustIn(view, state) };
  const { steps, upcoming } = decide(situation);
  const at = steps.map((step) => ({
    what: 'why' in step ? step.why : 'caBundles are written',
    at: now,
  }));
  return [...at, ...upcoming];
}

function certificateDates(certificates: readonly ShownLeaf[]): CertificateReport['upcoming'] {
  return certificates
    .map(({ where, notAfter }) => ({ what: `expiry of the certificate of ${where}`, at: notAfter }))
    .sort((one, other) => one.at - other.at);
}
