import { applyLayer } from './apply.ts';
import { isAtRest } from './at-rest.ts';
import { type Candidate, type Notes, newNotes, Owners, unmetOf } from './candidate.ts';
import type { PolicySet } from './govern.ts';
import { byAge, listed } from './order.ts';
import { planPressure } from './pressure.ts';
import { floorText, pinnedText, retainedText, withinText } from './reasons.ts';
import { applyCeilings } from './schedule/apply.ts';
import type { Archive, Decision, DecisionRule, Instant, Inventory, Plan } from './types.ts';
import { unidentifiedDecisions } from './unidentified.ts';

export { planUnidentified } from './unidentified.ts';

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
  const notes = newNotes();
  const decisions: Decision[] = [];
  const append = (more: readonly Decision[]) => {
    for (const each of more) decisions.push(each);
  };
  // By name, so that the turns of deletions do not depend on the order of the inventory.
  for (const [, archives] of [...namespaces].sort(byName)) {
    append(namespaceDecisions(archives, policies, now, notes));
  }
  append(unidentifiedDecisions(unidentified, policies, now, notes));
  const part = { decisions, unmet: [], nextDue: notes.nextDue };
  const whole = planPressure([part], policies, inventory.disk, now);
  const unmet = [...unmetOf(notes, whole.decisions), ...whole.unmet];
  const byArchive = new Map<Archive, Decision>();
  for (const each of whole.decisions) byArchive.set(each.archive, each);
  return {
    ...whole,
    unmet,
    decisions: inventory.archives.flatMap((archive) => byArchive.get(archive) ?? []),
  };
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** The plan for the archives of one namespace. Namespaces do not influence one another except by disk pressure. */
export function planNamespace(archives: readonly Archive[], policies: PolicySet, now: Instant): Plan {
  const notes = newNotes();
  const decisions = namespaceDecisions(archives, policies, now, notes);
  return { decisions, unmet: unmetOf(notes, decisions), nextDue: notes.nextDue };
}

/** The deletions of a plan, and what else is to be known of it: what it keeps costs time and memory to tell. */
export interface DeletionPlan extends Pick<Plan, 'unmet' | 'nextDue'> {
  readonly deletions: readonly Decision[];
  /** How many archives were decided on. */
  readonly archives: number;
}

/** What `planNamespace` would delete. */
export function planDeletions(archives: readonly Archive[], policies: PolicySet, now: Instant): DeletionPlan {
  if (isAtRest(archives, policies, now)) {
    const identified = archives.reduce((count, { identity }) => count + (identity === null ? 0 : 1), 0);
    return { deletions: [], archives: identified, unmet: [], nextDue: null };
  }
  const notes = newNotes();
  const candidates = decide(archives, policies, now, notes);
  const deletions = candidates.flatMap(({ deletion }) => deletion ?? []);
  return { deletions, archives: candidates.length, unmet: unmetOf(notes, deletions), nextDue: notes.nextDue };
}

/** One decision for each archive with identity, oldest first. */
function namespaceDecisions(
  archives: readonly Archive[],
  policies: PolicySet,
  now: Instant,
  notes: Notes,
): Decision[] {
  return decide(archives, policies, now, notes).map(decisionOf);
}

/** Each archive with identity and what is to become of it, oldest first. */
function decide(archives: readonly Archive[], policies: PolicySet, now: Instant, notes: Notes): Candidate[] {
  const candidates = candidatesOf(archives, policies, now);
  const counted = candidates.filter((each) => each.archive.state !== 'growing');
  // The tenant's layer first: what he gives up himself spares the rest of his archives from the administrator's
  // limits. Those act on all that is left, whatever the tenant wanted to keep.
  applyCeilings(counted, policies.retentions, now, notes);
  applyLayer(counted, 'tenant', policies, now, notes);
  applyLayer(counted, 'administrator', policies, now, notes);
  return candidates;
}

/** Oldest first. */
function candidatesOf(archives: readonly Archive[], policies: PolicySet, now: Instant): Candidate[] {
  const owners = new Owners(policies);
  const candidates: Candidate[] = [];
  for (const archive of [...archives].sort((a, b) => byAge(a, b, now))) {
    if (archive.identity === null) continue;
    candidates.push({
      archive,
      owner: owners.of(archive.identity),
      deletion: null,
      spared: null,
      retainedBy: null,
    });
  }
  return candidates;
}

function decisionOf(each: Candidate): Decision {
  if (each.deletion !== null) return each.deletion;
  const { archive, owner, spared, retainedBy } = each;
  const policy = spared?.policy ?? owner.governing.tenant ?? owner.governing.administrator;
  const keep = (rule: DecisionRule, reason: string): Decision => ({
    archive,
    action: 'keep',
    rule,
    policy,
    resource: policy?.resource ?? null,
    reason,
  });
  if (archive.pinned) return keep('pinned', pinnedText(archive, spared?.reason ?? null));
  if (spared !== null && retainedBy !== null) {
    return keep('retain', retainedText(retainedBy, spared.reason));
  }
  if (spared !== null) return keep('keepLast', floorText(spared.reason));
  if (archive.state === 'growing') return keep('none', 'is still being written');
  if (archive.state === 'reserved') return keep('none', 'is promised to a checkpoint under way');
  return keep('none', policy === null ? 'is governed by no policy' : withinText(policy));
}
