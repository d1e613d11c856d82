import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { PolicySet } from '../../policy/govern.ts';
import type { Archive, Decision, Disk, Instant, PolicyResource, Unmet } from '../../policy/types.ts';
import type { Enforced, Enforcer } from '../deleting/enforce.ts';
import type { Failures } from '../deleting/failures.ts';
import type { Clock } from '../system/clock.ts';
import type { ClockWatch } from '../system/clock-watch.ts';
import { logFields } from '../telling/journal.ts';
import type { Notice, Notices } from '../telling/notices.ts';
import { type Breaker, type Held, heldText } from './breaker-state.ts';
import type { Budget } from './budget.ts';
import { goesByTime } from './by-time.ts';
import type { Deletions, Plans } from './plans.ts';
import type { Relief } from './relief.ts';

export interface PassOptions {
  readonly plans: Plans;
  readonly breaker: Breaker;
  readonly budget: Budget;
  readonly relief: Relief;
  readonly enforcer: Enforcer;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly clockWatch: ClockWatch;
  readonly notices: Notices;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
  /** Is told of each limit that comes to stay broken. */
  readonly onBlocked?: (unmet: Unmet) => void;
  /** Decide and tell, and change nothing. */
  readonly dryRun: boolean;
}

/** What a pass has decided and done. */
export interface PassReport {
  readonly plan: Deletions;
  /** By what it was decided. */
  readonly policies: PolicySet;
  readonly held: readonly Held[];
  readonly enforced: Enforced;
  /** Deletions that the budget leaves for the next pass. */
  readonly overBudget: number;
}

const NOTHING: Enforced = { deleted: [], begun: [], freedBytes: 0, spared: 0, failed: 0, left: 0 };

/** From a plan to deletions: what is held back, what the budget allows, and what is carried out. */
export class Passes {
  readonly #options: PassOptions;
  /** What a dry run has told. */
  readonly #told = new WeakSet<Archive>();

  constructor(options: PassOptions) {
    this.#options = options;
  }

  /** @param isSettled whether all pods that matter were looked up. */
  async run(disk: Disk | null, isSettled: boolean): Promise<PassReport> {
    const { plans, clock, clockWatch, failures, relief, budget, dryRun } = this.#options;
    const now = clock.now();
    const { policies } = plans;
    const { plan, held } = this.#decide(disk, isSettled, now);
    const isSteady = clockWatch.isSteady();
    const wanted = plan.deletions.filter(({ archive, rule }) => {
      if (archive.state !== 'complete' || failures.isWaiting(archive.file, now)) return false;
      return isSteady || !goesByTime(rule);
    });
    const holding = relief.allow(
      wanted.filter((decision) => plans.holds(decision)),
      now,
    );
    const allowed = budget.allow(holding);
    if (dryRun) this.#tell(allowed);
    const enforced = dryRun || allowed.length === 0 ? NOTHING : await this.#carryOut(allowed);
    this.#report(plan, held);
    return { plan, policies, held, enforced, overBudget: holding.length - allowed.length };
  }

  async #carryOut(allowed: readonly Decision[]): Promise<Enforced> {
    const { budget, enforcer } = this.#options;
    budget.begin(allowed);
    const enforced = await enforcer.carryOut(allowed);
    budget.end([...enforced.deleted, ...enforced.begun]);
    return enforced;
  }

  #decide(
    disk: Disk | null,
    isSettled: boolean,
    now: Instant,
  ): { readonly plan: Deletions; readonly held: readonly Held[] } {
    const { plans, breaker, failures } = this.#options;
    const isStuck = ({ file }: Archive) => failures.isFailing(file, now);
    // What only waits for a while is judged as well: otherwise it would pass for accepted when its time comes.
    const wanted = plans.wanted(disk, now, isStuck);
    const held = breaker.judge(plans.policies.resources(), wanted.deletions, wanted.archives, isSettled, now);
    if (held.length === 0 && !plans.hasVetoes) return { plan: wanted, held };
    const resources = new Set<PolicyResource>(held.map(({ resource }) => resource));
    return { plan: plans.whole(disk, resources, now, isStuck), held };
  }

  #tell(deletions: readonly Decision[]): void {
    for (const decision of deletions) {
      if (this.#told.has(decision.archive)) continue;
      this.#told.add(decision.archive);
      this.#options.log.info(logFields(decision), 'would be deleted (dry run)');
    }
  }

  #report(plan: Deletions, held: readonly Held[]): void {
    const { metrics, notices, relief, onBlocked } = this.#options;
    metrics.trippedBreakers.set(held.length);
    metrics.unmetLimits.set(plan.unmet.length);
    notices.update('held', held.map(heldNotice), 'a policy is held back no more');
    notices.update('relief', relief.notices, 'deletions give room back to the disk again');
    const unmet = plan.unmet.map((each): Notice => {
      const { of, limit, policy, message, heldBy } = each;
      const key = `${limit} ${of} ${policy?.field ?? ''} ${policy?.resource.reference.name ?? ''}`;
      const fields = { limit, of, heldBy: heldBy.slice(0, MOST_NAMED) };
      const essence = [...heldBy].sort().join('/');
      return { key, message, essence, fields, level: 'warn', onTold: () => onBlocked?.(each) };
    });
    notices.update('unmet', unmet, 'this has passed');
  }
}

/** Archives that a log line names; there may be thousands. */
const MOST_NAMED = 10;

function heldNotice(held: Held): Notice {
  const { resource, digest, deletions, archives, bytes, remedy } = held;
  const { namespace, name } = resource.reference;
  const what = `the policy ${namespace}/${name} ${heldText(held)} and waits for confirmation; to let it`;
  return {
    key: digest,
    message: `${what}: ${remedy}`,
    fields: { resource: `${namespace}/${name}`, digest, deletions, archives, bytes, remedy },
    level: 'error',
  };
}
