import type { Instant } from '../../policy/types.ts';
import { renewalOf, type Validity } from '../validity.ts';
import { type AuthorityState, type Ca, FRESH } from './state.ts';

/** What was found where something was looked for. `unknown`: nobody could say. */
export type Seen<T> =
  | { readonly kind: 'good'; readonly value: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'bad'; readonly why: string }
  /** `status` is the API server's answer, null when there was none. */
  | { readonly kind: 'unknown'; readonly why: string; readonly status: number | null };

/** Milliseconds. */
export interface Terms {
  /** That an authority is good for. */
  readonly authorityLife: number;
  /** That a server's certificate is good for. */
  readonly leafLife: number;
  /** Between the sight of a new authority in every caBundle and its first certificate. */
  readonly propagation: number;
}

/** A server's certificate that was found good, as far as decisions go. */
export interface Leaf extends Validity {
  /** Fingerprint of the authority that signed it. */
  readonly signedBy: string;
  /** Its Secret names exactly those to be trusted, for those who read them there. */
  readonly namesAll: boolean;
}

/** Whether an object of the API server trusts exactly those that are to be trusted. `others`: somebody else says. */
export type Trust = 'all' | 'otherwise' | 'others';

export interface Situation {
  readonly now: Instant;
  /** By which part of a life this process renews early, 0 to 0.05, so that replicas do not renew at one moment. */
  readonly early: number;
  readonly terms: Terms;
  readonly state: AuthorityState;
  /** By the name of its Secret. */
  readonly leaves: ReadonlyMap<string, Seen<Leaf>>;
  /** By object; what is not there is absent. */
  readonly trust: ReadonlyMap<string, Seen<Trust>>;
}

export type Step =
  /** Makes a new authority and writes it as the one that signs. */
  | { readonly kind: 'found'; readonly why: string }
  /** Makes a new authority and writes it as `next` of this state. */
  | { readonly kind: 'announce'; readonly state: AuthorityState; readonly why: string }
  /** Writes this state, its generation one higher. */
  | { readonly kind: 'write'; readonly state: AuthorityState; readonly why: string }
  /** Issues a certificate and writes it into this Secret. `isRepair`: what was there cannot be used. */
  | { readonly kind: 'issue'; readonly leaf: string; readonly why: string; readonly isRepair: boolean }
  /** Writes whom to trust into this Secret, beside the certificate that it has. */
  | { readonly kind: 'publish'; readonly leaf: string }
  /** Writes whom to trust into this object. */
  | { readonly kind: 'trust'; readonly object: string };

/** What comes next, for people. */
export interface Upcoming {
  readonly what: string;
  readonly at: Instant;
}

export interface Decision {
  /** To be done now, in order; after them everything is looked at again. */
  readonly steps: readonly Step[];
  /** What time will bring, the soonest first. */
  readonly upcoming: readonly Upcoming[];
}

/**
 * What to do, once the Secret of the authority is as it should be. Every step is small and leaves behind a state from
 * which any replica can go on; each is done on what was read, or fails.
 */
export function decide(situation: Situation): Decision {
  const rotation = rotate(situation);
  if (rotation !== null) return { steps: [rotation], upcoming: [] };
  const publishing = [...situation.trust].flatMap(([object, seen]): Step[] =>
    seen.kind === 'good' && seen.value === 'otherwise' ? [{ kind: 'trust', object }] : [],
  );
  const leaves = [...situation.leaves].map(([name, seen]) => leafStep(name, seen, situation));
  // What `previous` signed is waited for to the end, even where it was signed late.
  const late = leaves.find((step) => step?.kind === 'write');
  if (late) return { steps: [late], upcoming: [] };
  const steps = [...publishing, ...leaves.filter((step) => step !== null)];
  if (steps.length > 0) return { steps, upcoming: [] };
  const retired = retire(situation);
  if (retired !== null) return { steps: [retired], upcoming: [] };
  const upcoming = upcomingOf(situation).sort((one, other) => one.at - other.at);
  return { steps: [], upcoming: upcoming.filter(({ at }) => at > situation.now) };
}

/** The next step of a rotation; null while there is none, or it waits. */
function rotate(situation: Situation): Step | null {
  const { state, now, terms, early } = situation;
  const { issuer, next } = state;
  const isOver = now >= issuer.notAfter;
  if (next === null) {
    if (isOver) return { kind: 'found', why: 'the authority has expired' };
    if (state.rotate) return { kind: 'announce', state, why: 'it was asked for' };
    if (issuer.key === null) return { kind: 'announce', state, why: 'the key of the authority is lost' };
    return now < renewalOf(issuer, early)
      ? null
      : { kind: 'announce', state, why: 'two thirds of its life are over' };
  }
  if (isOver) return switched(situation, next);
  const trusted = trustIn(situation);
  if (trusted === 'unknown') return null;
  if (trusted === 'no') {
    if (state.trustedSince === null) return null;
    const why = 'the new authority is not trusted everywhere any more';
    return { kind: 'write', state: { ...state, trustedSince: null }, why };
  }
  const { trustedSince } = state;
  // One of the future is somebody's clock, or hand.
  if (trustedSince === null || trustedSince > now) {
    const why = 'the new authority is in every caBundle';
    return { kind: 'write', state: { ...state, trustedSince: now }, why };
  }
  // One former authority is enough. Without its key the present one cannot wait.
  const isTaken = state.previous.length > 0 && issuer.key !== null;
  return isTaken || now < trustedSince + terms.propagation ? null : switched(situation, next);
}

