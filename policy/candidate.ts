import type { Governing, PolicySet } from './govern.ts';
import { bucketKey, sooner } from './order.ts';
import type { Archive, Decision, DecisionRule, Identity, Instant, Level, Rule, Unmet } from './types.ts';

/** A container that has archives. */
export interface Owner {
  readonly identity: Identity;
  readonly governing: Governing;
  /** Its bucket at each level, as `bucketKey` names it: made once, not for each archive and limit. */
  readonly keys: Readonly<Record<Level, string>>;
}

/** An archive with identity while its plan is made; once `deletion` is set it no longer counts. */
export interface Candidate {
  readonly archive: Archive;
  readonly owner: Owner;
  deletion: Decision | null;
  /** What would have deleted it first, had a pin or a floor not held it. */
  spared: Grounds | null;
  /** The schedule whose floor alone holds it, `namespace/name`. */
  retainedBy: string | null;
}

/** Why an archive is to go. */
export interface Grounds {
  readonly rule: DecisionRule;
  /** Null where a schedule asks for it. */
  readonly policy: Rule | null;
  /** `spec.podPolicies[1].maxCheckpoints` */
  readonly field: string;
  readonly reason: string;
}

/**
 * A limit that one step of a plan cannot meet; whether it stays broken shows when the last step is done.
 * @returns null when it does not.
 */
export type Doubt = (isGone: (archive: Archive) => boolean) => Unmet | null;

/** What a plan collects on its way. */
export interface Notes {
  readonly doubts: Doubt[];
  nextDue: Instant | null;
  /** Deletions so far, in all parts of the plan. */
  turn: number;
}

export function newNotes(): Notes {
  return { doubts: [], nextDue: null, turn: 0 };
}

export function noteDue(notes: Notes, due: Instant | null): void {
  notes.nextDue = sooner(notes.nextDue, due);
}

/** The limits that stay broken once these decisions are carried out. */
export function unmetOf({ doubts }: Notes, decisions: readonly Decision[]): Unmet[] {
  if (doubts.length === 0) return [];
  const gone = new Set(decisions.flatMap((each) => (each.action === 'delete' ? [each.archive] : [])));
  return doubts.flatMap((doubt) => doubt((archive) => gone.has(archive)) ?? []);
}

/** The decision to delete, in its turn. */
export function deletionOf(archive: Archive, grounds: Grounds, notes: Notes): Decision {
  const { rule, policy, field, reason } = grounds;
  notes.turn += 1;
  return {
    archive,
    action: 'delete',
    rule,
    policy,
    resource: policy?.resource ?? null,
    field,
    turn: notes.turn,
    reason,
  };
}

/**
 * Deletes unless something holds it.
 * @param floor candidates that `keepLast` holds against these grounds.
 * @returns true when it is gone.
 */
export function remove(
  each: Candidate,
  grounds: Grounds,
  notes: Notes,
  floor?: ReadonlySet<Candidate>,
): boolean {
  if (each.archive.state !== 'complete') return false;
  if (each.archive.pinned || floor?.has(each)) {
    each.spared ??= grounds;
    return false;
  }
  each.deletion = deletionOf(each.archive, grounds, notes);
  return true;
}

/** The containers of a plan; each is looked up in the policies once. */
export class Owners {
  readonly #policies: PolicySet;
  /** By namespace, pod and container: a joined key for each of a hundred thousand archives takes longer. */
  readonly #owners = new Map<string, Map<string, Map<string, Owner>>>();

  constructor(policies: PolicySet) {
    this.#policies = policies;
  }

  of(identity: Identity): Owner {
    const { namespace, pod, container } = identity;
    const known = this.#owners.get(namespace)?.get(pod)?.get(container);
    if (known !== undefined) return known;
    const keys = { container: bucketKey(identity, 'container'), pod: bucketKey(identity, 'pod'), namespace };
    const owner = { identity, governing: this.#policies.governing(identity), keys };
    inner(inner(this.#owners, namespace), pod).set(container, owner);
    return owner;
  }
}

function inner<V>(outer: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const known = outer.get(key) ?? new Map<string, V>();
  outer.set(key, known);
  return known;
}
