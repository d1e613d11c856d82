import { named } from './conflicts.ts';
import { counted } from './count.ts';
import { formatDuration } from './duration.ts';
import { type PolicySet, scopeLabel } from './govern.ts';
import { formatBytes } from './quantity.ts';
import { type Excess, roomFor, rulesOver } from './quota.ts';
import { are } from './reasons.ts';
import type { CheckpointRequest, Decision, Instant, RefusalReason, Rule, Usage, Verdict } from './types.ts';

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
  const rules = rulesOver(request, policies);
  const refused =
    first(rules, (rule) => denied(rule, request)) ??
    first(rules, (rule) => tooMany(rule, request, usage, policies)) ??
    first(rules, (rule) => tooSoon(rule, request, usage, now));
  if (refused !== null) return refused;
  const room = roomFor(request, usage, policies, now);
  if (!room.fits) return noRoom(room.excess, request);
  return noDisk(request, usage, room.evict) ?? { admitted: true, evict: room.evict };
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
  const message = `checkpoints of ${pathOf(request)} are denied (checkpointing: Deny of ${policyText(rule)}); ask whoever keeps that policy to allow them`;
  return refusal('denied', 403, rule, `${rule.field}.checkpointing`, message);
}

/** Concurrency is counted over all containers that the rule governs on this node. */
function tooMany(rule: Rule, request: CheckpointRequest, usage: Usage, policies: PolicySet): Refusal | null {
  if (rule.maxConcurrent === undefined) return null;
  const running = usage.reservations.filter((each) => rulesOver(each, policies).includes(rule)).length;
  if (running < rule.maxConcurrent) return null;
  const message = `a checkpoint of ${pathOf(request)} has to wait: ${are(running)} under way, ${rule.maxConcurrent} allowed at once (maxConcurrent of ${policyText(rule)}); try again in ${CONCURRENCY_RETRY_SECONDS}s`;
  const field = `${rule.field}.maxConcurrent`;
  return refusal('concurrency', 429, rule, field, message, CONCURRENCY_RETRY_SECONDS);
}

function tooSoon(rule: Rule, request: CheckpointRequest, usage: Usage, now: Instant): Refusal | null {
  const { lastStarted } = usage;
  if (rule.minIntervalMs === undefined || lastStarted === undefined) return null;
  const since = Math.max(0, now - lastStarted);
  const wait = rule.minIntervalMs - since;
  if (wait <= 0) return null;
  const seconds = Math.ceil(wait / 1000);
  const message = `a checkpoint of ${pathOf(request)} comes too soon: the last began ${formatDuration(since)} ago, one in ${formatDuration(rule.minIntervalMs)} allowed (minInterval of ${policyText(rule)}); try again in ${formatDuration(seconds * 1000)}`;
  return refusal('interval', 429, rule, `${rule.field}.minInterval`, message, seconds);
}

function noRoom(
  { because, policy, field, usage, underWay, why }: Excess,
  request: CheckpointRequest,
): Refusal {
  const name = field.slice(field.lastIndexOf('.') + 1);
  const told = underWay === 0 ? '' : `, ${underWay} of them under way`;
  const with_ = why === 'tooLarge' ? '' : 'with it ';
  const cause = {
    tooLarge: '',
    held: ', and pins or keepLast leave no room',
    rejected: ', and whenFull is RejectNew',
  }[why];
  const remedy = {
    tooLarge: `ask for a higher ${name}`,
    held: `unpin or delete an archive, or ask for a higher ${name}`,
    rejected: `delete an archive, or ask for a higher ${name}`,
  }[why];
  const message = `a checkpoint of ${pathOf(request)} does not fit: ${with_}${usage}${told}, by ${policyText(policy)}${cause}; ${remedy}`;
  return refusal(because, 507, policy, field, message);
}

function noDisk(request: CheckpointRequest, usage: Usage, evict: readonly Decision[]): Refusal | null {
  if (usage.disk === undefined) return null;
  const { reservations } = usage;
  const needed = WORKING_FACTOR * reservations.reduce((sum, each) => sum + each.bytes, request.expectedBytes);
  const free = evict.reduce((sum, each) => sum + each.archive.allocatedBytes, usage.disk.freeBytes);
  if (free >= needed) return null;
  const others =
    reservations.length === 0 ? '' : ` and of ${counted(reservations.length, 'other')} under way`;
  const message = `a checkpoint of ${pathOf(request)} does not fit on the disk: ${formatBytes(free)} are free, ${formatBytes(needed)} are needed, ${WORKING_FACTOR} times the size of its archive${others}; free some of the disk or try again later`;
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
  return {
    admitted: false,
    because,
    status,
    policy,
    field,
    message,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
}

function pathOf({ namespace, pod, container }: CheckpointRequest): string {
  return `${namespace}/${pod}/${container}`;
}

/** `pod/shop/cart in shop/quotas` */
function policyText(rule: Rule): string {
  const policy = rule.scope.kind === 'global' ? 'the global policy' : scopeLabel(rule.scope);
  return `${policy} in ${named(rule.resource)}`;
}
