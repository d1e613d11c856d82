import { type Candidate, type Notes, noteDue, type Owner, remove } from '../candidate.ts';
import { isOrphan, reorderDueAt } from '../order.ts';
import { ceilingText } from '../reasons.ts';
import type { Archive, Authority, Instant } from '../types.ts';
import { retainPlan } from './retain.ts';
import type { Retention, Retentions } from './retentions.ts';

/** Archives of one container that one schedule had made, oldest first. */
interface Made<T> {
  readonly madeBy: string;
  readonly retention: Retention;
  readonly oldestFirst: T[];
}

interface Kept {
  readonly archive: Archive;
  readonly owner: Pick<Owner, 'keys'>;
}

/**
 * Deletes what is beyond the `retain.max` of schedules. Before the policies act: what a schedule gives up itself spares
 * the archives that others took.
 */
export function applyCeilings(
  oldestFirst: readonly Candidate[],
  retentions: Retentions,
  now: Instant,
  notes: Notes,
): void {
  const field = 'spec.retain.max';
  for (const { madeBy, retention, oldestFirst: made } of madeOf(oldestFirst, retentions)) {
    const { max } = retention.retain;
    // What goes whatever anybody keeps takes no place.
    const staying = made.filter((each) => !goesForCertain(each, now));
    if (max === undefined || staying.length <= max) continue;
    noteDue(
      notes,
      reorderDueAt(
        staying.map((each) => each.archive),
        now,
      ),
    );
    const verdicts = retainPlan(
      retention.retain,
      staying.toReversed().map((each) => each.archive),
    );
    const reason = ceilingText(madeBy, max);
    for (const [index, each] of staying.entries()) {
      const isOver = verdicts[staying.length - 1 - index] === 'over';
      if (isOver) remove(each, { rule: 'retain', policy: null, field, reason }, notes);
    }
  }
}

/**
 * The archives that the `retain.min` of schedules holds against a limit.
 * @param against on whose word the limit stands
 */
export function retainFloor<T extends Kept>(
  oldestFirst: readonly T[],
  retentions: Retentions,
  against: Authority,
): ReadonlySet<T> {
  const floor = new Set<T>();
  for (const { retention, oldestFirst: made } of madeOf(oldestFirst, retentions)) {
    const { min } = retention.retain;
    if (min === 0 || (against === 'administrator' && retention.authority === 'tenant')) continue;
    for (const each of made.slice(Math.max(0, made.length - min))) floor.add(each);
  }
  return floor;
}

/** Whole archives that schedules with something to say had made. */
function madeOf<T extends Kept>(oldestFirst: readonly T[], retentions: Retentions): Iterable<Made<T>> {
  const groups = new Map<string, Made<T>>();
  if (retentions.isEmpty) return [];
  for (const each of oldestFirst) {
    const { archive, owner } = each;
    const { madeBy } = archive;
    if (madeBy === undefined || archive.state !== 'complete') continue;
    const retention = retentions.of(madeBy);
    if (retention === undefined) continue;
    const key = `${madeBy} ${owner.keys.container}`;
    const made: Made<T> = groups.get(key) ?? { madeBy, retention, oldestFirst: [] };
    groups.set(key, made);
    made.oldestFirst.push(each);
  }
  return groups.values();
}

function goesForCertain({ archive, owner }: Candidate, now: Instant): boolean {
  if (archive.pinned) return false;
  return [owner.governing.tenant, owner.governing.administrator].some((rule) => {
    if (rule === null || !rule.resource.sound) return false;
    if (archive.staleTailBytes > 0 && rule.resource.tainted === 'Delete') return true;
    return !rule.retainOrphan && isOrphan(archive, rule, now);
  });
}
