import type { PolicySet } from '../../policy/govern.ts';
import { planNamespace, planUnidentified } from '../../policy/plan.ts';
import { isPressedAfter, planPressure } from '../../policy/pressure.ts';
import type { Archive, Decision, Disk, Instant, Plan, PolicyResource, Unmet } from '../../policy/types.ts';
import type { Inventory, InventoryChange } from '../inventory/inventory.ts';
import { Pace } from '../system/pace.ts';

/** The part of the archives without identity; no namespace has this name. */
const UNIDENTIFIED = '';

/** What a plan would delete. What it keeps, a hundred thousand archives or so, is not held on to. */
export interface Deletions {
  readonly deletions: readonly Decision[];
  /** How many archives were decided on. */
  readonly archives: number;
  readonly unmet: readonly Unmet[];
}

interface Part extends Deletions {
  readonly nextDue: Instant | null;
  /** Those deletions that another version of the policies does not ask for. */
  readonly vetoed: ReadonlySet<Archive>;
}

/**
 * The plan of a directory in parts, one a namespace: a change costs planning what it touches, and what falls due.
 */
export class Plans {
  readonly #inventory: Inventory;
  readonly #parts = new Map<string, Part>();
  #vetoes: readonly PolicySet[] = [];
  /** Planned from what is not so any more. */
  readonly #outdated = new Set<string>();
  #allOutdated = true;
  readonly #pace = new Pace();
  /** Of those outdated, the ones that others than the collector have changed: their decisions no longer hold. */
  readonly #stale = new Set<string>();

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  /** @param isOurs a change that the plan itself has asked for. */
  take(change: InventoryChange, isOurs: boolean): void {
    if (change.directoryChanged) this.takeAll();
    const changed = [...change.namespaces, ...(change.unidentified ? [UNIDENTIFIED] : [])];
    for (const part of changed) {
      this.#outdated.add(part);
      if (!isOurs) this.#stale.add(part);
    }
  }

  /** Everything is to be planned anew, and no decision holds. */
  takeAll(): void {
    this.#allOutdated = true;
  }

  /** Whether there is something to plan. */
  isOutdated(now: Instant): boolean {
    const due = this.nextDue();
    return this.#allOutdated || this.#outdated.size > 0 || (due !== null && due <= now);
  }

  /** Whether all was planned by the policies that there are now. */
  get isWhole(): boolean {
    return !this.#allOutdated;
  }

