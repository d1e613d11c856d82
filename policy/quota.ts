import { fitsWhole } from './apart.ts';
import type { PolicySet } from './govern.ts';
import { bucketKey } from './order.ts';
import { type DeletionPlan, planDeletions } from './plan.ts';
import { apart, bucketLabel, NOTHING_LEFT, OLDEST_FIRST } from './reasons.ts';
import type {
  Archive,
  BucketLimits,
  CheckpointRequest,
  Decision,
  Instant,
  Reservation,
  Rule,
  Usage,
} from './types.ts';

/** Why one archive more does not fit. */
export interface Excess {
  readonly because: 'count' | 'total' | 'size';
  readonly policy: Rule;
  /** `spec.podPolicies[1].maxCheckpoints` */
  readonly field: string;
  /** `pod shop/cart has 4 archives, 3 allowed (maxCheckpoints)` */
  readonly usage: string;
  /** Checkpoints under way among these. */
  readonly underWay: number;
  /** Nothing old is deleted for it because of `whenFull: RejectNew`, or because all that is there is held. */
  readonly why: 'rejected' | 'held' | 'tooLarge';
}

export type Room =
  | { readonly fits: true; readonly evict: readonly Decision[] }
  | { readonly fits: false; readonly excess: Excess };

/** The archives of a namespace, and those to come. */
interface Outlook {
  readonly present: readonly Archive[];
  readonly underWay: readonly Archive[];
  readonly newcomer: Archive;
}

/**
 * Plans with the new archive, and those under way, in place: what would be deleted for them tells. Twice: while
 * they are promises, which take no other's place on the floor, and when they have come.
 */
export function roomFor(request: CheckpointRequest, usage: Usage, policies: PolicySet, now: Instant): Room {
  const rules = rulesOver(request, policies);
  if (rules.length === 0) return { fits: true, evict: [] };
  const large = tooLarge(request, rules);
  if (large !== null) return { fits: false, excess: large };

  const own = amongWhom(request, usage, policies);
  const come = outlookOf(request, own, now, 'complete');
  const promised = outlookOf(request, own, now, 'reserved');
  const then = planOf(come, policies, now);
  const meanwhile = planOf(promised, policies, now);
  const found =
    displaced(come, then, policies, now) ??
    displaced(promised, meanwhile, policies, now) ??
    unmetFor(then, request, rules) ??
    // Under EvictOldest a floor may hold the oldest until the newcomer has come; RejectNew waits for nothing.
    unmetFor(
      meanwhile,
      request,
      rules.filter((rule) => rule.whenFull === 'RejectNew'),
    );
  if (found !== null) {
    return { fits: false, excess: { ...found, underWay: countUnderWay(found, come, request, policies) } };
  }
  // Of the archives that count with it; what keepLast holds goes only when the new one has come.
  const evict = meanwhile.deletions.filter(({ archive }) =>
    rules.some((rule) => rule.buckets.some((each) => sharesBucket(archive, request, each, rule, policies))),
  );
  return { fits: true, evict };
}

type Among = Pick<Usage, 'archives' | 'reservations'>;

/**
 * What may have to do with the request: all of its namespace; where that is within its limits with the new archive
 * in place, what its pod has. Five thousand archives take 10 ms to plan, and others wait at the door meanwhile.
 */
function amongWhom(request: CheckpointRequest, usage: Usage, policies: PolicySet): Among {
  const { namespace, pod, expectedBytes } = request;
  const archives = usage.archives.filter(({ identity }) => identity?.namespace === namespace);
  const reservations = usage.reservations.filter((each) => each.namespace === namespace);
  let bytes = expectedBytes;
  for (const each of archives) bytes += each.bytes;
  for (const each of reservations) bytes += each.bytes;
  const holding = { archives: archives.length + reservations.length + 1, bytes };
  if (!fitsWhole(namespace, holding, policies)) return { archives, reservations };
  return {
    archives: archives.filter(({ identity }) => identity?.pod === pod),
    reservations: reservations.filter((each) => each.pod === pod),
  };
}

function planOf({ present, underWay, newcomer }: Outlook, policies: PolicySet, now: Instant): DeletionPlan {
  return planDeletions([...present, ...underWay, newcomer], policies, now);
}

