import { resourceKey } from '../../../policy/govern.ts';
import type { Archive, Disk, PolicyResource } from '../../../policy/types.ts';
import { referencePlan } from '../../policy/reference.ts';

/** In no time as long as this more is deleted than a budget allows. */
const PERIOD_MS = 54_000;

/** What the policies would be asked of one archive's deletion. */
export interface Question {
  readonly name: string;
  readonly archives: readonly Archive[];
  readonly disk: Disk;
  readonly now: number;
  /** Every set of policies that may act. */
  readonly acting: readonly (readonly PolicyResource[])[];
}

/** Whose budget a deletion is of, and how much that is. */
export interface Charge {
  readonly resource: string;
  readonly maxArchives: number;
  readonly maxBytes: number;
}

interface Gone extends Charge {
  readonly tombstone: string;
  readonly bytes: number;
  /** By the clock that only goes on. */
  readonly at: number;
}

/** Whether it has anything to say of the archive. */
function speaksOf(
  { rules, unidentified }: PolicyResource,
  archives: readonly Archive[],
  name: string,
): boolean {
  const identity = archives.find(({ file }) => file === name)?.identity ?? null;
  if (identity === null) return unidentified !== undefined;
  return rules.some(({ scope }) => scope.kind === 'global' || scope.namespace === identity.namespace);
}

/** What was deleted of each resource's budget, counted by what really lost its name. */
export class BudgetTruth {
  #gone: Gone[] = [];
  counted = 0;

  /**
   * Whose budget a deletion is of: the one resource without which nobody would ask for it. Null where that could be
   * said of two, as where the disk may be pressed, or where a version of it may act that has no budget.
   */
  chargeOf({ name, archives, disk, now, acting }: Question): Charge | null {
    if (acting.flat().some(({ pressure }) => pressure)) return null;
    const keys = new Set<string | null>();
    for (const set of acting) {
      const fate = referencePlan({ archives, disk }, set, now).get(name);
      const by = fate?.action === 'delete' ? fate.by : null;
      const resource = !by ? null : 'rules' in by ? by : by.resource;
      const isAlone = set.every((each) => each === resource || !speaksOf(each, archives, name));
      keys.add(resource !== null && isAlone ? resourceKey(resource.reference) : null);
    }
    const [resource = null, ...more] = keys;
    if (resource === null || more.length > 0) return null;
    const versions = acting.flat().filter(({ reference }) => resourceKey(reference) === resource);
    const most = (limit: 'maxArchives' | 'maxBytes') =>
      Math.max(...versions.map(({ budget }) => Number(budget[limit] ?? Number.POSITIVE_INFINITY)));
    const charge = { resource, maxArchives: most('maxArchives'), maxBytes: most('maxBytes') };
    return Number.isFinite(charge.maxArchives) ? charge : null;
  }

  /** An archive has lost its name. Why that is too much; null when it is not. */
  take(charge: Charge, tombstone: string, bytes: number, elapsed: number): string | null {
    this.#gone = this.#gone.filter(({ at }) => at > elapsed - PERIOD_MS);
    this.#gone.push({ ...charge, tombstone, bytes, at: elapsed });
    this.counted += 1;
    const own = this.#gone.filter(({ resource }) => resource === charge.resource);
    const sum = own.reduce((total, each) => total + each.bytes, 0);
    const times = own.map(({ at }) => `${Math.round((elapsed - at) / 1000)} s ago`).join(', ');
    if (own.length > charge.maxArchives)
      return `${charge.resource} may delete ${charge.maxArchives} a pass, and these were: ${times}`;
    const isOver = own.length > 1 && sum > charge.maxBytes;
    return isOver
      ? `${charge.resource} may delete ${charge.maxBytes} bytes a pass, and these were ${sum}`
      : null;
  }

  /** It has its name back. */
  giveBack(tombstone: string): void {
    this.#gone = this.#gone.filter((each) => each.tombstone !== tombstone);
  }
}
