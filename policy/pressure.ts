import type { PolicySet } from './govern.ts';
import { byAge, floorOf, isOrphan } from './order.ts';
import { formatBytes } from './quantity.ts';
import type {
  Amount,
  Archive,
  Decision,
  Disk,
  DiskPressure,
  Identity,
  Instant,
  Plan,
  Rule,
} from './types.ts';

type Identified = Archive & { readonly identity: Identity };

/**
 * Puts the parts of a plan together and, where the disk would still be too full after them, evicts down to the
 * low watermark: orphans first, then what is over its namespace's equal share, then the oldest.
 */
export function planPressure(
  parts: readonly Plan[],
  policies: PolicySet,
  disk: Disk | undefined,
  now: Instant,
): Plan {
  const decisions = parts.flatMap((part) => part.decisions);
  const unmet = parts.flatMap((part) => part.unmet);
  const dues = parts.flatMap((part) => part.nextDue ?? []);
  const nextDue = dues.length === 0 ? null : dues.reduce((least, due) => Math.min(least, due));
  const rule = policies.global;
  const pressure = rule?.resource.pressure;
  if (disk === undefined || rule === null || pressure === undefined) return { decisions, unmet, nextDue };

  const after = freed(disk, decisions);
  const cause = pressureOn(after, pressure, pressure.high);
  if (cause === null) return { decisions, unmet, nextDue };
  const evicted = evictions(decisions, policies, rule, pressure, after, cause, now);
  const left = pressureOn(evicted.disk, pressure, pressure.low);
  if (left !== null) {
    unmet.push({
      policy: rule,
      limit: 'pressure',
      of: 'the disk',
      heldBy: [],
      message: `${left}; ${othersText(evicted.disk, decisions, evicted.deletions)}`,
    });
  }
  return { decisions: decisions.map((each) => evicted.deletions.get(each.archive) ?? each), unmet, nextDue };
}

/** What is wrong with the disk, measured against a share that may be in use; null when nothing is. */
export function pressureOn(disk: Disk, pressure: DiskPressure, share: number): string | null {
  const used = disk.totalBytes - disk.freeBytes;
  if (disk.totalBytes > 0 && used > share * disk.totalBytes) {
    return `the disk is ${percent(used / disk.totalBytes)} full, ${percent(share)} allowed`;
  }
  if (pressure.minFree && disk.freeBytes < amountOf(pressure.minFree, disk.totalBytes)) {
    return `${formatBytes(disk.freeBytes)} of the disk are free, minFree asks for ${amountText(pressure.minFree, formatBytes)}`;
  }
  // Some file systems have no fixed number of inodes and report 0.
  if (pressure.minFreeInodes && disk.totalInodes > 0) {
    if (disk.freeInodes < amountOf(pressure.minFreeInodes, disk.totalInodes)) {
      return `${disk.freeInodes} inodes are free, minFreeInodes asks for ${amountText(pressure.minFreeInodes, String)}`;
    }
  }
  return null;
}

function evictions(
  decisions: readonly Decision[],
  policies: PolicySet,
  rule: Rule,
  pressure: DiskPressure,
  before: Disk,
  cause: string,
  now: Instant,
): { readonly deletions: ReadonlyMap<Archive, Decision>; readonly disk: Disk } {
  const kept = decisions.flatMap(({ action, archive }) =>
    action === 'keep' && isIdentified(archive) && archive.state === 'complete' ? [archive] : [],
  );
  const oldestFirst = kept.sort((a, b) => byAge(a, b, now));
  const administrators = (archive: Identified) => policies.governing(archive.identity).administrator;
  const floor = floorOf(
    oldestFirst,
    (each) => each.identity,
    (each) => administrators(each)?.keepLast ?? 0,
  );
  const evictable = oldestFirst.filter((each) => !each.pinned && !floor.has(each));

  const bytes = new Map<string, number>();
  for (const { identity, allocatedBytes } of oldestFirst) {
    bytes.set(identity.namespace, (bytes.get(identity.namespace) ?? 0) + allocatedBytes);
  }
  const deletions = new Map<Archive, Decision>();
  let disk = before;
  const evict = (archive: Identified, why: string) => {
    const reason = `${cause}; ${why}`;
    deletions.set(archive, {
      archive,
      action: 'delete',
      rule: 'pressure',
      policy: rule,
      resource: rule.resource,
      reason,
    });
    bytes.set(
      archive.identity.namespace,
      (bytes.get(archive.identity.namespace) ?? 0) - archive.allocatedBytes,
    );
    disk = without(disk, archive);
  };
  const pass = (why: string, wanted: (archive: Identified) => boolean) => {
    for (const archive of evictable) {
      if (pressureOn(disk, pressure, pressure.low) === null) return;
      if (!deletions.has(archive) && wanted(archive)) evict(archive, why);
    }
  };
  pass('orphans go first', (archive) => {
    const own = administrators(archive);
    return own !== null && isOrphan(archive, own, now);
  });
  const share = [...bytes.values()].reduce((sum, each) => sum + each, 0) / Math.max(1, bytes.size);
  pass(
    'its namespace takes more than an equal share',
    ({ identity }) => (bytes.get(identity.namespace) ?? 0) > share,
  );
  pass('the oldest go', () => true);
  return { deletions, disk };
}

function isIdentified(archive: Archive): archive is Identified {
  return archive.identity !== null;
}

function freed(disk: Disk, decisions: readonly Decision[]): Disk {
  let after = disk;
  for (const { action, archive } of decisions) if (action === 'delete') after = without(after, archive);
  return after;
}

function without(disk: Disk, archive: Archive): Disk {
  const inode = archive.allocatedBytes > 0 ? 1 : 0;
  return { ...disk, freeBytes: disk.freeBytes + archive.allocatedBytes, freeInodes: disk.freeInodes + inode };
}

/** "wanted X, freed 0" is what hurts users when something else fills the disk: say how much of it is ours. */
function othersText(
  disk: Disk,
  decisions: readonly Decision[],
  evicted: ReadonlyMap<Archive, Decision>,
): string {
  const ours = decisions.reduce(
    (sum, { action, archive }) =>
      action === 'keep' && !evicted.has(archive) ? sum + archive.allocatedBytes : sum,
    0,
  );
  const others = Math.max(0, disk.totalBytes - disk.freeBytes - ours);
  return `pins and floors hold ${formatBytes(ours)} of archives, others use ${formatBytes(others)}`;
}

function amountOf(amount: Amount, total: number): number | bigint {
  return 'share' in amount ? amount.share * total : amount.absolute;
}

function amountText(amount: Amount, format: (value: bigint) => string): string {
  return 'share' in amount ? percent(amount.share) : format(amount.absolute);
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}
