import type { PolicyCatalog } from '../catalog.ts';
import { named } from '../conflicts.ts';
import { formatDuration } from '../duration.ts';
import { finding } from '../findings.ts';
import type { Finding, Rule } from '../types.ts';
import { shortestGapMs } from './read.ts';
import type { Schedule } from './types.ts';

/** A rule is named in a sentence: `spec.globalPolicy of ops/quotas`. */
function nameOf({ field, resource }: Rule): string {
  return `${field} of ${named(resource)}`;
}

/**
 * Where policies in force stand in a schedule's way. They are those of its namespace and the global one: which pods it
 * will select nobody knows, so policies of single pods are left out.
 */
export function policyFindings(schedule: Schedule, policies: PolicyCatalog): Finding[] {
  const findings = new Map<string, Finding>();
  for (const directory of policies.directories()) {
    const set = policies.of(directory);
    // A name that no pod can have matches the namespace's policy and the global one.
    const { administrator, tenant } = set.governing({
      namespace: schedule.namespace,
      pod: '',
      container: '',
    });
    for (const rule of [administrator, tenant]) {
      if (rule === null || !rule.resource.sound) continue;
      for (const each of [...refusals(schedule, rule), ...retentions(schedule, rule)]) {
        findings.set(`${each.code} ${each.field}`, each);
      }
    }
  }
  return [...findings.values()];
}

function refusals(schedule: Schedule, rule: Rule): Finding[] {
  const tell = (field: string, message: string, remedy: string) => [
    finding('refusedByPolicy', field, undefined, message, remedy),
  ];
  if (rule.checkpointing === 'Deny') {
    const message = `cannot be taken: ${nameOf(rule)} has checkpointing: Deny for namespace ${schedule.namespace}`;
    return tell(
      'spec.triggers',
      message,
      'ask for a policy that allows them, or set paused: true until there is one',
    );
  }
  const gap = shortestGapMs(schedule.triggers);
  const { minIntervalMs } = rule;
  if (minIntervalMs !== undefined && gap < minIntervalMs) {
    const field = schedule.triggers.intervalMs === gap ? 'spec.triggers.interval' : 'spec.triggers.cron';
    const message = `comes every ${formatDuration(gap)}, and ${nameOf(rule)} allows one checkpoint of a container in ${formatDuration(minIntervalMs)} (minInterval): those between are refused`;
    return tell(field, message, `write ${formatDuration(minIntervalMs)} or more`);
  }
  return [];
}

function retentions({ retain: { min, max }, triggers, authority }: Schedule, rule: Rule): Finding[] {
  const findings: Finding[] = [];
  for (const { maxCount, countField, level } of rule.buckets) {
    if (maxCount === undefined) continue;
    const limit = `${countField} (${maxCount}, of each ${level}) of ${nameOf(rule)}`;
    if (
      rule.whenFull === 'RejectNew' &&
      (max === undefined || max >= maxCount) &&
      shortestGapMs(triggers) < Infinity
    ) {
      const message = `does not stay below ${limit}, whose whenFull: RejectNew then refuses every further checkpoint`;
      const remedy =
        maxCount > 1 ? `write at most ${maxCount - 1}` : 'ask for a policy that evicts the oldest';
      findings.push(finding('refusedByPolicy', 'spec.retain.max', max, message, remedy));
    } else if (max !== undefined && max > maxCount) {
      const message = `never acts: ${limit} is always reached first`;
      findings.push(finding('neverBinds', 'spec.retain.max', max, message, `write ${maxCount} or less`));
    }
    if (min > maxCount) {
      const isOverruled = authority === 'tenant' && rule.resource.authority === 'administrator';
      const message = isOverruled
        ? `does not hold against ${limit}, which an administrator set`
        : `holds more archives than ${limit} allows, so that limit stays broken`;
      findings.push(finding('floorOverruled', 'spec.retain.min', min, message, `write ${maxCount} or less`));
    }
  }
  return findings;
}
