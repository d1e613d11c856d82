import { named } from './conflicts.ts';
import { formatDuration } from './duration.ts';
import { type PolicySet, scopeLabel } from './govern.ts';
import { planNamespace } from './plan.ts';
import { formatBytes } from './quantity.ts';
import type {
  Archive,
  CheckpointRequest,
  Decision,
  Instant,
  RefusalReason,
  Reservation,
  Rule,
  Usage,
  Verdict,
} from './types.ts';

/**
 * What the runtime needs of the disk while it works, in archive sizes: content store, working copy and the
 * archive itself with containerd; CRI-O needs 2. Measured, November 2026.
 */
const WORKING_FACTOR = 3;
/** When a checkpoint under way may be over: they take from 0.2 s to some seconds. */
const CONCURRENCY_RETRY_SECONDS = 5;

type Refusal = Extract<Verdict, { admitted: false }>;

/**
 * Whether a checkpoint fits: the same limits as `plan`, seen from the other side, and by the same code. What is
 * admitted under `RejectNew` is deleted by no plan for count or total, if it is no larger than expected.
 */
export function admit(request: CheckpointRequest, usage: Usage, policies: PolicySet, now: Instant): Verdict {
  const { administrator, tenant } = policies.governing(request);
  const rules = [administrator, tenant].filter((rule) => rule !== null);
  return (
    first(rules, (rule) => denied(rule, request)) ??
    first(rules, (rule) => tooMany(rule, usage, policies)) ??
    first(rules, (rule) => tooSoon(rule, request, usage, now)) ??
    quota(request, usage, policies, now)
  );
}

function first(rules: readonly Rule[], check: (rule: Rule) => Refusal | null): Refusal | null {
  for (const rule of rules) {
    const refusal = check(rule);
    if (refusal !== null) return refusal;
  }
  return null;
}

function denied(rule: Rule, request: CheckpointRequest): Refusal | null {
  if (rule.checkpointing === 'Allow') return null;
  const message = `checkpoints of ${pathOf(request)} are denied by ${policyText(rule)} (checkpointing: Deny); ask whoever keeps that policy`;
  return refusal('denied', 403, rule, 'checkpointing', message);
}

/** Concurrency is counted over all containers that the rule governs on this node. */
function tooMany(rule: Rule, usage: Usage, policies: PolicySet): Refusal | null {
  if (rule.maxConcurrent === undefined) return null;
  const running = usage.reservations.filter((each) => {
    const governing = policies.governing(each);
    return governing.administrator === rule || governing.tenant === rule;
  }).length;
  if (running < rule.maxConcurrent) return null;
  const message = `${running} checkpoints are under way and ${policyText(rule)} allows ${rule.maxConcurrent} at once (maxConcurrent); try again in some seconds`;
  return refusal('concurrency', 429, rule, 'maxConcurrent', message, CONCURRENCY_RETRY_SECONDS);
}

function tooSoon(rule: Rule, request: CheckpointRequest, usage: Usage, now: Instant): Refusal | null {
  const { lastStarted } = usage;
  if (rule.minIntervalMs === undefined || lastStarted === undefined) return null;
  const wait = Math.min(lastStarted, now) + rule.minIntervalMs - now;
  if (wait <= 0) return null;
  const message = `the last checkpoint of ${pathOf(request)} began ${formatDuration(now - Math.min(lastStarted, now))} ago and ${policyText(rule)} asks for ${formatDuration(rule.minIntervalMs)} between two (minInterval); try again in ${formatDuration(wait)}`;
  return refusal('interval', 429, rule, 'minInterval', message, Math.ceil(wait / 1000));
}

