import type { Instant } from '../../policy/types.ts';
import type { Seen, Step } from './decide.ts';
import { type AuthorityState, type Ca, casOf, FRESH, isSameState } from './state.ts';

/** What to make of the Secret of the authority. */
export type Settled =
  /** It is as it should be. */
  | { readonly kind: 'keep'; readonly state: AuthorityState }
  /** It is to be written before anything else. */
  | { readonly kind: 'step'; readonly step: Step }
  /** Nobody can say what it holds. */
  | { readonly kind: 'unknown' };

/**
 * What the Secret of the authority ought to hold. Whoever has seen its last version puts it back when it is lost or
 * spoilt, so that the authority which clients trust stays in force.
 * @param held the last good version that this process knows; null after a start
 * @param leafCa the authority of a certificate that is in use, when nothing else is known of it; it has no key
 */
export function settle(
  seen: Seen<AuthorityState>,
  held: AuthorityState | null,
  leafCa: Ca | null,
  now: Instant,
): Settled {
  const known = held !== null && casOf(held).some((ca) => now < ca.notAfter) ? held : null;
  if (seen.kind === 'unknown') return { kind: 'unknown' };
  if (seen.kind === 'good') return known === null ? keep(seen.value) : reconcile(seen.value, known, now);
  const why = seen.kind === 'absent' ? 'its Secret is not there' : `its Secret cannot be used: ${seen.why}`;
  if (known !== null) return write(known, known.generation, why);
  // Its key is lost. It stays trusted while another takes its place.
  if (leafCa !== null && now < leafCa.notAfter) {
    const state = { generation: 0, issuer: leafCa, next: null, previous: [], ...FRESH };
    return { kind: 'step', step: { kind: 'announce', state, why } };
  }
  return { kind: 'step', step: { kind: 'found', why } };
}

function reconcile(seen: AuthorityState, held: AuthorityState, now: Instant): Settled {
  const ours = new Set(casOf(held).map(({ fingerprint }) => fingerprint));
  const generation = Math.max(seen.generation, held.generation);
  if (!casOf(seen).some(({ fingerprint }) => ours.has(fingerprint))) {
    if (now >= seen.issuer.notAfter)
      return write(held, generation, 'its Secret holds another authority, which has expired');
    // Clients do not trust it yet: it comes in as any new one does.
    const state = { ...held, ...FRESH, next: seen.issuer, retireAfter: held.retireAfter };
    return write(state, generation, 'somebody put another authority into its Secret, which is rotated in');
  }
  if (seen.generation < held.generation)
    return write(held, generation, 'its Secret went back to an older version');
  if (seen.generation === held.generation && !isSameState(seen, held)) {
    return write(held, generation, 'its Secret was edited');
  }
  return keep(seen);
}

function keep(state: AuthorityState): Settled {
  return { kind: 'keep', state };
}

function write(state: AuthorityState, generation: number, why: string): Settled {
  return { kind: 'step', step: { kind: 'write', state: { ...state, generation }, why } };
}
