import { formatDuration } from './duration.ts';
import { type Governing, type PolicySet, scopeLabel } from './govern.ts';
import { bucketKey, byAge, floorOf, isOrphan } from './order.ts';
import { planPressure } from './pressure.ts';
import { formatBytes } from './quantity.ts';
import type {
  Archive,
  BucketLimits,
  Decision,
  DecisionRule,
  Identity,
  Instant,
  Inventory,
  Level,
  Plan,
  Rule,
  Unmet,
} from './types.ts';

/** An archive while its plan is made; once `deletion` is set it no longer counts. */
interface Candidate {
  readonly archive: Archive;
  readonly identity: Identity;
  readonly governing: Governing;
  deletion: Decision | null;
  /** What would have deleted it, had a pin or a floor not held it. */
  spared: {
    readonly by: 'pinned' | 'keepLast';
    readonly from: DecisionRule;
    readonly policy: Rule;
    readonly reason: string;
  } | null;
}

/** Collects what a plan finds on its way. */
interface Findings {
  readonly unmet: Unmet[];
  nextDue: Instant | null;
}

/**
 * What is to become of each archive. Pure: the same inventory in any order gives the same decisions, and
 * planning again after applying them deletes nothing.
 */
export function plan(inventory: Inventory, policies: PolicySet, now: Instant): Plan {
  const namespaces = new Map<string, Archive[]>();
  const unidentified: Archive[] = [];
  for (const archive of inventory.archives) {
    if (archive.identity === null) unidentified.push(archive);
    else listed(namespaces, archive.identity.namespace).push(archive);
  }
  const parts = [...namespaces.values()].map((archives) => planNamespace(archives, policies, now));
  parts.push(planUnidentified(unidentified, policies, now));
  const whole = planPressure(parts, policies, inventory.disk, now);
  const byArchive = new Map(whole.decisions.map((decision) => [decision.archive, decision]));
  const decisions = inventory.archives.flatMap((archive) => byArchive.get(archive) ?? []);
  return { ...whole, decisions };
}

/** The plan for the archives of one namespace. Namespaces do not influence one another except by disk pressure. */
export function planNamespace(archives: readonly Archive[], policies: PolicySet, now: Instant): Plan {
  const governed = new Map<string, Governing>();
  const oldestFirst = [...archives].sort((a, b) => byAge(a, b, now));
  const candidates: Candidate[] = [];
  for (const archive of oldestFirst) {
    const { identity } = archive;
    if (identity === null) continue;
    const key = bucketKey(identity, 'container');
    const governing = governed.get(key) ?? policies.governing(identity);
    governed.set(key, governing);
    candidates.push({ archive, identity, governing, deletion: null, spared: null });
  }
  const findings: Findings = { unmet: [], nextDue: null };
  const counted = candidates.filter((each) => each.archive.state !== 'growing');
  applyLayer(counted, 'tenant', now, findings);
  applyLayer(counted, 'administrator', now, findings);
  return { decisions: candidates.map(decisionOf), unmet: findings.unmet, nextDue: findings.nextDue };
}

/** The plan for archives without identity: only `spec.unidentified` deletes any. */
export function planUnidentified(archives: readonly Archive[], policies: PolicySet, now: Instant): Plan {
  const resource = policies.unidentified;
  const findings: Findings = { unmet: [], nextDue: null };
  const { maxAgeMs, maxTotalBytes } = resource?.unidentified ?? {};
  const oldestFirst = [...archives].sort((a, b) => byAge(a, b, now));
  const decisions = new Map<Archive, Decision>();
  const decide = (archive: Archive, action: 'keep' | 'delete', rule: DecisionRule, reason: string) =>
    decisions.set(archive, { archive, action, rule, policy: null, resource, reason });

  let total = oldestFirst.reduce((sum, each) => (each.state === 'complete' ? sum + each.bytes : sum), 0);
  const why = (archive: Archive) => archive.unidentifiedBecause ?? 'its pod cannot be read from it';
  for (const archive of oldestFirst) {
    if (archive.state !== 'complete') {
      decide(archive, 'keep', 'none', 'is still being written');
      continue;
    }
    if (archive.pinned) {
      decide(archive, 'keep', 'pinned', `is pinned by ${archive.file}.keep`);
      continue;
    }
    const due = dueAt(archive, maxAgeMs);
    if (due !== null && now >= due) {
      const age = `unidentified (${why(archive)}) and ${agedText(archive, maxAgeMs ?? 0, now)}`;
      decide(archive, 'delete', 'unidentified', `${age} (spec.unidentified.timeThreshold)`);
      total -= archive.bytes;
    } else {
      soonest(findings, due);
    }
  }
  for (const archive of oldestFirst) {
    if (decisions.has(archive)) continue;
    if (maxTotalBytes !== undefined && total > maxTotalBytes) {
      const text = `unidentified (${why(archive)}); these take ${formatBytes(total)} together, spec.unidentified.maxTotalSize allows ${formatBytes(maxTotalBytes)}, and the oldest go first`;
      decide(archive, 'delete', 'unidentified', text);
      total -= archive.bytes;
    } else {
      const kept = resource
        ? 'within spec.unidentified'
        : 'kept, since no spec.unidentified asks for its deletion';
      decide(archive, 'keep', 'unidentified', `unidentified (${why(archive)}); ${kept}`);
    }
  }
  if (maxTotalBytes !== undefined && total > maxTotalBytes) {
    const heldBy = oldestFirst
      .filter((each) => each.pinned && each.state === 'complete')
      .map((each) => each.file);
    findings.unmet.push({
      policy: null,
      limit: 'unidentified',
      of: 'unidentified archives',
      heldBy,
      message: `unidentified archives take ${formatBytes(total)}, spec.unidentified.maxTotalSize allows ${formatBytes(maxTotalBytes)}; pins hold the rest`,
    });
  }
  return {
    decisions: archives.flatMap((archive) => decisions.get(archive) ?? []),
    unmet: findings.unmet,
    nextDue: findings.nextDue,
  };
}

