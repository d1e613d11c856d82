import { resourceKey } from '../../policy/govern.ts';
import type { Decision } from '../../policy/types.ts';
import type { ActivePolicies } from '../deciding/active.ts';
import type { Breaker } from '../deciding/breaker-state.ts';
import type { Withheld } from '../door/judge.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Enforced, Enforcer } from './enforce.ts';

export interface EvictionsOptions {
  readonly inventory: Inventory;
  readonly active: ActivePolicies;
  readonly breaker: Breaker;
  readonly enforcer: Enforcer;
}

/**
 * Deletions that a checkpoint needs before it is begun, between two passes. They are carried out as those of a pass
 * are; what the circuit breaker holds stays. A deletion budget does not bound them: each makes room for a checkpoint
 * that takes its place.
 */
export class Evictions {
  readonly #options: EvictionsOptions;

  constructor(options: EvictionsOptions) {
    this.#options = options;
  }

  /** Which of these would not be carried out, and why. */
  withheld(decisions: readonly Decision[]): readonly Withheld[] {
    const { breaker, active, inventory } = this.#options;
    const { archives } = inventory.totals();
    const groups = [...Map.groupBy(decisions, ({ resource }) => resource)];
    return groups.flatMap(([resource, own]) => {
      if (resource === null) return [];
      if (breaker.allows(resource, own.length, archives, active.forRequests.resources())) return [];
      const why = `${resourceKey(resource.reference)} waits for an administrator's confirmation`;
      return own.map((decision) => ({ decision, why }));
    });
  }

  /** Never rejects. What stays shows in the inventory. */
  async carryOut(decisions: readonly Decision[]): Promise<Enforced> {
    const { inventory, active, enforcer } = this.#options;
    const policies = active.forRequests;
    const withheld = new Set(this.withheld(decisions).map(({ decision }) => decision));
    const isCurrent = ({ archive }: Decision) =>
      active.forRequests === policies && inventory.get(archive.file) === archive;
    const enforced = await enforcer.carryOut(
      decisions.filter((decision) => !withheld.has(decision)),
      isCurrent,
    );
    return { ...enforced, left: enforced.left + withheld.size };
  }
}
