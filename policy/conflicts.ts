import type { PolicyCatalog } from './catalog.ts';
import { finding } from './findings.ts';
import { broaderLabels, type PolicySet, resourceKey, scopeLabel } from './govern.ts';
import type { Finding, PolicyResource, Rule } from './types.ts';

/**
 * What a resource and the others cannot both mean, and what it takes from them. Costs what the resource holds,
 * not how many others there are. A former version of the same resource in the catalog is passed over.
 */
export function conflictFindings(resource: PolicyResource, catalog: PolicyCatalog): Finding[] {
  const others = catalog.of(resource.directory);
  const own = new Map<string, Rule>();
  const findings: Finding[] = [];
  for (const rule of resource.rules) {
    const label = scopeLabel(rule.scope);
    const twin = own.get(label);
    if (twin === undefined) own.set(label, rule);
    const duplicate = duplicateOf(rule, label, twin, others);
    if (duplicate !== null) findings.push(duplicate);
  }
  for (const rule of own.values()) {
    const drops = dropped(rule, own, others);
    if (drops !== null) findings.push(drops);
  }
  findings.push(...unidentifiedTwice(resource, others), ...overlapping(resource, catalog));
  return findings;
}

function duplicateOf(rule: Rule, label: string, twin: Rule | undefined, others: PolicySet): Finding | null {
  if (twin !== undefined) {
    const message = `is for ${targetText(rule)}, as ${twin.field} is already, and only that one would act`;
    return finding('duplicateTarget', rule.field, undefined, message, 'make one policy of the two');
  }
  const { resource } = rule;
  const other = others.rulesFor(label, resource.authority).find((each) => !isSame(each.resource, resource));
  if (other === undefined) return null;
  const code = rule.scope.kind === 'global' ? 'duplicateGlobal' : 'duplicateTarget';
  const message = `is for ${targetText(rule)}, as ${other.field} of ${named(other.resource)} is already`;
  return finding(code, rule.field, undefined, message, 'change that one instead, or remove one of the two');
}

function targetText(rule: Rule): string {
  if (rule.scope.kind === 'global') return `everything in ${rule.resource.directory}`;
  return scopeLabel(rule.scope).replace('/', ' ');
}

/** Limits that the next broader policy has and this one, which takes its place, leaves out. */
function dropped(rule: Rule, own: ReadonlyMap<string, Rule>, others: PolicySet): Finding | null {
  const broader = nextBroader(rule, own, others);
  if (broader === null || !rule.resource.sound) return null;
  const limits: string[] = [];
  if (broader.maxAgeMs !== undefined && rule.maxAgeMs === undefined) limits.push('timeThreshold');
  if (broader.maxArchiveBytes !== undefined && rule.maxArchiveBytes === undefined) {
    limits.push('maxCheckpointSize');
  }
  if (!broader.retainOrphan && rule.retainOrphan && rule.orphanField !== 'retainOrphan') {
    limits.push('retainOrphan: false');
  }
  if (broader.checkpointing === 'Deny' && rule.checkpointing === 'Allow') limits.push('checkpointing: Deny');
  addMissing(limits, broader, rule, 'maxCount', 'countField');
  addMissing(limits, broader, rule, 'maxTotalBytes', 'totalField');
  if (limits.length === 0) return null;
  const whose = isSame(broader.resource, rule.resource)
    ? broader.field
    : `${broader.field} of ${named(broader.resource)}`;
  const message = `takes the place of ${whose} and does not repeat ${limits.join(', ')}`;
  const remedy = 'write here what is to go on limiting these archives';
  return finding('broaderLimitDropped', rule.field, undefined, message, remedy);
}

function nextBroader(rule: Rule, own: ReadonlyMap<string, Rule>, others: PolicySet): Rule | null {
  for (const label of broaderLabels(rule.scope)) {
    const mine = own.get(label);
    if (mine !== undefined) return mine;
    const theirs = others
      .rulesFor(label, rule.resource.authority)
      .find((each) => !isSame(each.resource, rule.resource));
    if (theirs !== undefined) return theirs;
  }
  return null;
}

/** Adds the broader rule's fields for a kind of limit that the narrower rule has at no level. */
function addMissing(
  limits: string[],
  broader: Rule,
  narrower: Rule,
  limit: 'maxCount' | 'maxTotalBytes',
  name: 'countField' | 'totalField',
): void {
  for (const bucket of narrower.buckets) if (bucket[limit] !== undefined) return;
  for (const bucket of broader.buckets) if (bucket[limit] !== undefined) limits.push(bucket[name]);
}

function unidentifiedTwice(resource: PolicyResource, others: PolicySet): Finding[] {
  if (resource.unidentified === undefined) return [];
  const other = others.unidentifiedOwners().find((each) => !isSame(each, resource));
  if (other === undefined) return [];
  const message = `is for the unidentified archives in ${resource.directory}, as spec.unidentified of ${named(other)} is already`;
  const remedy = 'change that one instead, or remove one of the two';
  return [finding('duplicateGlobal', 'spec.unidentified', undefined, message, remedy)];
}

/** An administrator is never stopped by what a tenant wrote. */
function overlapping(resource: PolicyResource, catalog: PolicyCatalog): Finding[] {
  for (const directory of catalog.directories()) {
    if (directory === resource.directory || !isWithin(directory, resource.directory)) continue;
    for (const other of catalog.of(directory).resources()) {
      if (other.authority === 'tenant' || isSame(other, resource)) continue;
      const message = `overlaps with ${directory} of ${named(other)}`;
      const remedy = 'write the same directory, or one that lies beside it';
      return [
        finding('overlappingDirectories', 'spec.checkpointDirectory', resource.directory, message, remedy),
      ];
    }
  }
  return [];
}

/** Whether one directory lies in the other, or is it. */
export function isWithin(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
}

/** Whether these are versions of one resource. */
export function isSame({ reference: one }: PolicyResource, { reference: other }: PolicyResource): boolean {
  return one === other || (one.name === other.name && one.namespace === other.namespace);
}

/** `team-a/quotas`, with the file when it came from one. */
export function named(resource: PolicyResource): string {
  const { file } = resource.reference;
  return file === undefined
    ? resourceKey(resource.reference)
    : `${resourceKey(resource.reference)} (${file})`;
}
