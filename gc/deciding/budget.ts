import { withinBudget } from '../../policy/breaker.ts';
import type { Decision } from '../../policy/types.ts';

/**
 * What resources may delete between two scans. A pass is such a period, however often the plan is made anew in it:
 * otherwise a budget of a hundred would allow a hundred at each event.
 */
export class Budget {
  #spent: Decision[] = [];

  /** The deletions that are allowed now, in the order in which they are to be carried out. */
  allow(deletions: readonly Decision[]): Decision[] {
    const spent = new Set(this.#spent);
    return withinBudget([...spent, ...deletions]).filter((decision) => !spent.has(decision));
  }

  spend(deleted: readonly Decision[]): void {
    for (const decision of deleted) {
      const { maxArchives, maxBytes } = decision.resource?.budget ?? {};
      // Before all that are still to come.
      if (maxArchives !== undefined || maxBytes !== undefined) this.#spent.push({ ...decision, turn: -1 });
    }
  }

  /** A new pass begins. */
  renew(): void {
    this.#spent = [];
  }
}