/** Each further one would take another loss of a key within the month. */
const MOST_FORMER = 2;

/** The new authority signs, the old one stays trusted until nothing that it signed can be in use. */
function switched({ state, now, terms, leaves }: Situation, next: Ca): Step {
  const lives = [...leaves.values()].flatMap((leaf) => (leaf.kind === 'good' ? [leaf.value.notAfter] : []));
  const previous = [{ ...state.issuer, key: null }, ...state.previous].slice(0, MOST_FORMER);
  const retireAfter = Math.min(
    endOf(previous),
    Math.max(now + terms.leafLife, state.retireAfter ?? now, ...lives),
  );
  const after = { issuer: next, next: null, previous, ...FRESH, retireAfter };
  return { kind: 'write', state: { ...state, ...after }, why: 'the new authority signs from now on' };
}

/** Whether all that call us trust everybody of the state, as far as that is ours to say. */
function trustIn({ trust, leaves }: Situation): 'yes' | 'no' | 'unknown' {
  const all = [...trust.values()];
  const isOld = all.some((seen) => seen.kind === 'good' && seen.value === 'otherwise');
  const isUnpublished = [...leaves.values()].some((seen) => seen.kind === 'good' && !seen.value.namesAll);
  if (isOld || isUnpublished) return 'no';
  return all.some(({ kind }) => kind === 'unknown' || kind === 'bad') ? 'unknown' : 'yes';
}

function leafStep(leaf: string, seen: Seen<Leaf>, { state, now, early }: Situation): Step | null {
  const { issuer, previous } = state;
  if (seen.kind === 'unknown') return null;
  if (seen.kind === 'good') {
    const { signedBy, notAfter, namesAll } = seen.value;
    if (previous.some(({ fingerprint }) => fingerprint === signedBy)) {
      const why = 'a certificate of the former authority is good for longer';
      if (notAfter > retirementOf(state)) {
        return { kind: 'write', state: { ...state, retireAfter: notAfter }, why };
      }
      return issue(leaf, 'it is of the former authority', false, issuer);
    }
    const isDue = now >= renewalOf(seen.value, early);
    // Another would end at the same moment, with its authority.
    const isLast = signedBy === issuer.fingerprint && notAfter >= issuer.notAfter;
    if (isDue && !isLast) return issue(leaf, 'two thirds of its life are over', false, issuer);
    return namesAll ? null : { kind: 'publish', leaf };
  }
  if (seen.kind === 'absent') return issue(leaf, 'its Secret is not there', false, issuer);
  return issue(leaf, seen.why, true, issuer);
}

/** Without its key an authority issues nothing; the next one soon will. */
function issue(leaf: string, why: string, isRepair: boolean, issuer: Ca): Step | null {
  return issuer.key === null ? null : { kind: 'issue', leaf, why, isRepair };
}

/** Somewhat later than needed, for clocks that disagree. */
function retire({ state, now, terms }: Situation): Step | null {
  if (state.previous.length === 0 || now < retirementOf(state) + terms.propagation) return null;
  const why = 'nothing that the former authority signed is good any more';
  return { kind: 'write', state: { ...state, previous: [], retireAfter: null }, why };
}

function retirementOf({ retireAfter, previous }: AuthorityState): Instant {
  return Math.min(retireAfter ?? Number.POSITIVE_INFINITY, endOf(previous));
}

/** When the last of them expires. */
function endOf(cas: readonly Ca[]): Instant {
  return Math.max(...cas.map(({ notAfter }) => notAfter));
}

function upcomingOf(situation: Situation): Upcoming[] {
  const { state, terms, leaves, early } = situation;
  const { issuer, next, previous, trustedSince } = state;
  const all: Upcoming[] = [];
  for (const [name, seen] of leaves) {
    if (seen.kind === 'good') all.push({ what: `renewal of ${name}`, at: renewalOf(seen.value, early) });
  }
  if (next === null) all.push({ what: 'rotation of the authority', at: renewalOf(issuer, early) });
  else {
    if (trustedSince !== null)
      all.push({ what: 'the new authority signs', at: trustedSince + terms.propagation });
    all.push({ what: 'the authority expires', at: issuer.notAfter });
  }
  if (previous.length > 0)
    all.push({ what: 'the former authority leaves', at: retirementOf(state) + terms.propagation });
  return all;
}
