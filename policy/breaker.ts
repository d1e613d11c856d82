import { resourceKey } from './govern.ts';
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
 * @param archives of the node; default: all that are decided on. Then the decisions may be the deletions alone.
 */
export function trips(
  decisions: readonly Decision[],
  isAccepted: (resource: PolicyResource) => boolean,
  archives: number = countOf(decisions),
): Trip[] {
  return [...byResource(decisions)].flatMap(([resource, deletions]) => {
    const { maxShare, minArchives } = resource.breaker;
    const tripped = deletions.length >= minArchives && deletions.length > maxShare * archives;
    return tripped && !isAccepted(resource) ? [{ resource, deletions, archives }] : [];
  });
}

/** What is promised to a checkpoint under way is no archive of the node yet. */
function countOf(decisions: readonly Decision[]): number {
  return decisions.filter(({ archive }) => archive.state !== 'reserved').length;
}

/**
 * What a trip's digest is taken of: the resource as it stands and the archives that would go. No UID is in it: a
 * file on a desk and the resource in the cluster have one digest.
 */
export function digestText({ resource, deletions }: Trip): string {
  const files = deletions.map(({ archive }) => archive.file).sort();
  return JSON.stringify([resourceKey(resource.reference), resource.canonicalSpec, files]);
}

/** What a resource has deleted in this pass already. */
export interface Spent {
  readonly archives: number;
  readonly bytes: number;
}

/**
 * The deletions that each resource's budget allows in one pass, in the order in which they are to be carried out;
 * one archive always. The next pass goes on where this one stops.
 * @param spentBy by `resourceKey`: what a former version of a resource has deleted counts, for a budget that each
 * edit renews is none.
 */
export function withinBudget(
  deletions: readonly Decision[],
  spentBy: (resource: string) => Spent = () => NOTHING_SPENT,
): Decision[] {
  const inTurn = [...deletions].sort(byTurn);
  const named = new Map<string, Decision[]>();
  for (const [{ reference }, own] of byResource(inTurn)) {
    const key = resourceKey(reference);
    named.set(key, [...(named.get(key) ?? []), ...own]);
  }
  const allowed = [...named].flatMap(([key, own]) => {
    const { maxArchives = Number.POSITIVE_INFINITY, maxBytes } = own.at(-1)?.resource?.budget ?? {};
    let { archives, bytes } = spentBy(key);
    const end = own.findIndex(({ archive }) => {
      archives += 1;
      bytes += archive.bytes;
      return archives > maxArchives || (archives > 1 && maxBytes !== undefined && bytes > maxBytes);
    });
    return end === -1 ? own : own.slice(0, end);
  });
  // What a schedule gives up has no budget.
  return [...allowed, ...inTurn.filter(isSchedules)].sort(byTurn);
}

const NOTHING_SPENT: Spent = { archives: 0, bytes: 0 };

function isSchedules({ action, resource }: Decision): boolean {
  return action === 'delete' && resource === null;
}

function byTurn(one: Decision, other: Decision): number {
  return (one.turn ?? 0) - (other.turn ?? 0);
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
