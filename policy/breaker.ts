import type { Decision, PolicyResource } from './types.ts';

/** A resource that would delete so much at once that somebody has to confirm it. */
export interface Trip {
  readonly resource: PolicyResource;
  readonly deletions: readonly Decision[];
  readonly archives: number;
}

/**
 * The new or changed resources whose deletions are more than `circuitBreaker.maxShare` of the node's archives,
 * and at least `minArchives`.
 * @param isAccepted whether the resource, with this very spec, has acted before or was confirmed.
 */
export function trips(
  decisions: readonly Decision[],
  isAccepted: (resource: PolicyResource) => boolean,
): Trip[] {
  return [...byResource(decisions)].flatMap(([resource, deletions]) => {
    const { maxShare, minArchives } = resource.breaker;
    const tripped = deletions.length >= minArchives && deletions.length > maxShare * decisions.length;
    return tripped && !isAccepted(resource) ? [{ resource, deletions, archives: decisions.length }] : [];
  });
}

/** What a trip's digest is taken of: the resource as it stands and the archives that would go. */
export function digestText(trip: Trip): string {
  const files = trip.deletions.map((each) => each.archive.file).sort();
  return JSON.stringify([trip.resource.reference.uid ?? '', trip.resource.canonicalSpec, files]);
}

/** The deletions that each resource's budget allows in one pass, in their order; one archive always. */
export function withinBudget(deletions: readonly Decision[]): Decision[] {
  return [...byResource(deletions)].flatMap(([resource, own]) => {
    const { maxArchives = Number.POSITIVE_INFINITY, maxBytes } = resource.budget;
    let bytes = 0;
    return own.filter(({ archive }, index) => {
      bytes += archive.bytes;
      return index < maxArchives && (index === 0 || maxBytes === undefined || bytes <= maxBytes);
    });
  });
}

function byResource(decisions: readonly Decision[]): Map<PolicyResource, Decision[]> {
  const groups = new Map<PolicyResource, Decision[]>();
  for (const decision of decisions) {
    if (decision.action !== 'delete' || decision.resource === null) continue;
    const group = groups.get(decision.resource);
    if (group) group.push(decision);
    else groups.set(decision.resource, [decision]);
  }
  return groups;
}
