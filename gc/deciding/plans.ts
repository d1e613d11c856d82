import { PolicySet } from '../../policy/govern.ts';
import { planNamespace, planUnidentified } from '../../policy/plan.ts';
import { planPressure } from '../../policy/pressure.ts';
import type { Archive, Decision, Disk, Instant, Plan, PolicyResource } from '../../policy/types.ts';
import type { Inventory, InventoryChange } from '../inventory/inventory.ts';

/** The part of the archives without identity; no namespace has this name. */
const UNIDENTIFIED = '';

/** Whether the deletion of an archive has failed and is tried again later. */
type IsStuck = (archive: Archive) => boolean;

interface Part {
  readonly plan: Plan;
  /** What another version of the policies keeps. */
  readonly vetoed: ReadonlySet<Archive>;
}

/**
 * The plan of a directory in parts, one a namespace: a change costs planning what it touches, and what falls due.
 */
export class Plans {
  readonly #inventory: Inventory;
  readonly #parts = new Map<string, Part>();
  #policies = new PolicySet();
  #vetoes: readonly PolicySet[] = [];
  /** Planned from what is not so any more. */
  readonly #outdated = new Set<string>();
  #allOutdated = true;
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

  /** Whether this decision is from a plan of what there is now. */
  holds({ archive }: Decision): boolean {
    if (this.#allOutdated || this.#stale.has(archive.identity?.namespace ?? UNIDENTIFIED)) return false;
    return this.#inventory.get(archive.file) === archive;
  }

  /**
   * Plans what has changed and what is due.
   *
   * @param vetoes policies that must ask for a deletion, too (`ActivePolicies.vetoes`).
   * @returns the namespaces of it.
   */
  update(policies: PolicySet, vetoes: readonly PolicySet[], now: Instant): ReadonlySet<string> {
    const inventory = this.#inventory;
    const outdated = this.#allOutdated ? this.#everything() : new Set(this.#outdated);
    for (const [part, { plan }] of this.#parts)
      if (plan.nextDue !== null && plan.nextDue <= now) outdated.add(part);
    this.#allOutdated = false;
    this.#outdated.clear();
    this.#stale.clear();
    this.#policies = policies;
    this.#vetoes = vetoes;
    for (const part of outdated) {
      const archives = part === UNIDENTIFIED ? inventory.unidentified() : inventory.archivesOf(part);
      const planned = part === UNIDENTIFIED ? planUnidentified : planNamespace;
      if (archives.length === 0) {
        this.#parts.delete(part);
        continue;
      }
      const plan = planned(archives, policies, now);
      const vetoed = keptBy(vetoes.map((each) => planned(archives, each, now)));
      this.#parts.set(part, { plan, vetoed });
    }
    outdated.delete(UNIDENTIFIED);
    return outdated;
  }

  /** When the next age or grace period ends; null when none does. */
  nextDue(): Instant | null {
    let next: Instant | null = null;
    for (const { plan } of this.#parts.values()) {
      const { nextDue } = plan;
      if (nextDue !== null && (next === null || nextDue < next)) next = nextDue;
    }
    return next;
  }

  get hasVetoes(): boolean {
    return this.#vetoes.length > 0;
  }

  /** All that the policies ask for, whatever holds it back. */
  wanted(disk: Disk | null, now: Instant, isStuck: IsStuck): Plan {
    const parts = Array.from(this.#parts.values(), ({ plan }) => plan);
    return wholeOf(parts, this.#policies, disk, now, isStuck);
  }

  /**
   * The whole plan, without the deletions that another version of the policies does not ask for.
   *
   * @param held resources whose deletions are not carried out, and which free nothing.
   */
  whole(disk: Disk | null, held: ReadonlySet<PolicyResource>, now: Instant, isStuck: IsStuck): Plan {
    const parts = Array.from(this.#parts.values(), ({ plan, vetoed }) =>
      withoutHeld(withoutVetoed(plan, vetoed), held),
    );
    const whole = wholeOf(parts, this.#policies, disk, now, isStuck);
    const vetoed = keptBy(this.#vetoes.map((each) => wholeOf(parts, each, disk, now, isStuck)));
    return withoutHeld(withoutVetoed(whole, vetoed), held);
  }

  #everything(): Set<string> {
    const parts = new Set([UNIDENTIFIED, ...this.#parts.keys()]);
    for (const { identity } of this.#inventory.archives())
      if (identity !== null) parts.add(identity.namespace);
    return parts;
  }
}

/** The parts put together; only where the disk is over its watermark they are weighed against one another. */
function wholeOf(
  parts: readonly Plan[],
  policies: PolicySet,
  disk: Disk | null,
  now: Instant,
  isStuck: IsStuck,
): Plan {
  return planPressure(parts, policies, disk ?? undefined, now, isStuck);
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
