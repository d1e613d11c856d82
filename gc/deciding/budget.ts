import { type Spent, withinBudget } from '../../policy/breaker.ts';
import { resourceKey } from '../../policy/govern.ts';
import { isObject, own } from '../../policy/json.ts';
import type { Decision } from '../../policy/types.ts';
import type { StateStore } from '../system/state.ts';

export interface BudgetOptions {
  /** How long a pass counts, in milliseconds; infinite for a single run, which is one pass and knows of no other. */
  readonly periodMs: number;
  /** Milliseconds since the machine was started, whatever the clock is set to. */
  readonly elapsed: () => number;
  /** Where it outlives the process: a collector that is killed again and again would have a new one each time. */
  readonly store: StateStore;
}

/** What a resource has deleted at one go. */
interface Batch extends Spent {
  readonly resource: string;
  /** When it ended, by `elapsed`; null while it is under way, and then nobody may know how far it came. */
  readonly at: number | null;
}

const DOCUMENT = 'deletion-budget.json';
const VERSION = 1;
const NOTHING: Spent = { archives: 0, bytes: 0 };

/**
 * What resources may delete: in no period as long as a pass more than their budgets say, however often the plan is
 * made anew, the clock set, or the collector killed. What is begun counts before it is, for whoever comes after.
 */
export class Budget {
  readonly #options: BudgetOptions;
  #spent: readonly Batch[];

  constructor(options: BudgetOptions) {
    this.#options = options;
    const { store, elapsed, periodMs } = options;
    this.#spent = Number.isFinite(periodMs) ? batchesIn(store.read(DOCUMENT), elapsed()) : [];
  }

  /** The deletions that are allowed now, in the order in which they are to be carried out. */
  allow(deletions: readonly Decision[]): Decision[] {
    this.#forget();
    const spent = new Map<string, Spent>();
    for (const { resource, archives, bytes } of this.#spent) {
      const sum = spent.get(resource) ?? NOTHING;
      spent.set(resource, { archives: sum.archives + archives, bytes: sum.bytes + bytes });
    }
    return withinBudget(deletions, (resource) => spent.get(resource) ?? NOTHING);
  }

  /** Takes what is about to be deleted. */
  begin(allowed: readonly Decision[]): void {
    this.#put(batchesOf(allowed, null));
  }

  /** Takes what of it is gone, or may be any time. */
  end(deleted: readonly Decision[]): void {
    const isChange = this.#spent.some(({ at }) => at === null);
    this.#spent = this.#spent.filter(({ at }) => at !== null);
    const batches = batchesOf(deleted, this.#options.elapsed());
    this.#put(batches, isChange);
  }

  /** Milliseconds until more is allowed; null where nothing was spent. */
  msUntilMore(): number | null {
    const { elapsed, periodMs } = this.#options;
    const ends = this.#spent.flatMap(({ at }) => (at === null ? [] : at + periodMs));
    return ends.length === 0 ? null : Math.max(0, Math.min(...ends) - elapsed());
  }

  #put(batches: readonly Batch[], isChange = false): void {
    if (batches.length === 0 && !isChange) return;
    this.#spent = [...this.#spent, ...batches];
    const { store, periodMs } = this.#options;
    if (Number.isFinite(periodMs)) store.write(DOCUMENT, { version: VERSION, spent: this.#spent });
  }

  #forget(): void {
    const from = this.#options.elapsed() - this.#options.periodMs;
    this.#spent = this.#spent.filter(({ at }) => at === null || at > from);
  }
}

function batchesOf(deletions: readonly Decision[], at: number | null): Batch[] {
  const batches = new Map<string, Batch>();
  for (const { resource, archive } of deletions) {
    const { maxArchives, maxBytes } = resource?.budget ?? {};
    if (resource === null || (maxArchives === undefined && maxBytes === undefined)) continue;
    const key = resourceKey(resource.reference);
    const { archives, bytes } = batches.get(key) ?? NOTHING;
    batches.set(key, { resource: key, archives: archives + 1, bytes: bytes + archive.bytes, at });
  }
  return [...batches.values()];
}

/** What was under way, or of another start of the machine, may have ended only now. */
function batchesIn(document: unknown, now: number): Batch[] {
  const spent = isObject(document) && own(document, 'version') === VERSION ? own(document, 'spent') : null;
  if (!Array.isArray(spent)) return [];
  return spent.flatMap((each: unknown) => {
    if (!isObject(each)) return [];
    const { resource, archives, bytes, at } = each;
    if (typeof resource !== 'string' || !isCount(archives) || !isCount(bytes)) return [];
    return [{ resource, archives, bytes, at: isCount(at) && at <= now ? at : now }];
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