  /** Whether this decision is from a plan of what there is now. */
  holds({ archive }: Decision): boolean {
    if (this.#allOutdated || this.#stale.has(archive.identity?.namespace ?? UNIDENTIFIED)) return false;
    return this.#inventory.get(archive.file) === archive;
  }

  /**
   * Plans what has changed and what is due. What changes meanwhile is outdated again.
   *
   * @param vetoes policies that must ask for a deletion, too (`ActivePolicies.vetoes`).
   * @returns the namespaces of it.
   */
  async update(
    policies: PolicySet,
    vetoes: readonly PolicySet[],
    now: Instant,
  ): Promise<ReadonlySet<string>> {
    const outdated = this.#allOutdated ? this.#everything() : new Set(this.#outdated);
    for (const [part, { nextDue }] of this.#parts) if (nextDue !== null && nextDue <= now) outdated.add(part);
    // Until it is planned anew, nothing of it holds.
    if (this.#allOutdated) for (const part of outdated) this.#stale.add(part);
    for (const part of outdated) this.#outdated.add(part);
    this.#allOutdated = false;
    this.#vetoes = vetoes;
    const pace = this.#pace;
    for (const part of outdated) {
      if (pace.due()) await pace.rest();
      this.#outdated.delete(part);
      this.#stale.delete(part);
      this.#plan(part, policies, now);
    }
    outdated.delete(UNIDENTIFIED);
    return outdated;
  }

  #plan(part: string, policies: PolicySet, now: Instant): void {
    const { decisions, unmet, nextDue } = this.#planned(part, policies, now);
    if (decisions.length === 0 && unmet.length === 0 && nextDue === null) {
      this.#parts.delete(part);
      return;
    }
    const deletions = decisions.filter(isDeletion);
    const vetoes = deletions.length === 0 ? [] : this.#vetoes;
    const vetoed = keptBy(vetoes.map((each) => this.#planned(part, each, now)));
    const archives = decisions.length;
    this.#parts.set(part, { deletions, archives, unmet, nextDue, vetoed });
  }

  #planned(part: string, policies: PolicySet, now: Instant): Plan {
    const inventory = this.#inventory;
    return part === UNIDENTIFIED
      ? planUnidentified(inventory.unidentified(), policies, now)
      : planNamespace(inventory.archivesOf(part), policies, now);
  }

  /** When the next age or grace period ends; null when none does. */
  nextDue(): Instant | null {
    let next: Instant | null = null;
    for (const { nextDue } of this.#parts.values()) {
      if (nextDue !== null && (next === null || nextDue < next)) next = nextDue;
    }
    return next;
  }

  get hasVetoes(): boolean {
    return this.#vetoes.length > 0;
  }

  /** All that the policies ask for, whatever holds it back. */
  wanted(policies: PolicySet, disk: Disk | null, now: Instant): Deletions {
    return this.#whole(policies, disk, NONE_HELD, now, false);
  }

  /**
   * The whole plan, without the deletions that another version of the policies does not ask for.
   *
   * @param held resources whose deletions are not carried out, and which free nothing.
   */
  whole(policies: PolicySet, disk: Disk | null, held: ReadonlySet<PolicyResource>, now: Instant): Deletions {
    return this.#whole(policies, disk, held, now, true);
  }

  #whole(
    policies: PolicySet,
    disk: Disk | null,
    held: ReadonlySet<PolicyResource>,
    now: Instant,
    isVetoed: boolean,
  ): Deletions {
    const deletions: Decision[] = [];
    const unmet: Unmet[] = [];
    let archives = 0;
    for (const part of this.#parts.values()) {
      archives += part.archives;
      unmet.push(...part.unmet);
      for (const each of part.deletions) {
        if (isVetoed && part.vetoed.has(each.archive)) continue;
        if (each.resource === null || !held.has(each.resource)) deletions.push(each);
      }
    }
    // Only where the disk is over its watermark the parts are weighed against one another.
    const isPressed = [policies, ...(isVetoed ? this.#vetoes : [])].some((each) =>
      isPressedAfter(deletions, each, disk ?? undefined),
    );
    if (!isPressed || disk === null) return { deletions, archives, unmet };
    return this.#underPressure(policies, disk, held, now, isVetoed);
  }

  #underPressure(
    policies: PolicySet,
    disk: Disk,
    held: ReadonlySet<PolicyResource>,
    now: Instant,
    isVetoed: boolean,
  ): Deletions {
    const plans = Array.from(this.#parts, ([name, { vetoed }]) => {
      const plan = this.#planned(name, policies, now);
      return withoutHeld(isVetoed ? withoutVetoed(plan, vetoed) : plan, held);
    });
    const whole = planPressure(plans, policies, disk, now);
    const vetoes = isVetoed ? this.#vetoes : [];
    const vetoed = keptBy(vetoes.map((each) => planPressure(plans, each, disk, now)));
    const { decisions, unmet } = withoutHeld(withoutVetoed(whole, vetoed), held);
    return { deletions: decisions.filter(isDeletion), archives: decisions.length, unmet };
  }

  #everything(): Set<string> {
    return new Set([UNIDENTIFIED, ...this.#parts.keys(), ...this.#inventory.namespaces()]);
  }
}

const NONE_HELD: ReadonlySet<PolicyResource> = new Set();

function isDeletion({ action }: Decision): boolean {
  return action === 'delete';
}

function keptBy(plans: readonly Plan[]): ReadonlySet<Archive> {
  const kept = new Set<Archive>();
  for (const { decisions } of plans)
    for (const { action, archive } of decisions) if (action === 'keep') kept.add(archive);
  return kept;
}

function withoutVetoed(plan: Plan, vetoed: ReadonlySet<Archive>): Plan {
  if (vetoed.size === 0) return plan;
  return keeping(
    plan,
    ({ archive }) => vetoed.has(archive),
    'stays for now, because a policy that waits for the next checkpoint, or was removed a moment ago, keeps it',
  );
}

function withoutHeld(plan: Plan, held: ReadonlySet<PolicyResource>): Plan {
  if (held.size === 0) return plan;
  return keeping(
    plan,
    ({ resource }) => resource !== null && held.has(resource),
    'waits until its policy is confirmed',
  );
}

function keeping(plan: Plan, isKept: (deletion: Decision) => boolean, why: string): Plan {
  const decisions = plan.decisions.map((decision): Decision => {
    if (decision.action === 'keep' || !isKept(decision)) return decision;
    const reason = `${why}; otherwise it would go: ${decision.reason}`;
    return { ...decision, action: 'keep', rule: 'none', reason };
  });
  return { ...plan, decisions };
}
