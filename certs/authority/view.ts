import {
  type CaBundle,
  readTrusting,
  TRUSTING_OBJECTS,
  type TrustingObject,
  type TrustingState,
} from '../../kube/ca-bundles.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import type { Secret, Secrets } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import { bundleOf, fingerprintsIn, isSameBundle } from '../bundle.ts';
import { type ReadAuthority, readAuthority } from './authority-secret.ts';
import type { Seen, Trust } from './decide.ts';
import { type LeafSecret, type ReadLeaf, readLeaf } from './leaf-secret.ts';
import { AUTHORITY_SECRET, leafSecrets } from './names.ts';
import { type AuthorityState, casOf } from './state.ts';

/** Everything of the API server's that certificates are about, as it was read. */
export interface View {
  readonly authority: Seen<Secret>;
  readonly leaves: ReadonlyMap<string, SeenLeaf>;
  /** By `KIND NAME`. */
  readonly trusting: ReadonlyMap<string, SeenTrusting>;
}

export interface SeenLeaf {
  readonly form: LeafSecret;
  readonly secret: Seen<Secret>;
}

export interface SeenTrusting {
  readonly object: TrustingObject;
  readonly state: Seen<TrustingState>;
}

/**
 * Reads it all. The authority comes last: whatever is then written on what was read before, on condition that it has
 * not changed since, cannot undo what somebody did who knew a younger authority.
 */
export async function readView(client: KubeClient, secrets: Secrets): Promise<View> {
  const [leaves, trusting] = await Promise.all([
    Promise.all(
      leafSecrets(secrets.namespace).map(
        async (form) => [form.name, { form, secret: await seen(secrets.get(form.name)) }] as const,
      ),
    ),
    Promise.all(
      TRUSTING_OBJECTS.map(
        async (object) =>
          [labelOf(object), { object, state: await seen(readTrusting(client, object)) }] as const,
      ),
    ),
  ]);
  return {
    authority: await seen(secrets.get(AUTHORITY_SECRET)),
    leaves: new Map(leaves),
    trusting: new Map(trusting),
  };
}

export function labelOf({ kind, name }: TrustingObject): string {
  return `${kind} ${name}`;
}

/** The authority in its Secret. */
export function authorityIn({ authority }: View, now: Instant): Seen<ReadAuthority> {
  return judged(authority, (secret) => readAuthority(secret, now));
}

/** The certificates that may be served, where clients trust these authorities. */
export function leavesIn(
  view: View,
  state: AuthorityState,
  now: Instant,
): ReadonlyMap<string, Seen<ReadLeaf>> {
  const [cas, bundle] = [casOf(state), trustedBy(state)];
  return new Map(
    [...view.leaves].map(([name, { form, secret }]) => [
      name,
      judged(secret, (each) => readLeaf(each, form, cas, bundle, now)),
    ]),
  );
}

export function trustIn(view: View, state: AuthorityState): ReadonlyMap<string, Seen<Trust>> {
  const bundle = trustedBy(state);
  return new Map(
    [...view.trusting].map(([label, { state: seenState }]) => [
      label,
      judged(seenState, (found): Trust => {
        if (found.injectedBy !== null) return 'others';
        return outdated(found, bundle).length === 0 ? 'all' : 'otherwise';
      }),
    ]),
  );
}

/** Whom clients are to trust, PEM. */
export function trustedBy(state: AuthorityState): string {
  return bundleOf(casOf(state).map(({ certificate }) => certificate));
}

/** The fields that hold another bundle. */
export function outdated({ bundles }: TrustingState, bundle: string): readonly CaBundle[] {
  return bundles.filter(({ pem }) => !isSameBundle(pem, bundle));
}

/** True when one of its fields trusts none of these. */
export function isStranger({ bundles }: TrustingState, bundle: string): boolean {
  const ours = fingerprintsIn(bundle) ?? [];
  return bundles.some(({ pem }) => !(fingerprintsIn(pem) ?? []).some((each) => ours.includes(each)));
}

async function seen<T>(reading: Promise<T | null>): Promise<Seen<T>> {
  try {
    const value = await reading;
    return value === null ? { kind: 'absent' } : { kind: 'good', value };
  } catch (error) {
    return {
      kind: 'unknown',
      why: messageOf(error),
      status: error instanceof KubeError ? error.status : null,
    };
  }
}

function judged<T, U>(found: Seen<T>, judge: (value: T) => U): Seen<U> {
  if (found.kind !== 'good') return found;
  try {
    return { kind: 'good', value: judge(found.value) };
  } catch (error) {
    return { kind: 'bad', why: messageOf(error) };
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
