import { counted, formatCount } from './count.ts';
import { formatDuration } from './duration.ts';
import { scopeLabel } from './govern.ts';
import { formatBytes } from './quantity.ts';
import type { Archive, Identity, Instant, Level, PolicyResource, Rule } from './types.ts';

/*
 * The sentences of plans. What is said of an archive is read behind its name:
 * `checkpoint-cart_shop-main-….tar: is 41d old, 40d allowed (timeThreshold)`.
 */

/** Behind the reason of a deletion by count or total. */
export const OLDEST_FIRST = '; the oldest go first';
/** Behind the limit and the usage of what stays broken. */
export const NOTHING_LEFT = ', and nothing more can be deleted: ';

export function taintedText({ staleTailBytes }: Archive): string {
  return `has ${formatBytes(staleTailBytes)} behind its end marker, possibly of another tenant (spec.tainted: Delete)`;
}

export function orphanText({ orphan }: Archive, { namespace, pod }: Identity, now: Instant): string {
  const since = formatDuration(orphan === null ? 0 : Math.max(0, now - orphan.since));
  return orphan?.why === 'replaced'
    ? `belongs to an earlier pod ${namespace}/${pod}, found replaced ${since} ago (orphans are not retained)`
    : `belongs to pod ${namespace}/${pod}, found gone ${since} ago (orphans are not retained)`;
}

export function sizeText({ bytes }: Archive, allowed: bigint): string {
  const [have, most] = apart(bytes, allowed);
  return `is ${have}, ${most} allowed (maxCheckpointSize)`;
}

/** Two durations that look the same once rounded are told apart. */
export function agedText({ modifiedAt }: Archive, maxAgeMs: number, now: Instant): string {
  const [age, allowed] = [formatDuration(now - modifiedAt), formatDuration(maxAgeMs)];
  return `is ${age === allowed ? 'just over ' : ''}${age} old, ${allowed} allowed`;
}

/** `container shop/cart/main`, `pod shop/cart`, `namespace shop`. */
export function bucketLabel(level: Level, key: string): string {
  return `${level} ${key}`;
}

/** What a rule governs in one namespace: `pod shop/cart`, and for the global rule `namespace shop`. */
export function scopeText(rule: Rule | null, { namespace }: Identity): string {
  if (rule === null || rule.scope.kind === 'global') return bucketLabel('namespace', namespace);
  return scopeLabel(rule.scope).replace('/', ' ');
}

export function countText(label: string, count: number, allowed: number, field: string): string {
  return `${label} has ${counted(count, 'archive')}, ${formatCount(allowed)} allowed (${field})`;
}

export function totalText(label: string, total: number, allowed: bigint, field: string): string {
  const [have, most] = apart(total, allowed);
  return `${label} takes ${have}, ${most} allowed (${field})`;
}

export function heldText(label: string, field: string): string {
  return `${label} has archives over ${field}`;
}

export function unidentifiedText(archive: Archive, why: string): string {
  return `is unidentified (${becauseOf(archive)}), and ${why}`;
}

export function keptUnidentifiedText(archive: Archive, resource: PolicyResource | null): string {
  const why =
    resource?.unidentified === undefined
      ? 'no spec.unidentified asks for its deletion'
      : 'within spec.unidentified';
  return `is unidentified (${becauseOf(archive)}) and kept: ${why}`;
}

/** Behind a name: what is not known of it now may be known soon. */
export function unreadText(archive: Archive): string {
  return `is kept: ${becauseOf(archive)}`;
}

function becauseOf({ unidentifiedBecause }: Archive): string {
  return unidentifiedBecause ?? 'its pod cannot be read from it';
}

/** A limit that stays broken, and what is left under it. */
export function unmetText(text: string, left: readonly Archive[]): string {
  const pinned = left.filter((each) => each.pinned).length;
  const reserved = left.filter((each) => each.state === 'reserved').length;
  const made = left.filter((each) => isFree(each) && each.madeBy !== undefined).length;
  const floored = left.length - pinned - reserved - made;
  const parts = [
    pinned > 0 && `${are(pinned)} pinned`,
    floored > 0 && `${are(floored)} held by keepLast`,
    made > 0 && `${are(made)} held by keepLast or the retain.min of a schedule`,
    reserved > 0 && `${are(reserved)} under way`,
  ].filter((part) => part !== false);
  return text + NOTHING_LEFT + parts.join(', ');
}

function isFree({ pinned, state }: Archive): boolean {
  return !pinned && state !== 'reserved';
}

/** What stands in the way of less pressure; bytes are of the disk. */
export interface Leftover {
  readonly pinned: number;
  /** Those whose deletion failed. */
  readonly stuck: number;
  readonly floored: number;
  readonly ours: number;
  readonly others: number;
}

export function pressureUnmetText(text: string, { pinned, stuck, floored, ours, others }: Leftover): string {
  const parts = [
    pinned > 0 && `${are(pinned)} pinned`,
    floored > 0 && `${are(floored)} held by keepLast`,
    stuck > 0 && `${stuck} cannot be deleted now`,
  ];
  const held = parts.filter((part) => part !== false).join(', ') || 'none is left';
  return `${text}, and no more archives can be evicted (${held}): archives take ${formatBytes(ours)} of the disk, other files ${formatBytes(others)}`;
}

export function pinnedText({ file, state }: Archive, otherwise: string | null): string {
  const growing = state === 'growing' ? ' and still being written' : '';
  return `is pinned by ${file}.keep${growing}${otherwiseText(otherwise)}`;
}

export function floorText(otherwise: string): string {
  return `is held by keepLast${otherwiseText(otherwise)}`;
}

/** @param schedule `shop/hourly` */
export function retainedText(schedule: string, otherwise: string): string {
  return `is held by retain.min of schedule ${schedule}${otherwiseText(otherwise)}`;
}

export function ceilingText(schedule: string, max: number): string {
  return `is beyond the newest ${counted(max, 'archive')} that schedule ${schedule} keeps (retain.max)`;
}

function otherwiseText(reason: string | null): string {
  if (reason === null) return '';
  // What is said of the archive itself has no subject of its own.
  return `, although ${/^(is|has|belongs) /.test(reason) ? 'it ' : ''}${reason}`;
}

const within = new WeakMap<Rule, string>();

/** Why a rule leaves an archive alone. One text a rule: a plan of a hundred thousand archives holds few. */
export function withinText(rule: Rule): string {
  const known = within.get(rule);
  if (known !== undefined) return known;
  const policy = rule.scope.kind === 'global' ? 'the global policy' : scopeLabel(rule.scope);
  const text = rule.resource.sound
    ? `is within the limits of ${policy}`
    : `is held: the resource of ${policy} has errors and deletes nothing until they are mended`;
  within.set(rule, text);
  return text;
}

/** `1 is`, `3 are`. */
export function are(count: number): string {
  return `${count} ${count === 1 ? 'is' : 'are'}`;
}

/** Two sizes for people; to the byte where they would look the same. */
export function apart(have: number | bigint, allowed: number | bigint): [string, string] {
  const [one, other] = [formatBytes(have), formatBytes(allowed)];
  return one === other ? [`${have} bytes`, `${allowed} bytes`] : [one, other];
}
