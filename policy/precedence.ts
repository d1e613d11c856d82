import type { PolicyCatalog } from './catalog.ts';
import { isSame, isWithin, named } from './conflicts.ts';
import { scopeLabel, seniority } from './govern.ts';
import type { PolicyResource, Rule } from './types.ts';

/** How many targets are named. */
const MOST_NAMED = 3;

/**
 * What of a resource does not act because an older one stands, as sentences that name it; none where all of it acts.
 * Admission refuses the younger of the two, so it takes a race, or a time without the webhook, to come to this.
 */
export function overruled(resource: PolicyResource, catalog: PolicyCatalog): readonly string[] {
  const others = catalog.of(resource.directory);
  const sentences: string[] = [];
  const taken = resource.rules.flatMap((rule): Rule[] => {
    const [acting] = others.rulesFor(scopeLabel(rule.scope), rule.resource.authority);
    return acting === undefined || isSame(acting.resource, resource) ? [] : [acting];
  });
  for (const rule of taken.slice(0, MOST_NAMED)) {
    const what =
      rule.scope.kind === 'global' ? 'all other archives' : scopeLabel(rule.scope).replace('/', ' ');
    sentences.push(`${what} is governed by ${named(rule.resource)}, which is older (${rule.field})`);
  }
  if (taken.length > MOST_NAMED) sentences.push(`and ${taken.length - MOST_NAMED} more targets are taken`);
  const owner = others.unidentified;
  if (resource.unidentified && resource.authority === 'administrator' && owner && !isSame(owner, resource)) {
    sentences.push(`unidentified archives are governed by ${named(owner)}, which is older`);
  }
  const overlap = overlapping(resource, catalog);
  if (overlap)
    sentences.push(
      `${resource.directory} overlaps with ${overlap.directory} of ${named(overlap)}, which is older`,
    );
  return sentences;
}

function overlapping(resource: PolicyResource, catalog: PolicyCatalog): PolicyResource | null {
  for (const directory of catalog.directories()) {
    if (directory === resource.directory || !isWithin(directory, resource.directory)) continue;
    for (const other of catalog.of(directory).resources()) {
      if (other.authority === 'administrator' && seniority(other, resource) < 0) return other;
    }
  }
  return null;
}
