import type { PolicySet } from './govern.ts';
import type { Archive, Identity, Instant, Rule } from './types.ts';

/**
 * Whether the policies clearly want none of these archives gone, now or by time alone. Most pods are so most of the
 * time, and to see it takes a tenth of a plan. False says nothing: then a plan tells.
 */
export function isAtRest(archives: readonly Archive[], policies: PolicySet, now: Instant): boolean {
  let bytes = 0;
  let largest = 0;
  let last: Identity | null = null;
  const containers = new Set<Identity>();
  for (const archive of archives) {
    // Foreign bytes, a pod that is gone, and an order that time is still to make, want a closer look.
    if (archive.staleTailBytes > 0 || archive.orphan !== null || archive.modifiedAt >= now) return false;
    bytes += archive.bytes;
    largest = Math.max(largest, archive.bytes);
    if (archive.identity === null || archive.identity === last) continue;
    last = archive.identity;
    containers.add(last);
  }
  for (const identity of containers) {
    const { administrator, tenant } = policies.governing(identity);
    if (!allows(administrator, archives.length, bytes, largest)) return false;
    if (!allows(tenant, archives.length, bytes, largest)) return false;
  }
  return true;
}

/** What all of them keep together, each bucket of them keeps. */
function allows(rule: Rule | null, archives: number, bytes: number, largest: number): boolean {
  // A resource with errors deletes nothing.
  if (rule === null || !rule.resource.sound) return true;
  if (rule.maxAgeMs !== undefined || largest > (rule.maxArchiveBytes ?? largest)) return false;
  return rule.buckets.every(
    ({ maxCount, maxTotalBytes }) => archives <= (maxCount ?? archives) && bytes <= (maxTotalBytes ?? bytes),
  );
}