/** An archive that no deletion of others makes room for. */
function tooLarge({ expectedBytes }: CheckpointRequest, rules: readonly Rule[]): Excess | null {
  for (const policy of rules) {
    const limits = [
      { because: 'size', name: 'maxCheckpointSize', most: policy.maxArchiveBytes } as const,
      ...policy.buckets.map(
        (each) => ({ because: 'total', name: each.totalField, most: each.maxTotalBytes }) as const,
      ),
    ];
    for (const { because, name, most } of limits) {
      if (most === undefined || expectedBytes <= most) continue;
      const [expected, allowed] = apart(expectedBytes, most);
      const usage = `an archive of about ${expected} is expected, ${allowed} allowed (${name})`;
      return { because, policy, field: `${policy.field}.${name}`, usage, underWay: 0, why: 'tooLarge' };
    }
  }
  return null;
}

type Found = Omit<Excess, 'underWay'>;

/** The newcomer itself would go, or another for it although the policy says `RejectNew`. */
function displaced(outlook: Outlook, after: DeletionPlan, policies: PolicySet, now: Instant): Found | null {
  const { present, underWay, newcomer } = outlook;
  let leaving: ReadonlySet<Archive> | undefined;
  for (const { archive, rule, policy, field = '', reason } of after.deletions) {
    if (policy === null || (rule !== 'count' && rule !== 'total')) continue;
    const usage = reason.replace(OLDEST_FIRST, '');
    if (archive === newcomer) return { because: rule, policy, field, usage, why: 'held' };
    if (policy.whenFull !== 'RejectNew') continue;
    // What goes with or without the newcomer does not go for it.
    const before = () => planDeletions([...present, ...underWay], policies, now).deletions;
    leaving ??= new Set(before().map((each) => each.archive));
    if (!leaving.has(archive)) return { because: rule, policy, field, usage, why: 'rejected' };
  }
  return null;
}

/** A limit over the newcomer that pins and floors would leave broken. */
function unmetFor(after: DeletionPlan, request: CheckpointRequest, rules: readonly Rule[]): Found | null {
  for (const policy of rules) {
    for (const { level } of policy.buckets) {
      const label = bucketLabel(level, bucketKey(request, level));
      for (const { policy: by, of, limit, field = '', message } of after.unmet) {
        if (by !== policy || of !== label || (limit !== 'count' && limit !== 'total')) continue;
        const usage = message.slice(0, message.indexOf(NOTHING_LEFT));
        return { because: limit, policy, field, usage, why: 'held' };
      }
    }
  }
  return null;
}

/** Checkpoints under way that the broken limit counts. */
function countUnderWay(
  { policy, field }: Found,
  { underWay }: Outlook,
  request: CheckpointRequest,
  policies: PolicySet,
): number {
  const bucket = policy.buckets.find(({ countField, totalField }) =>
    [countField, totalField].some((each) => field === `${policy.field}.${each}`),
  );
  if (bucket === undefined) return 0;
  return underWay.filter((each) => sharesBucket(each, request, bucket, policy, policies)).length;
}

/** Whether a limit of the rule counts the archive together with the container's. */
function sharesBucket(
  { identity }: Archive,
  container: Container,
  { level, maxCount, maxTotalBytes }: BucketLimits,
  rule: Rule,
  policies: PolicySet,
): boolean {
  if (identity === null || (maxCount === undefined && maxTotalBytes === undefined)) return false;
  if (bucketKey(identity, level) !== bucketKey(container, level)) return false;
  return rulesOver(identity, policies).includes(rule);
}

type Container = Pick<Reservation, 'namespace' | 'pod' | 'container'>;

/** The administrator's first. */
export function rulesOver(container: Container, policies: PolicySet): Rule[] {
  const { administrator, tenant } = policies.governing(container);
  return [administrator, tenant].filter((rule) => rule !== null);
}

function outlookOf(
  request: CheckpointRequest,
  { archives, reservations }: Among,
  now: Instant,
  state: 'complete' | 'reserved',
): Outlook {
  // What an inventory holds as reserved stands among the reservations.
  const present = archives.filter((each) => each.state !== 'reserved');
  const underWay = reservations.map((each) =>
    toCome(each, Math.min(each.since, now), each.bytes, each.id, state),
  );
  return { present, underWay, newcomer: toCome(request, now, request.expectedBytes, '\uffff', state) };
}

/** An archive to come. Its name sorts behind all others, so it is the newest of equals. */
function toCome(
  { namespace, pod, container }: Container,
  modifiedAt: Instant,
  bytes: number,
  id: string,
  state: 'complete' | 'reserved',
): Archive {
  return {
    file: `\uffff${id}`,
    bytes,
    allocatedBytes: bytes,
    modifiedAt,
    state,
    pinned: false,
    identity: { namespace, pod, container, podUid: null },
    staleTailBytes: 0,
    orphan: null,
  };
}
