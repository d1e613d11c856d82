import type { Archive, Identity, Instant, Level, Rule } from './types.ts';

/** Oldest first; a future modification time counts as now; of equals the name that comes first. */
export function byAge(one: Archive, other: Archive, now: Instant): number {
  const difference = Math.min(one.modifiedAt, now) - Math.min(other.modifiedAt, now);
  return difference || (one.file < other.file ? -1 : one.file > other.file ? 1 : 0);
}

export function isOrphan(archive: Archive, rule: Rule, now: Instant): boolean {
  return archive.orphan !== null && now >= archive.orphan.since + rule.resource.orphanGraceMs;
}

/** The newest `keepLast` of each container among these, which come oldest first. */
export function floorOf<T>(
  oldestFirst: readonly T[],
  identityOf: (each: T) => Identity,
  keepLast: (each: T) => number,
): Set<T> {
  const held = new Set<T>();
  const kept = new Map<string, number>();
  for (const each of oldestFirst.toReversed()) {
    const floor = keepLast(each);
    if (floor === 0) continue;
    const key = bucketKey(identityOf(each), 'container');
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
