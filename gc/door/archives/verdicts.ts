import { fitsWhole } from '../../../policy/apart.ts';
import type { CheckpointVerdict } from '../../../policy/checkpoint-object.ts';
import { type PolicySet, scopeLabel } from '../../../policy/govern.ts';
import { planNamespace } from '../../../policy/plan.ts';
import type { Archive, Decision } from '../../../policy/types.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Clock } from '../../system/clock.ts';
import type { OwnedArchive } from './name.ts';

export interface VerdictsOptions {
  readonly inventory: Pick<Inventory, 'archivesOf' | 'holding'>;
  /** Those that act; null while nobody knows them. */
  readonly policies: () => PolicySet | null;
  /** What the last pass wanted to delete, disk pressure included. */
  readonly deletions: () => readonly Decision[];
  readonly clock: Clock;
}

/** What governs an archive, and what the plan says of it. */
export interface Judged {
  readonly policy: string | null;
  readonly verdict: CheckpointVerdict | null;
}

/** For so long a plan is shown that was made for a list: its next page comes at once. */
const KEPT_MS = 2_000;

/** The plan of a namespace or a pod, made when somebody reads an archive of it. It decides nothing. */
export class ArchiveVerdicts {
  readonly #options: VerdictsOptions;
  readonly #plans = new Map<string, ReadonlyMap<Archive, Decision>>();
  #policies: PolicySet | null = null;
  #cancel = () => {};
  #told: { readonly of: readonly Decision[]; readonly byArchive: ReadonlyMap<Archive, Decision> } = {
    of: [],
    byArchive: new Map(),
  };

  constructor(options: VerdictsOptions) {
    this.#options = options;
  }

  of(archive: OwnedArchive): Judged {
    const policies = this.#options.policies();
    if (policies === null) return { policy: null, verdict: null };
    if (policies !== this.#policies) this.clear();
    this.#policies = policies;
    const decision = this.#pressed(archive) ?? this.#planned(archive, policies);
    if (decision === undefined) return { policy: null, verdict: null };
    const { action, rule, reason, policy } = decision;
    return {
      policy: policy === null ? null : scopeLabel(policy.scope),
      verdict: { action, rule, reason },
    };
  }

  clear(): void {
    this.#cancel();
    this.#plans.clear();
  }

  #planned(archive: OwnedArchive, policies: PolicySet): Decision | undefined {
    const { inventory, clock } = this.#options;
    const { namespace, pod } = archive.identity;
    // No limit joins its pods, so a pod's plan is the same without the others.
    const isApart = fitsWhole(namespace, inventory.holding(namespace), policies);
    const key = isApart ? `${namespace}/${pod}` : namespace;
    const known = this.#plans.get(key)?.get(archive);
    if (known !== undefined) return known;
    const archives = isApart ? inventory.archivesOf(namespace, pod) : inventory.archivesOf(namespace);
    const byArchive = new Map<Archive, Decision>();
    for (const each of planNamespace(archives, policies, clock.now()).decisions) {
      byArchive.set(each.archive, each);
    }
    if (this.#plans.size === 0) this.#cancel = clock.after(KEPT_MS, () => this.#plans.clear());
    this.#plans.set(key, byArchive);
    return byArchive.get(archive);
  }

  /** Disk pressure weighs all namespaces against one another: what it takes only a pass has worked out. */
  #pressed(archive: Archive): Decision | undefined {
    const deletions = this.#options.deletions();
    if (this.#told.of !== deletions) {
      const pressed = deletions.filter(({ rule }) => rule === 'pressure');
      this.#told = { of: deletions, byArchive: new Map(pressed.map((each) => [each.archive, each])) };
    }
    return this.#told.byArchive.get(archive);
  }
}
