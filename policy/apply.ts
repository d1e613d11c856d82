import { type Candidate, type Notes, noteDue, remove } from './candidate.ts';
import type { Governing, PolicySet } from './govern.ts';
import { dueAt, floorOf, isOrphan, listed, orphanDueAt, reorderDueAt } from './order.ts';
import {
  agedText,
  bucketLabel,
  countText,
  heldText,
  OLDEST_FIRST,
  orphanText,
  scopeText,
  sizeText,
  taintedText,
  totalText,
  unmetText,
} from './reasons.ts';
import { retainFloor } from './schedule/apply.ts';
import type { Retentions } from './schedule/retentions.ts';
import type { Archive, BucketLimits, Instant, Rule, Unmet } from './types.ts';

type Floor = ReadonlySet<Candidate>;

/** Lets each rule of one layer act on the archives that it governs. */
export function applyLayer(
  oldestFirst: readonly Candidate[],
  layer: keyof Governing,
  { retentions }: Pick<PolicySet, 'retentions'>,
  now: Instant,
  notes: Notes,
): void {
  const groups = new Map<Rule, Candidate[]>();
  for (const each of oldestFirst) {
    const rule = each.owner.governing[layer];
    if (rule !== null && each.deletion === null) listed(groups, rule).push(each);
  }
  for (const [rule, group] of groups) {
    // A resource with errors holds its targets and deletes nothing.
    if (rule.resource.sound) applyRule(rule, group, retentions, now, notes);
  }
}

/** One rule, in the order of the design: tainted, orphans, size and age, then each bucket's count and total. */
function applyRule(
  rule: Rule,
  oldestFirst: readonly Candidate[],
  retentions: Retentions,
  now: Instant,
  notes: Notes,
): void {
  if (rule.keepLast > 0 || rule.buckets.some(isLimited)) {
    const archives = oldestFirst.map((each) => each.archive);
    noteDue(notes, reorderDueAt(archives, now));
  }
  for (const each of oldestFirst) applyCertain(rule, each, now, notes);
  const living = oldestFirst.filter((each) => each.deletion === null);
  // A promised archive is none yet: it takes no other's place on the floor.
  const complete = living.filter((each) => each.archive.state === 'complete');
  const floor = floorOf(
    complete,
    (each) => each.owner.keys.container,
    () => rule.keepLast,
  );
  for (const each of floor) if (each.spared === null) each.retainedBy = null;
  for (const each of retainFloor(complete, retentions, rule.resource.authority)) {
    if (each.spared === null && !floor.has(each)) each.retainedBy = each.archive.madeBy ?? null;
    floor.add(each);
  }
  applySize(rule, complete, floor, notes);
  applyAge(rule, complete, floor, now, notes);
  for (const limits of rule.buckets) applyBuckets(rule, limits, living, floor, notes);
}

/** What no floor holds: foreign bytes, and the proof that the pod is gone. */
function applyCertain(rule: Rule, each: Candidate, now: Instant, notes: Notes): void {
  const { archive } = each;
  if (archive.staleTailBytes > 0 && rule.resource.tainted === 'Delete') {
    const reason = taintedText(archive);
    remove(each, { rule: 'tainted', policy: rule, field: 'spec.tainted', reason }, notes);
  }
  if (each.deletion !== null || rule.retainOrphan) return;
  if (isOrphan(archive, rule, now)) {
    const reason = orphanText(archive, each.owner.identity, now);
    const spelling = rule.orphanField ?? 'deleteOrphanedCheckpoint';
    remove(each, { rule: 'orphan', policy: rule, field: `${rule.field}.${spelling}`, reason }, notes);
  } else if (!archive.pinned) {
    noteDue(notes, orphanDueAt(archive, rule));
  }
}

function applySize(rule: Rule, oldestFirst: readonly Candidate[], floor: Floor, notes: Notes): void {
  const limit = rule.maxArchiveBytes;
  if (limit === undefined) return;
  const field = `${rule.field}.maxCheckpointSize`;
  const held: Candidate[] = [];
  for (const each of oldestFirst) {
    if (each.archive.bytes <= limit) continue;
    const grounds = { rule: 'size', policy: rule, field, reason: sizeText(each.archive, limit) } as const;
    if (!remove(each, grounds, notes, floor)) held.push(each);
  }
  doubtHeld({ policy: rule, limit: 'size', field }, 'maxCheckpointSize', held, notes);
}

function applyAge(
  rule: Rule,
  oldestFirst: readonly Candidate[],
  floor: Floor,
  now: Instant,
  notes: Notes,
): void {
  const { maxAgeMs } = rule;
  if (maxAgeMs === undefined) return;
  const field = `${rule.field}.timeThreshold`;
  const held: Candidate[] = [];
  for (const each of oldestFirst) {
    if (each.deletion !== null) continue;
    const due = dueAt(each.archive, maxAgeMs) ?? now;
    if (now < due) {
      if (!each.archive.pinned) noteDue(notes, due);
      continue;
    }
    const reason = `${agedText(each.archive, maxAgeMs, now)} (timeThreshold)`;
    const grounds = { rule: 'age', policy: rule, field, reason } as const;
    if (!remove(each, grounds, notes, floor)) held.push(each);
  }
  doubtHeld({ policy: rule, limit: 'age', field }, 'timeThreshold', held, notes);
}

