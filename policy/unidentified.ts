import { type Notes, newNotes, noteDue, unmetOf } from './candidate.ts';
import type { PolicySet } from './govern.ts';
import { byAge, dueAt, reorderDueAt } from './order.ts';
import {
  agedText,
  apart,
  keptUnidentifiedText,
  OLDEST_FIRST,
  pinnedText,
  unidentifiedText,
  unmetText,
  unreadText,
} from './reasons.ts';
import type { Archive, Decision, Instant, Plan, PolicyResource } from './types.ts';

const AGE_FIELD = 'spec.unidentified.timeThreshold';
const TOTAL_FIELD = 'spec.unidentified.maxTotalSize';

/** A runtime that stalls leaves half an archive, which nothing tells from a damaged one. */
const REST_MS = 600_000;

interface Sweep {
  readonly resource: PolicyResource;
  readonly notes: Notes;
  readonly deletions: Map<Archive, Decision>;
}

/** The plan for archives without identity: only `spec.unidentified` deletes any. */
export function planUnidentified(archives: readonly Archive[], policies: PolicySet, now: Instant): Plan {
  const notes = newNotes();
  const decisions = unidentifiedDecisions(archives, policies, now, notes);
  return { decisions, unmet: unmetOf(notes, decisions), nextDue: notes.nextDue };
}

/** One decision for each, in their order. */
export function unidentifiedDecisions(
  archives: readonly Archive[],
  policies: PolicySet,
  now: Instant,
  notes: Notes,
): Decision[] {
  const resource = policies.unidentified;
  const deletions = new Map<Archive, Decision>();
  if (resource !== null) {
    const oldestFirst = archives.filter(counts).sort((a, b) => byAge(a, b, now));
    applyAge({ resource, notes, deletions }, oldestFirst, now);
    applyTotal({ resource, notes, deletions }, oldestFirst, now);
  }
  return archives.map((archive) => deletions.get(archive) ?? kept(archive, resource));
}

/** A disk that fails for a moment makes nobody's archive one without identity. */
function counts({ state, unread }: Archive): boolean {
  return state !== 'growing' && unread !== true;
}

function applyAge(sweep: Sweep, oldestFirst: readonly Archive[], now: Instant): void {
  const maxAgeMs = sweep.resource.unidentified?.maxAgeMs;
  if (maxAgeMs === undefined) return;
  const held: Archive[] = [];
  for (const archive of oldestFirst) {
    const due = Math.max(dueAt(archive, maxAgeMs) ?? now, restedAt(sweep, archive));
    if (now < due) {
      if (!archive.pinned) noteDue(sweep.notes, due);
    } else if (!remove(sweep, archive, AGE_FIELD, `it ${agedText(archive, maxAgeMs, now)} (${AGE_FIELD})`)) {
      held.push(archive);
    }
  }
  if (held.length > 0) report(sweep, AGE_FIELD, `unidentified archives are over ${AGE_FIELD}`, held);
}

function applyTotal(sweep: Sweep, oldestFirst: readonly Archive[], now: Instant): void {
  const maxTotalBytes = sweep.resource.unidentified?.maxTotalBytes;
  if (maxTotalBytes === undefined) return;
  noteDue(sweep.notes, reorderDueAt(oldestFirst, now));
  const left = oldestFirst.filter((each) => !sweep.deletions.has(each));
  let total = sumOf(left);
  const text = () => {
    const [have, most] = apart(total, maxTotalBytes);
    return `unidentified archives take ${have}, ${most} allowed (${TOTAL_FIELD})`;
  };
  const reason = text() + OLDEST_FIRST;
  const resting = new Set<Archive>();
  for (const archive of left) {
    if (total <= maxTotalBytes) return;
    const due = restedAt(sweep, archive);
    if (now < due && !archive.pinned) {
      noteDue(sweep.notes, due);
      resting.add(archive);
    } else if (remove(sweep, archive, TOTAL_FIELD, reason)) {
      total -= archive.bytes;
    }
  }
  const held = left.filter((each) => !sweep.deletions.has(each) && !resting.has(each));
  if (sumOf(held) > maxTotalBytes) report(sweep, TOTAL_FIELD, text(), held);
}

function sumOf(archives: readonly Archive[]): number {
  return archives.reduce((sum, each) => sum + each.bytes, 0);
}

function restedAt({ resource }: Sweep, { modifiedAt }: Archive): Instant {
  return modifiedAt + (resource.unidentified?.restMs ?? REST_MS);
}

function remove(sweep: Sweep, archive: Archive, field: string, reason: string): boolean {
  if (archive.pinned || archive.state !== 'complete') return false;
  const { resource, notes, deletions } = sweep;
  notes.turn += 1;
  deletions.set(archive, {
    archive,
    action: 'delete',
    rule: 'unidentified',
    policy: null,
    resource,
    field,
    turn: notes.turn,
    reason: unidentifiedText(archive, reason),
  });
  return true;
}

function report({ notes }: Sweep, field: string, text: string, held: readonly Archive[]): void {
  const heldBy = held.map((each) => each.file);
  const message = unmetText(text, held);
  // Nothing that comes later deletes archives without identity.
  notes.doubts.push(() => ({
    policy: null,
    limit: 'unidentified',
    of: 'unidentified archives',
    field,
    heldBy,
    message,
  }));
}

function kept(archive: Archive, resource: PolicyResource | null): Decision {
  const keep = (rule: 'pinned' | 'unidentified', reason: string): Decision => ({
    archive,
    action: 'keep',
    rule,
    policy: null,
    resource,
    reason,
  });
  if (archive.pinned) return keep('pinned', pinnedText(archive, null));
  if (archive.state === 'growing') return keep('unidentified', 'is still being written');
  if (archive.unread) return keep('unidentified', unreadText(archive));
  return keep('unidentified', keptUnidentifiedText(archive, resource));
}
