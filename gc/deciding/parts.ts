import { fitsWhole, standsAlone } from '../../policy/apart.ts';
import type { PolicySet } from '../../policy/govern.ts';
import { type DeletionPlan, planDeletions, planNamespace, planUnidentified } from '../../policy/plan.ts';
import type { Archive, Decision, Instant, Plan, Unmet } from '../../policy/types.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Pace } from '../system/pace.ts';

/** The archives without identity; no namespace has this name. */
export const UNIDENTIFIED = '';

/** All pods of a namespace at once; no pod has this name. */
const ALL = '';

/** What a plan would delete. What it keeps, a hundred thousand archives or so, is not held on to. */
export interface Deletions {
  readonly deletions: readonly Decision[];
  /** How many archives were decided on. */
  readonly archives: number;
  readonly unmet: readonly Unmet[];
}

export interface Part extends Deletions {
  readonly nextDue: Instant | null;
  /** Those deletions that another version of the policies does not ask for. */
  readonly vetoed: ReadonlySet<Archive>;
}

/** Pods of a namespace; null for all of them. */
export type Pods = ReadonlySet<string> | null;

/** By what is planned. */
export interface Terms {
  readonly policies: PolicySet;
  /** They must ask for a deletion, too (`ActivePolicies.vetoes`). */
  readonly vetoes: readonly PolicySet[];
  readonly now: Instant;
}

/**
 * The plan of a directory in parts that do not depend on one another: a namespace, or, where none of its limits
 * counts pods together, each of its pods. So an archive that comes costs planning its pod.
 */
export class Parts {
  readonly #inventory: Inventory;
  readonly #namespaces = new Map<string, Map<string, Part>>();

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  namespaces(): Iterable<string> {
    return this.#namespaces.keys();
  }

  *values(): Generator<Part> {
    for (const parts of this.#namespaces.values()) yield* parts.values();
  }

  /** What time alone may have changed by now. */
  *due(now: Instant): Generator<readonly [namespace: string, pods: Pods]> {
    for (const [namespace, parts] of this.#namespaces) {
      for (const [pod, { nextDue }] of parts)
        if (nextDue !== null && nextDue <= now) yield [namespace, pod === ALL ? null : new Set([pod])];
    }
  }

  /** Plans these pods of a namespace, and more of it where they do not stand alone. */
  async plan(namespace: string, pods: Pods, terms: Terms, pace: Pace): Promise<void> {
    if (!(await this.#planApart(namespace, pods, terms, pace))) this.#planWhole(namespace, terms);
    if (this.#namespaces.get(namespace)?.size === 0) this.#namespaces.delete(namespace);
  }

  /** The same archives by other policies, as they are now. */
  *plans(policies: PolicySet, now: Instant): Generator<{ readonly plan: Plan; readonly part: Part }> {
    for (const [namespace, parts] of this.#namespaces) {
      for (const [pod, part] of parts) yield { plan: this.#planOf(namespace, pod, policies, now), part };
    }
  }

  /** Whether that could be done. */
  async #planApart(namespace: string, pods: Pods, terms: Terms, pace: Pace): Promise<boolean> {
    if (!this.#fits(namespace, terms)) return false;
    const before = this.#namespaces.get(namespace);
    const known = before?.has(ALL) ? undefined : before;
    const parts = known ?? new Map<string, Part>();
    const wanted = known && pods ? pods : new Set([...parts.keys(), ...this.#inventory.podsOf(namespace)]);
    for (const pod of wanted) {
      if (pace.due()) await pace.rest();
      const plan = this.#deletionsOf(namespace, pod, terms);
      if (!standsAlone(plan)) return false;
      this.#put(parts, namespace, pod, plan, terms);
    }
    this.#namespaces.set(namespace, parts);
    return true;
  }

  #fits(namespace: string, { policies, vetoes }: Terms): boolean {
    if (namespace === UNIDENTIFIED) return false;
    const holding = this.#inventory.holding(namespace);
    return [policies, ...vetoes].every((each) => fitsWhole(namespace, holding, each));
  }

  #planWhole(namespace: string, terms: Terms): void {
    const parts = new Map<string, Part>();
    this.#put(parts, namespace, ALL, this.#deletionsOf(namespace, ALL, terms), terms);
    this.#namespaces.set(namespace, parts);
  }

  #put(
    parts: Map<string, Part>,
    namespace: string,
    pod: string,
    { deletions, archives, unmet, nextDue }: DeletionPlan,
    terms: Terms,
  ): void {
    if (archives === 0 && unmet.length === 0 && nextDue === null) {
      parts.delete(pod);
      return;
    }
    const vetoes = deletions.length === 0 ? [] : terms.vetoes;
    const vetoed = keptBy(vetoes.map((each) => this.#planOf(namespace, pod, each, terms.now)));
    parts.set(pod, { deletions, archives, unmet, nextDue, vetoed });
  }

  #planOf(namespace: string, pod: string, policies: PolicySet, now: Instant): Plan {
    if (namespace === UNIDENTIFIED) return this.#planUnidentified(policies, now);
    return planNamespace(this.#archivesOf(namespace, pod), policies, now);
  }

  #deletionsOf(namespace: string, pod: string, { policies, now }: Terms): DeletionPlan {
    if (namespace !== UNIDENTIFIED) return planDeletions(this.#archivesOf(namespace, pod), policies, now);
    const { decisions, ...rest } = this.#planUnidentified(policies, now);
    return { ...rest, deletions: decisions.filter(isDeletion), archives: decisions.length };
  }

  #planUnidentified(policies: PolicySet, now: Instant): Plan {
    return planUnidentified(this.#inventory.unidentified(), policies, now);
  }

  #archivesOf(namespace: string, pod: string): readonly Archive[] {
    return this.#inventory.archivesOf(namespace, pod === ALL ? undefined : pod);
  }
}

export function isDeletion({ action }: Decision): boolean {
  return action === 'delete';
}

export function keptBy(plans: readonly Plan[]): ReadonlySet<Archive> {
  const kept = new Set<Archive>();
  for (const { decisions } of plans)
    for (const { action, archive } of decisions) if (action === 'keep') kept.add(archive);
  return kept;
}