function isLimited({ maxCount, maxTotalBytes }: BucketLimits): boolean {
  return maxCount !== undefined || maxTotalBytes !== undefined;
}

/** Whether all of these together are within both limits. */
function isWithin({ maxCount, maxTotalBytes }: BucketLimits, archives: readonly Candidate[]): boolean {
  if (maxCount !== undefined && archives.length > maxCount) return false;
  return (
    maxTotalBytes === undefined ||
    archives.reduce((sum, each) => sum + each.archive.bytes, 0) <= maxTotalBytes
  );
}

function applyBuckets(
  rule: Rule,
  limits: BucketLimits,
  oldestFirst: readonly Candidate[],
  floor: Floor,
  notes: Notes,
): void {
  // What all of them together keep, each bucket keeps: most limits are far away.
  if (!isLimited(limits) || isWithin(limits, oldestFirst)) return;
  const buckets = new Map<string, Candidate[]>();
  for (const each of oldestFirst) {
    if (each.deletion === null) listed(buckets, each.owner.keys[limits.level]).push(each);
  }
  for (const [key, bucket] of buckets) {
    const of = bucketLabel(limits.level, key);
    applyCount(rule, limits, of, bucket, floor, notes);
    applyTotal(rule, limits, of, bucket, floor, notes);
  }
}

function applyCount(
  policy: Rule,
  { maxCount, countField }: BucketLimits,
  of: string,
  oldestFirst: readonly Candidate[],
  floor: Floor,
  notes: Notes,
): void {
  let count = oldestFirst.length;
  if (maxCount === undefined || count <= maxCount) return;
  const field = `${policy.field}.${countField}`;
  const reason = countText(of, count, maxCount, countField) + OLDEST_FIRST;
  const grounds = { rule: 'count', policy, field, reason } as const;
  for (const each of oldestFirst) {
    if (count <= maxCount) return;
    if (remove(each, grounds, notes, floor)) count -= 1;
  }
  if (count <= maxCount) return;
  doubt({ policy, limit: 'count', of, field }, oldestFirst, notes, ({ length }) =>
    length > maxCount ? countText(of, length, maxCount, countField) : null,
  );
}

function applyTotal(
  policy: Rule,
  { maxTotalBytes, totalField }: BucketLimits,
  of: string,
  bucket: readonly Candidate[],
  floor: Floor,
  notes: Notes,
): void {
  if (maxTotalBytes === undefined) return;
  const oldestFirst = bucket.filter((each) => each.deletion === null);
  let total = sumOf(oldestFirst.map((each) => each.archive));
  if (total <= maxTotalBytes) return;
  const field = `${policy.field}.${totalField}`;
  const reason = totalText(of, total, maxTotalBytes, totalField) + OLDEST_FIRST;
  const grounds = { rule: 'total', policy, field, reason } as const;
  for (const each of oldestFirst) {
    if (total <= maxTotalBytes) return;
    if (remove(each, grounds, notes, floor)) total -= each.archive.bytes;
  }
  if (total <= maxTotalBytes) return;
  doubt({ policy, limit: 'total', of, field }, oldestFirst, notes, (left) => {
    const sum = sumOf(left);
    return sum > maxTotalBytes ? totalText(of, sum, maxTotalBytes, totalField) : null;
  });
}

type Limit = Omit<Unmet, 'heldBy' | 'message'>;

/** Archives over size or age that stay because something holds them. */
function doubtHeld(limit: Omit<Limit, 'of'>, field: string, held: readonly Candidate[], notes: Notes): void {
  const [first] = held;
  if (first === undefined) return;
  const of = scopeText(limit.policy, first.owner.identity);
  doubt({ ...limit, of }, held, notes, ({ length }) => (length > 0 ? heldText(of, field) : null));
}

/** @param broken what is wrong with the archives that are left; null when they are within the limit. */
function doubt(
  limit: Limit,
  bucket: readonly Candidate[],
  notes: Notes,
  broken: (left: readonly Archive[]) => string | null,
): void {
  notes.doubts.push((isGone) => {
    const left = bucket.map((each) => each.archive).filter((archive) => !isGone(archive));
    const text = broken(left);
    if (text === null) return null;
    const heldBy = left.filter((each) => each.state === 'complete').map((each) => each.file);
    return { ...limit, heldBy, message: unmetText(text, left) };
  });
}

function sumOf(archives: readonly Archive[]): number {
  return archives.reduce((sum, each) => sum + each.bytes, 0);
}
