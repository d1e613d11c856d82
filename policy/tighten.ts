import { named } from './conflicts.ts';
import { formatDuration } from './duration.ts';
import { finding } from './findings.ts';
import type { PolicySet } from './govern.ts';
import { formatBytes } from './quantity.ts';
import type { Finding, Level, PolicyResource, Rule } from './types.ts';

const WIDTH: Readonly<Record<Level, number>> = { container: 0, pod: 1, namespace: 2 };

/**
 * Where a tenant's resource would loosen what an administrator's sets for its namespace. What it leaves out goes
 * on by the administrator's word and needs no finding.
 */
export function looseningFindings(resource: PolicyResource, policies: PolicySet): Finding[] {
  if (resource.authority === 'administrator') return [];
  return resource.rules.flatMap((rule) => {
    const ruling = administratorsFor(rule, policies);
    return ruling === null ? [] : comparisons(rule, ruling);
  });
}

function administratorsFor(rule: Rule, policies: PolicySet): Rule | null {
  const { scope } = rule;
  if (scope.kind === 'global') return null;
  // A name that no pod can have matches the namespace's policy, not a pod's.
  return policies.governing({ pod: '', container: '', ...scope }).administrator;
}

function comparisons(rule: Rule, ruling: Rule): Finding[] {
  const findings: Finding[] = [];
  const compare = <T extends number | bigint>(
    field: string,
    value: T | undefined,
    rulingField: string,
    allowed: T | undefined,
    show: (value: T) => string,
  ) => {
    if (value === undefined || allowed === undefined || value <= allowed) return;
    findings.push(loosens(rule, ruling, field, show(value), rulingField, `at most ${show(allowed)}`));
  };
  compare(
    'maxCheckpointSize',
    rule.maxArchiveBytes,
    'maxCheckpointSize',
    ruling.maxArchiveBytes,
    formatBytes,
  );
  compare('timeThreshold', rule.maxAgeMs, 'timeThreshold', ruling.maxAgeMs, formatDuration);
  compare('maxConcurrent', rule.maxConcurrent, 'maxConcurrent', ruling.maxConcurrent, String);
  for (const mine of rule.buckets) {
    for (const theirs of ruling.buckets) {
      if (WIDTH[theirs.level] < WIDTH[mine.level]) continue;
      compare(mine.countField, mine.maxCount, theirs.countField, theirs.maxCount, String);
      compare(mine.totalField, mine.maxTotalBytes, theirs.totalField, theirs.maxTotalBytes, formatBytes);
    }
  }
  const { minIntervalMs } = rule;
  if (
    minIntervalMs !== undefined &&
    ruling.minIntervalMs !== undefined &&
    minIntervalMs < ruling.minIntervalMs
  ) {
    const atLeast = `at least ${formatDuration(ruling.minIntervalMs)}`;
    findings.push(
      loosens(rule, ruling, 'minInterval', formatDuration(minIntervalMs), 'minInterval', atLeast),
    );
  }
  if (!ruling.retainOrphan && rule.retainOrphan && rule.stated.includes('retainOrphan')) {
    findings.push(loosens(rule, ruling, 'retainOrphan', 'true', 'retainOrphan', 'retainOrphan: false'));
  }
  return findings;
}

function loosens(
  rule: Rule,
  ruling: Rule,
  field: string,
  value: string,
  rulingField: string,
  allowed: string,
): Finding {
  const message = `is ${value}, wider than ${ruling.field}.${rulingField} of ${named(ruling.resource)}; a namespace's own policy can only tighten`;
  const remedy = `write ${allowed}, or leave it out; the administrator's limit goes on`;
  return finding('loosens', `${rule.field}.${field}`, undefined, message, remedy);
}
