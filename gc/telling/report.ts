import type { Trip } from '../../policy/breaker.ts';
import { resourceKey, scopeLabel } from '../../policy/govern.ts';
import type { Decision, DecisionRule, Instant, Plan, Unmet } from '../../policy/types.ts';
import { tripDigest } from '../deciding/breaker-state.ts';
import type { OtherFile } from '../inventory/other-files.ts';

/** `plan -o json`. Other programs read it: fields are added, and never changed. */
export interface PlanReport {
  readonly apiVersion: 'checkpoint-warden/v1';
  readonly directory: string;
  /** RFC 3339. */
  readonly now: string;
  readonly decisions: readonly DecisionReport[];
  readonly totals: PlanTotals;
  readonly unmet: readonly UnmetReport[];
  /** Files that are no archives, and are not touched. */
  readonly foreign: readonly ForeignReport[];
  /** Resources whose deletions wait until somebody confirms them: `circuitBreaker`. */
  readonly held: readonly HeldReport[];
}

export interface DecisionReport {
  readonly archive: string;
  readonly action: 'keep' | 'delete';
  readonly rule: DecisionRule;
  /** `namespace/shop`; null where no policy decides. */
  readonly policy: string | null;
  /** A sentence. */
  readonly reason: string;
  readonly bytes: number;
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly container: string | null;
  /** `team-a/quotas`: the resource of that policy. */
  readonly resource: string | null;
  /** RFC 3339. */
  readonly modifiedAt: string;
  readonly state: string;
  readonly pinned: boolean;
  readonly staleTailBytes: number;
}

export interface PlanTotals {
  readonly archives: number;
  readonly bytes: number;
  readonly keep: number;
  readonly keepBytes: number;
  readonly delete: number;
  readonly deleteBytes: number;
  /** What the disk gets back: blocks, not lengths. */
  readonly freedBytes: number;
}

export interface UnmetReport {
  readonly policy: string | null;
  readonly limit: Unmet['limit'];
  readonly of: string;
  readonly heldBy: readonly string[];
  readonly message: string;
}

export interface ForeignReport {
  readonly file: string;
  readonly bytes: number;
  readonly reason: string;
}

export interface HeldReport {
  /** `team-a/quotas`. */
  readonly resource: string;
  readonly deletions: number;
  /** On the node, those kept included. */
  readonly archives: number;
  /** What is to be confirmed. */
  readonly digest: string;
}

/** A plan as JSON, in the order of the plan. */
export function planReport(
  plan: Plan,
  about: {
    readonly directory: string;
    readonly now: Instant;
    readonly foreign?: readonly OtherFile[];
    readonly held?: readonly Trip[];
  },
): PlanReport {
  const { directory, now, foreign = [], held = [] } = about;
  return {
    apiVersion: 'checkpoint-warden/v1',
    directory,
    now: new Date(now).toISOString(),
    decisions: plan.decisions.map(decisionReport),
    totals: totalsOf(plan.decisions),
    unmet: plan.unmet.map(({ policy, limit, of, heldBy, message }) => ({
      policy: policy && scopeLabel(policy.scope),
      limit,
      of,
      heldBy,
      message,
    })),
    foreign: foreign.map(({ name, bytes, reason }) => ({ file: name, bytes, reason })),
    held: held.map((trip) => ({
      resource: resourceKey(trip.resource.reference),
      deletions: trip.deletions.length,
      archives: trip.archives,
      digest: tripDigest(trip),
    })),
  };
}

export function decisionReport(decision: Decision): DecisionReport {
  const { archive, action, rule, policy, reason, resource } = decision;
  const { namespace = null, pod = null, container = null } = archive.identity ?? {};
  return {
    archive: archive.file,
    action,
    rule,
    policy: policy && scopeLabel(policy.scope),
    reason,
    bytes: archive.bytes,
    namespace,
    pod,
    container,
    resource: resource && resourceKey(resource.reference),
    modifiedAt: new Date(archive.modifiedAt).toISOString(),
    state: archive.state,
    pinned: archive.pinned,
    staleTailBytes: archive.staleTailBytes,
  };
}

function totalsOf(decisions: readonly Decision[]): PlanTotals {
  const totals = { archives: 0, bytes: 0, keep: 0, keepBytes: 0, delete: 0, deleteBytes: 0, freedBytes: 0 };
  for (const { action, archive } of decisions) {
    totals.archives += 1;
    totals.bytes += archive.bytes;
    totals[action] += 1;
    totals[`${action}Bytes`] += archive.bytes;
    if (action === 'delete') totals.freedBytes += archive.allocatedBytes;
  }
  return totals;
}