function applyLayer(
  oldestFirst: readonly Candidate[],
  layer: keyof Governing,
  now: Instant,
  findings: Findings,
): void {
  const groups = new Map<Rule, Candidate[]>();
  for (const each of oldestFirst) {
    const rule = each.governing[layer];
    if (rule !== null && each.deletion === null) listed(groups, rule).push(each);
  }
  for (const [rule, group] of groups) applyRule(rule, group, now, findings);
}

/** One rule on the archives that it governs, in the order of the design: orphans, size, age, count, total. */
function applyRule(rule: Rule, oldestFirst: readonly Candidate[], now: Instant, findings: Findings): void {
  for (const each of oldestFirst) {
    if (each.archive.state === 'reserved') continue;
    const { archive } = each;
    if (archive.staleTailBytes > 0 && rule.resource.tainted === 'Delete') {
      remove(
        each,
        rule,
        'tainted',
        `has ${formatBytes(archive.staleTailBytes)} behind its end marker (spec.tainted: Delete)`,
      );
    } else if (archive.orphan !== null && !rule.retainOrphan) {
      if (isOrphan(archive, rule, now)) remove(each, rule, 'orphan', orphanText(each, now));
      else soonest(findings, archive.orphan.since + rule.resource.orphanGraceMs);
    }
  }
  const living = oldestFirst.filter((each) => each.deletion === null);
  const floor = floorOf(
    living.filter((each) => each.archive.state === 'complete'),
    (each) => each.identity,
    () => rule.keepLast,
  );
  for (const each of living)
    if (each.archive.state === 'complete') applySizeAndAge(rule, each, floor, now, findings);
  reportSpared(rule, living, findings);
  for (const bucket of rule.buckets) applyBucket(rule, bucket, living, floor, findings);
}

function applySizeAndAge(
  rule: Rule,
  each: Candidate,
  floor: ReadonlySet<Candidate>,
  now: Instant,
  findings: Findings,
): void {
  const { archive } = each;
  if (rule.maxArchiveBytes !== undefined && archive.bytes > rule.maxArchiveBytes) {
    const text = `is ${formatBytes(archive.bytes)}, maxCheckpointSize allows ${formatBytes(rule.maxArchiveBytes)}`;
    remove(each, rule, 'size', text, floor);
  }
  const due = dueAt(archive, rule.maxAgeMs);
  if (each.deletion !== null || due === null) return;
  if (now >= due)
    remove(each, rule, 'age', `${agedText(archive, rule.maxAgeMs ?? 0, now)} (timeThreshold)`, floor);
  else if (!archive.pinned) soonest(findings, due);
}

function applyBucket(
  rule: Rule,
  limits: BucketLimits,
  oldestFirst: readonly Candidate[],
  floor: ReadonlySet<Candidate>,
  findings: Findings,
): void {
  const { maxCount, maxTotalBytes } = limits;
  if (maxCount === undefined && maxTotalBytes === undefined) return;
  const buckets = new Map<string, Candidate[]>();
  for (const each of oldestFirst) {
    if (each.deletion === null) listed(buckets, bucketKey(each.identity, limits.level)).push(each);
  }
  for (const [of, bucket] of buckets) {
    const label = bucketLabel(of, rule, limits.level);
    if (maxCount !== undefined) {
      let count = bucket.length;
      const text = `${label} has ${count} archives, ${limits.countField} allows ${maxCount}, and the oldest go first`;
      for (const each of bucket) {
        if (count <= maxCount) break;
        if (remove(each, rule, 'count', text, floor)) count -= 1;
      }
      if (count > maxCount) {
        report(
          findings,
          rule,
          'count',
          label,
          bucket,
          `${label} keeps ${count} archives, ${limits.countField} allows ${maxCount}`,
        );
      }
    }
    if (maxTotalBytes !== undefined) {
      let total = 0;
      for (const each of bucket) if (each.deletion === null) total += each.archive.bytes;
      const text = `${label} takes ${formatBytes(total)}, ${limits.totalField} allows ${formatBytes(maxTotalBytes)}, and the oldest go first`;
      for (const each of bucket) {
        if (total <= maxTotalBytes) break;
        if (each.deletion === null && remove(each, rule, 'total', text, floor)) total -= each.archive.bytes;
      }
      if (total > maxTotalBytes) {
        report(
          findings,
          rule,
          'total',
          label,
          bucket,
          `${label} keeps ${formatBytes(total)}, ${limits.totalField} allows ${formatBytes(maxTotalBytes)}`,
        );
      }
    }
  }
}

