import type { Archive, Identity, Instant, Level, Rule } from './types.ts';

/** Oldest first; a future modification time counts as now; of equals the name that comes first. */
export function byAge(one: Archive, other: Archive, now: Instant): number {
  const difference = Math.min(one.modifiedAt, now) - Math.min(other.modifiedAt, now);
  return difference || (one.file < other.file ? -1 : one.file > other.file ? 1 : 0);
}

export function isOrphan(archive: Archive, rule: Rule, now: Instant): boolean {
  const due = orphanDueAt(archive, rule);
  return due !== null && now >= due;
}

/** The first instant at which the archive is an orphan; null without proof that its pod is gone. */
export function orphanDueAt({ orphan }: Archive, rule: Rule): Instant | null {
  return orphan === null ? null : orphan.since + rule.resource.orphanGraceMs;
}

/** The first instant at which the archive is over age; null without a limit. */
export function dueAt(archive: Archive, maxAgeMs: number | undefined): Instant | null {
  return maxAgeMs === undefined ? null : archive.modifiedAt + maxAgeMs + 1;
}

/**
 * The next instant at which these, oldest first, may come in another order: those from the future stand by name
 * at the end until time tells them apart. Null when it never will.
 */
export function reorderDueAt(oldestFirst: readonly Archive[], now: Instant): Instant | null {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let index = oldestFirst.length - 1; index >= 0; index -= 1) {
    const modifiedAt = oldestFirst[index]?.modifiedAt ?? Number.NEGATIVE_INFINITY;
    if (modifiedAt < now) break;
    [least, most] = [Math.min(least, modifiedAt), Math.max(most, modifiedAt)];
  }
  // The next whole millisecond: clocks tick in these, while file systems keep parts of them.
  return least < most ? Math.floor(least) + 1 : null;
}

/** The earlier of two instants, of which there may be none. */
export function sooner(one: Instant | null, other: Instant | null): Instant | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/**
 * The newest `keepLast` of each container among these, which come oldest first.
 * @param containerOf its `bucketKey`
 */
export function floorOf<T>(
  oldestFirst: readonly T[],
  containerOf: (each: T) => string,
  keepLast: (each: T) => number,
): Set<T> {
  const held = new Set<T>();
  const kept = new Map<string, number>();
  for (let index = oldestFirst.length - 1; index >= 0; index -= 1) {
    const each = oldestFirst[index];
    if (each === undefined) continue;
    const floor = keepLast(each);
    if (floor === 0) continue;
    const key = containerOf(each);
    const count = kept.get(key) ?? 0;
    if (count >= floor) continue;
    kept.set(key, count + 1);
    held.add(each);
  }
  return held;
}

/** Names hold no slash, so the key is unambiguous. */
export function bucketKey(identity: Omit<Identity, 'podUid'>, level: Level): string {
  if (level === 'namespace') return identity.namespace;
  const pod = `${identity.namespace}/${identity.pod}`;
  return level === 'pod' ? pod : `${pod}/${identity.container}`;
}

/** The list under a key, made where there is none yet. */
export function listed<K, V>(map: Map<K, V[]>, key: K): V[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made: V[] = [];
  map.set(key, made);
  return made;
}
