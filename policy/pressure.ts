import { type Owner, Owners } from './candidate.ts';
import type { PolicySet } from './govern.ts';
import { byAge, floorOf, isOrphan, orphanDueAt, reorderDueAt, sooner } from './order.ts';
import { floorText, pressureUnmetText, retainedText } from './reasons.ts';
import { retainFloor } from './schedule/apply.ts';
import type { Archive, Decision, Disk, DiskPressure, Identity, Instant, Plan, Rule, Unmet } from './types.ts';
import { type Cause, causeOf, isPressed } from './watermark.ts';

export { pressureOn } from './watermark.ts';

type Identified = Archive & { readonly identity: Identity };

interface Evictee {
  readonly archive: Identified;
  readonly owner: Owner;
  /** Held by `retain.min` alone. */
  retained: boolean;
  /** The administrators' rule that governs it. */
  readonly governing: Rule | null;
  /** Among the newest that `keepLast` or a schedule's `retain.min` holds. */
  floored: boolean;
  /** Its deletion has failed, and is tried again later. */
  readonly stuck: boolean;
}

/** An eviction under way. */
interface Eviction {
  readonly rule: Rule;
  readonly pressure: DiskPressure;
  readonly cause: Cause;
  readonly now: Instant;
  /** What the plan kept so far, whole and identified, oldest first. */
  readonly evictees: readonly Evictee[];
  /** Bytes on the disk by namespace. */
  readonly taken: Map<string, number>;
  readonly deletions: Map<Archive, Decision>;
  /** Archives that the floor alone saved, and the decision of each. */
  readonly spared: Map<Archive, Pick<Decision, 'rule' | 'reason'>>;
  disk: Disk;
  turn: number;
}

/**
 * Puts the parts of a plan together and, where the disk would still be too full after them, evicts down to the
 * low watermark: orphans first, then what is over its namespace's equal share, then the oldest.
 *
 * @param isStuck archives that cannot be deleted now, whatever is decided: they give nothing back, so others do.
 */
export function planPressure(
  parts: readonly Plan[],
  policies: PolicySet,
  disk: Disk | undefined,
  now: Instant,
  isStuck: (archive: Archive) => boolean = () => false,
): Plan {
  const decisions = parts.flatMap(({ decisions }) => decisions);
  const unmet = parts.flatMap((part) => part.unmet);
  const nextDue = parts.reduce<Instant | null>((least, part) => sooner(least, part.nextDue), null);
  const rule = policies.global;
  const pressure = rule?.resource.pressure;
  if (disk === undefined || rule === null || pressure === undefined) return { decisions, unmet, nextDue };

  const after = freed(disk, decisions, isStuck);
  const cause = causeOf(after, pressure, pressure.high);
  if (cause === null) return { decisions, unmet, nextDue };
  const evictees = evicteesOf(decisions, policies, now, isStuck);
  const eviction: Eviction = {
    rule,
    pressure,
    cause,
    now,
    evictees,
    taken: takenBy(evictees),
    deletions: new Map(),
    spared: new Map(),
    disk: after,
    turn: decisions.filter((each) => each.action === 'delete').length,
  };
  evict(eviction);
  const left = causeOf(eviction.disk, pressure, pressure.low);
  if (left !== null) unmet.push(unmetOf(eviction, decisions, left));
  return {
    decisions: decisions.map((each) => eviction.deletions.get(each.archive) ?? spared(each, eviction)),
    unmet,
    nextDue: sooner(nextDue, dueAtOf(eviction)),
  };
}

/** Whether the disk would still be too full after these deletions: then all archives have to be weighed. */
export function isPressedAfter(
  deletions: readonly Decision[],
  policies: PolicySet,
  disk: Disk | undefined,
  isStuck: (archive: Archive) => boolean = () => false,
): boolean {
  const pressure = policies.global?.resource.pressure;
  if (disk === undefined || pressure === undefined) return false;
  return causeOf(freed(disk, deletions, isStuck), pressure, pressure.high) !== null;
}

function evicteesOf(
  decisions: readonly Decision[],
  policies: PolicySet,
  now: Instant,
  isStuck: (archive: Archive) => boolean,
): Evictee[] {
  const owners = new Owners(policies);
  const evictees: Evictee[] = [];
  for (const { action, archive } of decisions) {
    if (action === 'delete' || !isIdentified(archive) || archive.state !== 'complete') continue;
    const owner = owners.of(archive.identity);
    evictees.push({
      archive,
      owner,
      governing: owner.governing.administrator,
      floored: false,
      retained: false,
      stuck: isStuck(archive),
    });
  }
  evictees.sort((one, other) => byAge(one.archive, other.archive, now));
  const floor = floorOf(
    evictees,
    (each) => each.owner.keys.container,
    (each) => each.governing?.keepLast ?? 0,
  );
  for (const each of floor) each.floored = true;
  for (const each of retainFloor(evictees, policies.retentions, 'administrator')) {
    each.retained = !each.floored;
    each.floored = true;
  }
  return evictees;
}

function takenBy(evictees: readonly Evictee[]): Map<string, number> {
  const taken = new Map<string, number>();
  for (const { archive } of evictees) {
    const { namespace } = archive.identity;
    taken.set(namespace, (taken.get(namespace) ?? 0) + archive.allocatedBytes);
  }
  return taken;
}

