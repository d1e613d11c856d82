import { named } from './conflicts.ts';
import { exactDuration } from './duration.ts';
import { finding } from './findings.ts';
import type { PolicySet } from './govern.ts';
import { exactQuantity } from './quantity.ts';
import type { Finding, Level, PolicyResource, Rule } from './types.ts';

const WIDTH: Readonly<Record<Level, number>> = { container: 0, pod: 1, namespace: 2 };

/** A limit by the name of its field; smaller is tighter. */
interface Limit {
  readonly field: string;
  readonly value: number | bigint;
}

/**
 * Where a tenant's resource would loosen what an administrator's sets for its namespace. What it leaves out goes
 * on by the administrator's word and needs no finding.
 */
export function looseningFindings(resource: PolicyResource, policies: PolicySet): Finding[] {
  if (resource.authority === 'administrator') return [];
  const findings: Finding[] = [];
  for (const rule of resource.rules) {
    const ruling = administratorsFor(rule, policies);
    if (ruling !== null) findings.push(...comparisons(rule, ruling));
  }
  return findings;
}

function administratorsFor(rule: Rule, policies: PolicySet): Rule | null {
  const { scope } = rule;
  if (scope.kind === 'global') return null;
  // A name that no pod can have matches the namespace's policy, not a pod's.
  return policies.ruling({
    namespace: scope.namespace,
    pod: scope.kind === 'namespace' ? '' : scope.pod,
    container: scope.kind === 'container' ? scope.container : '',
  });
}

function comparisons(rule: Rule, ruling: Rule): Finding[] {
  const findings: Finding[] = [];
  const atMost = (mine: Limit | null, theirs: Limit | null, show: Show) => {
    if (mine === null || theirs === null || mine.value <= theirs.value) return;
    const [own, allowed] = [show(mine.value), show(theirs.value)];
    const ruled = `${theirs.field} (${allowed})`;
    findings.push(loosens(rule, { field: mine.field, shown: own }, ruling, ruled, `${allowed} or less`));
  };
  const same = (
    field: string,
    mine: Limit['value'] | undefined,
    theirs: Limit['value'] | undefined,
    show: Show,
  ) => atMost(limit(field, mine), limit(field, theirs), show);

  same('maxCheckpointSize', rule.maxArchiveBytes, ruling.maxArchiveBytes, bytes);
  same('timeThreshold', rule.maxAgeMs, ruling.maxAgeMs, duration);
  same('maxConcurrent', rule.maxConcurrent, ruling.maxConcurrent, Number);
  for (const { level, countField, maxCount, totalField, maxTotalBytes } of rule.buckets) {
    const wider = ruling.buckets.filter((bucket) => WIDTH[bucket.level] >= WIDTH[level]);
    const counts = wider.map((bucket) => limit(bucket.countField, bucket.maxCount));
    atMost(limit(countField, maxCount), tightest(counts), Number);
    const totals = wider.map((bucket) => limit(bucket.totalField, bucket.maxTotalBytes));
    atMost(limit(totalField, maxTotalBytes), tightest(totals), bytes);
  }
  const [mine, theirs] = [rule.minIntervalMs, ruling.minIntervalMs];
  if (mine !== undefined && theirs !== undefined && mine < theirs) {
    const own = { field: 'minInterval', shown: duration(mine) };
    const allowed = duration(theirs);
    findings.push(loosens(rule, own, ruling, `minInterval (${allowed})`, `${allowed} or more`));
  }
  const field = rule.orphanField;
  if (!ruling.retainOrphan && rule.retainOrphan && field !== null) {
    const keeps = field === 'retainOrphan';
    findings.push(loosens(rule, { field, shown: keeps }, ruling, 'retainOrphan (false)', String(!keeps)));
  }
  return findings;
}

type Show = (value: number | bigint) => string | number;

const bytes: Show = (value) => exactQuantity(BigInt(value));
const duration: Show = (value) => exactDuration(Number(value));

function limit(field: string, value: number | bigint | undefined): Limit | null {
  return value === undefined ? null : { field, value };
}

function tightest(limits: readonly (Limit | null)[]): Limit | null {
  return limits.reduce((least, each) => (each && (!least || each.value < least.value) ? each : least), null);
}

function loosens(
  rule: Rule,
  own: { readonly field: string; readonly shown: string | number | boolean },
  ruling: Rule,
  ruled: string,
  allowed: string,
): Finding {
  const message = `is looser than ${ruling.field}.${ruled} of ${named(ruling.resource)}, which a namespace's own policy can only tighten`;
  const remedy = `write ${allowed}, or leave it out to go by that`;
  return finding('loosens', `${rule.field}.${own.field}`, own.shown, message, remedy);
}