/** Deletes unless something holds it; true when it is gone. */
function remove(
  each: Candidate,
  policy: Rule,
  rule: DecisionRule,
  reason: string,
  floor?: ReadonlySet<Candidate>,
): boolean {
  if (each.archive.state === 'reserved') return false;
  const by = each.archive.pinned ? 'pinned' : floor?.has(each) ? 'keepLast' : null;
  if (by !== null) {
    each.spared ??= { by, from: rule, policy, reason };
    return false;
  }
  each.deletion = {
    archive: each.archive,
    action: 'delete',
    rule,
    policy,
    resource: policy.resource,
    reason,
  };
  return true;
}

/** Archives over size or age that stay because something holds them. */
function reportSpared(rule: Rule, living: readonly Candidate[], findings: Findings): void {
  const label = scopeLabel(rule.scope);
  for (const limit of ['size', 'age'] as const) {
    const held = living.filter(({ spared }) => spared?.policy === rule && spared.from === limit);
    if (held.length > 0)
      report(findings, rule, limit, label, held, `${label} keeps ${held.length} archives over ${limit}`);
  }
}

function report(
  findings: Findings,
  policy: Rule,
  limit: Unmet['limit'],
  of: string,
  bucket: readonly Candidate[],
  text: string,
): void {
  const held = bucket.filter((each) => each.deletion === null && each.spared !== null);
  const pins = held.filter((each) => each.archive.pinned).length;
  const parts = [
    pins > 0 && `${pins} pinned`,
    held.length > pins && `${held.length - pins} held by keepLast`,
  ];
  const reserved = bucket.filter((each) => each.archive.state === 'reserved').length;
  const why = [...parts, reserved > 0 && `${reserved} under way`].filter(Boolean).join(', ');
  findings.unmet.push({
    policy,
    limit,
    of,
    heldBy: held.map((each) => each.archive.file),
    message: `${text}: ${why}`,
  });
}

function decisionOf(each: Candidate): Decision {
  if (each.deletion !== null) return each.deletion;
  const { archive, governing, spared } = each;
  const policy = governing.tenant ?? governing.administrator;
  const keep = (rule: DecisionRule, reason: string, by = policy): Decision => ({
    archive,
    action: 'keep',
    rule,
    policy: by,
    resource: by?.resource ?? null,
    reason,
  });
  if (archive.state === 'growing') return keep('none', 'is still being written');
  if (archive.pinned) {
    const otherwise = spared ? `; otherwise it would go: ${spared.reason}` : '';
    return keep('pinned', `is pinned by ${archive.file}.keep${otherwise}`, spared?.policy ?? policy);
  }
  if (spared !== null)
    return keep('keepLast', `is held by keepLast; otherwise it would go: ${spared.reason}`, spared.policy);
  return keep('none', policy === null ? 'no policy governs it' : withinText(policy));
}

const within = new WeakMap<Rule, string>();

/** One text a rule: a plan of a hundred thousand archives holds few. */
function withinText(rule: Rule): string {
  const known = within.get(rule);
  if (known !== undefined) return known;
  const text = rule.resource.sound
    ? `is within the limits of ${scopeLabel(rule.scope)}`
    : `${scopeLabel(rule.scope)} has errors, so nothing of it is deleted until it is mended`;
  within.set(rule, text);
  return text;
}

function orphanText(each: Candidate, now: Instant): string {
  const { orphan } = each.archive;
  const pod = `${each.identity.namespace}/${each.identity.pod}`;
  const since = orphan === null ? 0 : Math.max(0, now - orphan.since);
  const what = orphan?.why === 'replaced' ? `pod ${pod} is another one now` : `pod ${pod} is gone`;
  return `${what}, for ${formatDuration(since)} (retainOrphan: false)`;
}

function agedText(archive: Archive, maxAgeMs: number, now: Instant): string {
  return `is ${formatDuration(now - archive.modifiedAt)} old, ${formatDuration(maxAgeMs)} allowed`;
}

/** The first instant at which the archive is over age; null without a limit. */
function dueAt(archive: Archive, maxAgeMs: number | undefined): Instant | null {
  return maxAgeMs === undefined ? null : archive.modifiedAt + maxAgeMs + 1;
}

function soonest(findings: Findings, due: Instant | null): void {
  if (due !== null && (findings.nextDue === null || due < findings.nextDue)) findings.nextDue = due;
}

function bucketLabel(key: string, rule: Rule, level: Level): string {
  return rule.scope.kind === 'global' ? `${level} ${key}` : scopeLabel(rule.scope).replace('/', ' ');
}

function listed<K, V>(map: Map<K, V[]>, key: K): V[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made: V[] = [];
  map.set(key, made);
  return made;
}