function evict(eviction: Eviction): void {
  const { taken, now } = eviction;
  pass(eviction, 'orphans go first', ({ archive, governing }) => {
    return governing !== null && isOrphan(archive, governing, now);
  });
  const holding = [...taken.values()].filter((bytes) => bytes > 0);
  const share = holding.reduce((sum, bytes) => sum + bytes, 0) / holding.length;
  pass(eviction, 'its namespace takes more than an equal share', ({ archive }) => {
    return (taken.get(archive.identity.namespace) ?? 0) > share;
  });
  pass(eviction, 'the oldest go', () => true);
}

/** Once over the archives, as long as there is pressure. */
function pass(eviction: Eviction, why: string, wanted: (evictee: Evictee) => boolean): void {
  const { evictees, deletions, spared, pressure, cause } = eviction;
  for (const evictee of evictees) {
    if (!isPressed(eviction.disk, pressure, pressure.low)) return;
    const { archive } = evictee;
    if (deletions.has(archive) || !isEvictable(evictee) || !wanted(evictee)) continue;
    const reason = `${cause.text}; ${why}`;
    if (evictee.floored) {
      if (!spared.has(archive)) spared.set(archive, sparedBy(evictee, reason));
    } else {
      remove(eviction, archive, reason);
    }
  }
}

/** What frees nothing is not worth deleting, and what a resource with errors governs is held until it is mended. */
function isEvictable({ archive, governing, stuck }: Evictee): boolean {
  return !stuck && !archive.pinned && archive.allocatedBytes > 0 && governing?.resource.sound === true;
}

function remove(eviction: Eviction, archive: Identified, reason: string): void {
  const { rule, cause, taken, deletions } = eviction;
  eviction.turn += 1;
  eviction.disk = without(eviction.disk, archive);
  const { namespace } = archive.identity;
  taken.set(namespace, (taken.get(namespace) ?? 0) - archive.allocatedBytes);
  deletions.set(archive, {
    archive,
    action: 'delete',
    rule: 'pressure',
    policy: rule,
    resource: rule.resource,
    field: `${rule.field}.diskPressure.${cause.field}`,
    turn: eviction.turn,
    reason,
  });
}

function spared(decision: Decision, { spared, rule }: Eviction): Decision {
  const from = decision.rule === 'none' ? spared.get(decision.archive) : undefined;
  if (from === undefined) return decision;
  return { ...decision, ...from, policy: rule, resource: rule.resource };
}

function sparedBy({ archive, retained }: Evictee, reason: string): Pick<Decision, 'rule' | 'reason'> {
  const { madeBy = '' } = archive;
  return retained
    ? { rule: 'retain', reason: retainedText(madeBy, reason) }
    : { rule: 'keepLast', reason: floorText(reason) };
}

/** "wanted X, freed 0" is what hurts users when something else fills the disk: it says how much of it is ours. */
function unmetOf(eviction: Eviction, decisions: readonly Decision[], left: Cause): Unmet {
  const { rule, evictees, deletions, disk } = eviction;
  const kept = decisions.filter(
    ({ action, archive }) => action === 'keep' && archive.state !== 'reserved' && !deletions.has(archive),
  );
  const ours = kept.reduce((sum, { archive }) => sum + archive.allocatedBytes, 0);
  const held = evictees.filter(
    (each) => !deletions.has(each.archive) && (each.floored || !isEvictable(each)),
  );
  return {
    policy: rule,
    limit: 'pressure',
    of: 'the disk',
    field: `${rule.field}.diskPressure.${left.field}`,
    heldBy: held.map((each) => each.archive.file),
    message: pressureUnmetText(left.text, {
      pinned: held.filter((each) => each.archive.pinned).length,
      stuck: held.filter((each) => each.stuck).length,
      floored: held.filter((each) => !each.archive.pinned && each.floored).length,
      ours,
      others: Math.max(0, disk.totalBytes - disk.freeBytes - ours),
    }),
  };
}

/** When a pod has been gone for long enough to move its archives to the front, or time tells two apart. */
function dueAtOf({ evictees, now }: Eviction): Instant | null {
  let least = reorderDueAt(
    evictees.map((each) => each.archive),
    now,
  );
  for (const { archive, governing } of evictees) {
    const due = governing === null ? null : orphanDueAt(archive, governing);
    if (due !== null && due > now) least = sooner(least, due);
  }
  return least;
}

function isIdentified(archive: Archive): archive is Identified {
  return archive.identity !== null;
}

function freed(disk: Disk, decisions: readonly Decision[], isStuck: (archive: Archive) => boolean): Disk {
  let [bytes, inodes] = [0, 0];
  for (const { action, archive } of decisions) {
    if (action !== 'delete' || archive.allocatedBytes === 0 || isStuck(archive)) continue;
    bytes += archive.allocatedBytes;
    inodes += 1;
  }
  return { ...disk, freeBytes: disk.freeBytes + bytes, freeInodes: disk.freeInodes + inodes };
}

/** An archive that gives back no block has another link, which holds the inode too. */
function without(disk: Disk, { allocatedBytes }: Archive): Disk {
  const inodes = allocatedBytes > 0 ? 1 : 0;
  return { ...disk, freeBytes: disk.freeBytes + allocatedBytes, freeInodes: disk.freeInodes + inodes };
}
