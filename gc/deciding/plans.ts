import { PolicySet } from '../../policy/govern.ts';
import { isPressedAfter, planPressure } from '../../policy/pressure.ts';
import type { Archive, Decision, Disk, Instant, Plan, PolicyResource, Unmet } from '../../policy/types.ts';
import type { Inventory, InventoryChange } from '../inventory/inventory.ts';
import { Pace } from '../system/pace.ts';
import { type Deletions, isDeletion, keptBy, Parts, type Pods, UNIDENTIFIED } from './parts.ts';

export type { Deletions, Pods } from './parts.ts';

/** Whether the deletion of an archive has failed and is tried again later. */
type IsStuck = (archive: Archive) => boolean;

/** What a whole plan is asked for. */
interface Question {
  readonly disk: Disk | null;
  readonly now: Instant;
  readonly isStuck: IsStuck;
  /** Resources whose deletions are not carried out, and which free nothing. */
  readonly held: ReadonlySet<PolicyResource>;
  readonly isVetoed: boolean;
}

/** The plan of a directory: a change costs planning what it touches, and what falls due. */
export class Plans {
  readonly #inventory: Inventory;
  readonly #parts: Parts;
  #policies = new PolicySet();
  #vetoes: readonly PolicySet[] = [];
  /** Planned from what is not so any more. */
  readonly #outdated = new Map<string, Pods>();
  #allOutdated = true;
  readonly #pace = new Pace();
  /** Of those namespaces, the ones that others than the collector have changed: their decisions no longer hold. */
  readonly #stale = new Set<string>();

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
    this.#parts = new Parts(inventory);
  }

  /** @param isOurs a change that the plan itself has asked for. */
  take(change: InventoryChange, isOurs: boolean): void {
    if (change.directoryChanged) this.takeAll();
    for (const [namespace, pods] of change.pods) this.#outdate(namespace, pods, isOurs);
    if (change.unidentified) this.#outdate(UNIDENTIFIED, null, isOurs);
  }

  /** What was planned by; those that act by now may be others, and have no part in it. */
  get policies(): PolicySet {
    return this.#policies;
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
   * @returns what was planned anew of each namespace.
   */
  async update(
    policies: PolicySet,
    vetoes: readonly PolicySet[],
    now: Instant,
  ): Promise<ReadonlyMap<string, Pods>> {
    for (const [namespace, pods] of this.#parts.due(now)) this.#outdate(namespace, pods, true);
    if (this.#allOutdated) for (const namespace of this.#everything()) this.#outdate(namespace, null, false);
    this.#allOutdated = false;
    this.#policies = policies;
    this.#vetoes = vetoes;
    const outdated = new Map(this.#outdated);
    for (const [namespace] of outdated) {
      if (this.#pace.due()) await this.#pace.rest();
      const pods = this.#outdated.get(namespace) ?? null;
      outdated.set(namespace, pods);
      // From here on: what changes while it is planned is to be planned once more, and does not hold until then.
      this.#outdated.delete(namespace);
      this.#stale.delete(namespace);
      await this.#parts.plan(namespace, pods, { policies, vetoes, now }, this.#pace);
    }
    outdated.delete(UNIDENTIFIED);
    return outdated;
  }

  #outdate(namespace: string, pods: Pods, isOurs: boolean): void {
    const before = this.#outdated.get(namespace);
    const all = pods === null || before === null;
    this.#outdated.set(namespace, all ? null : new Set([...(before ?? []), ...pods]));
    if (!isOurs) this.#stale.add(namespace);
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
  wanted(disk: Disk | null, now: Instant, isStuck: IsStuck): Deletions {
    return this.#whole({ disk, now, isStuck, held: NONE_HELD, isVetoed: false });
  }

  /**
   * The whole plan, without the deletions that another version of the policies does not ask for.
   *
   * @param held resources whose deletions are not carried out, and which free nothing.
   */
  whole(disk: Disk | null, held: ReadonlySet<PolicyResource>, now: Instant, isStuck: IsStuck): Deletions {
    return this.#whole({ disk, now, isStuck, held, isVetoed: true });
  }

  #whole(question: Question): Deletions {
    const { disk, held, isVetoed, isStuck } = question;
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
    const isPressed = [this.#policies, ...(isVetoed ? this.#vetoes : [])].some((each) =>
      isPressedAfter(deletions, each, disk ?? undefined, isStuck),
    );
    if (!isPressed || disk === null) return { deletions, archives, unmet };
    return this.#underPressure(question, disk);
  }

  #underPressure({ held, now, isVetoed, isStuck }: Question, disk: Disk): Deletions {
    const plans = Array.from(this.#parts.plans(this.#policies, now), ({ plan, part: { vetoed } }) =>
      withoutHeld(isVetoed ? withoutVetoed(plan, vetoed) : plan, held),
    );
    const whole = planPressure(plans, this.#policies, disk, now, isStuck);
    const vetoes = isVetoed ? this.#vetoes : [];
    const vetoed = keptBy(vetoes.map((each) => planPressure(plans, each, disk, now, isStuck)));
    const { decisions, unmet } = withoutHeld(withoutVetoed(whole, vetoed), held);
    return { deletions: decisions.filter(isDeletion), archives: decisions.length, unmet };
  }

  #everything(): Set<string> {
    return new Set([UNIDENTIFIED, ...this.#parts.namespaces(), ...this.#inventory.namespaces()]);
  }
}

const NONE_HELD: ReadonlySet<PolicyResource> = new Set();

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