/** Plans with the new archive, and those under way, in place: whoever would be deleted for them tells. */
function quota(request: CheckpointRequest, usage: Usage, policies: PolicySet, now: Instant): Verdict {
  const present = usage.archives.filter((each) => each.identity?.namespace === request.namespace);
  const underWay = usage.reservations
    .filter((each) => each.namespace === request.namespace)
    .map((each) => promised(each, Math.min(each.since, now), each.bytes, each.id));
  const newcomer = promised(request, now, request.expectedBytes, '');
  const before = planNamespace([...present, ...underWay], policies, now);
  const after = planNamespace([...present, ...underWay, newcomer], policies, now);

  const leaving = new Set(deletionsOf(before.decisions).map((each) => each.archive));
  for (const decision of deletionsOf(after.decisions)) {
    if (decision.archive === newcomer)
      return noRoom(decision, request, usage, 'pins, floors or the size itself leave no room');
    const forIt = decision.rule === 'count' || decision.rule === 'total';
    if (forIt && decision.policy?.whenFull === 'RejectNew' && !leaving.has(decision.archive)) {
      return noRoom(decision, request, usage, 'whenFull is RejectNew');
    }
  }
  const evict = deletionsOf(after.decisions).filter((each) => !underWay.includes(each.archive));
  return noDisk(request, usage, evict) ?? { admitted: true, evict };
}

function deletionsOf(decisions: readonly Decision[]): Decision[] {
  return decisions.filter((each) => each.action === 'delete');
}

/** An archive that is not there yet. Its name sorts behind all others, so it is the newest of equals. */
function promised(
  of: Pick<Reservation, 'namespace' | 'pod' | 'container'>,
  modifiedAt: Instant,
  bytes: number,
  id: string,
): Archive {
  const { namespace, pod, container } = of;
  return {
    file: `\u{10ffff}${id === '' ? '\u{10ffff}' : id}`,
    bytes,
    allocatedBytes: bytes,
    modifiedAt,
    state: 'complete',
    pinned: false,
    identity: { namespace, pod, container, podUid: null },
    staleTailBytes: 0,
    orphan: null,
  };
}

function noRoom(decision: Decision, request: CheckpointRequest, usage: Usage, why: string): Refusal {
  const rule = decision.policy;
  const because = decision.rule === 'size' || decision.rule === 'total' ? decision.rule : 'count';
  const bucket = rule?.buckets.find(
    (each) => (because === 'count' ? each.maxCount : each.maxTotalBytes) !== undefined,
  );
  const field =
    because === 'size' ? 'maxCheckpointSize' : because === 'count' ? bucket?.countField : bucket?.totalField;
  const open =
    usage.reservations.length > 0 ? `, ${usage.reservations.length} checkpoints under way counted` : '';
  const expected = `an archive of about ${formatBytes(request.expectedBytes)}`;
  const text = decision.archive.file.startsWith('\u{10ffff}')
    ? decision.reason
    : decision.reason.replace(/, and the oldest go first$/, '');
  const policy = rule === null ? 'policy' : policyText(rule);
  const message = `no room for ${expected} of ${pathOf(request)}: with it ${text}${open}, by ${policy}, and ${why}; delete or unpin an archive, or ask for a higher ${field ?? 'limit'}`;
  return refusal(because, 507, rule, field ?? '', message);
}

function noDisk(request: CheckpointRequest, usage: Usage, evict: readonly Decision[]): Refusal | null {
  if (usage.disk === undefined) return null;
  const open = usage.reservations.reduce((sum, each) => sum + each.bytes, 0);
  const needed = WORKING_FACTOR * (open + request.expectedBytes);
  const free = usage.disk.freeBytes + evict.reduce((sum, each) => sum + each.archive.allocatedBytes, 0);
  if (free >= needed) return null;
  const message = `the disk has ${formatBytes(free)} free and ${formatBytes(needed)} are needed while the checkpoint of ${pathOf(request)} is written (${WORKING_FACTOR} times the archive, those under way counted); free some of the disk, or try again when those are done`;
  return refusal('disk', 507, null, '', message);
}

function refusal(
  because: RefusalReason,
  status: Refusal['status'],
  policy: Rule | null,
  field: string,
  message: string,
  retryAfterSeconds?: number,
): Refusal {
  const at = policy === null ? field : `${policy.field}.${field}`;
  return {
    admitted: false,
    because,
    status,
    policy,
    field: at,
    message,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
}

function pathOf({ namespace, pod, container }: CheckpointRequest): string {
  return `${namespace}/${pod}/${container}`;
}

function policyText(rule: Rule): string {
  return `${scopeLabel(rule.scope)} of ${named(rule.resource)}`;
}
