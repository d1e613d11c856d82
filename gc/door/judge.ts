import { admit } from '../../policy/admit.ts';
import { type PolicySet, resourceKey, scopeLabel } from '../../policy/govern.ts';
import { rulesOver } from '../../policy/quota.ts';
import { OLDEST_FIRST } from '../../policy/reasons.ts';
import type { Decision, Disk, Instant, Verdict } from '../../policy/types.ts';
import { goesByTime } from '../deciding/by-time.ts';
import type { Asked } from './asked.ts';
import { containerName } from './container.ts';
import type { DirectoryView } from './directory-view.ts';
import { type Estimate, estimate } from './estimate.ts';
import type { Ledger, LedgerUsage } from './ledger.ts';
import { Refusal, type RefusalFields } from './refusal.ts';

/** A deletion that the collector would not carry out now. */
export interface Withheld {
  readonly decision: Decision;
  /** `ops/quotas waits for an administrator's confirmation` */
  readonly why: string;
}

export interface JudgeParts {
  /** Null while nobody knows what they are. */
  readonly policies: () => PolicySet | null;
  readonly directory: DirectoryView;
  /** Null where it cannot be told. */
  readonly disk: () => Promise<Disk | null>;
  /** Which of these deletions would not be carried out: of a policy that is held, in a dry run. Default: none. */
  readonly withheld?: (decisions: readonly Decision[]) => readonly Withheld[];
  readonly ledger: Ledger;
  readonly now: () => Instant;
  /** The time by which archives may be called old; default: now. */
  readonly trustedNow?: () => Instant;
}

export interface Judgement {
  /** Why it is not let through; null when it is. */
  readonly refusal: Refusal | null;
  /** What must go before it is. */
  readonly evict: readonly Decision[];
  readonly expected: Estimate;
  readonly usage: LedgerUsage;
}

const MOMENT_SECONDS = 2;

/** Says whether a checkpoint fits, by policies, archives, promises and the disk. Changes nothing. */
export class Judge {
  readonly #parts: JudgeParts;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** @throws Refusal diskUnknown */
  async disk(): Promise<Disk> {
    const disk = await this.#parts.disk();
    if (disk !== null) return disk;
    throw unknown('diskUnknown', "the room on this node's disk cannot be told now");
  }

  /** @throws Refusal directoryUnknown, policiesUnknown */
  judge(asked: Asked, disk: Disk): Judgement {
    const { policies, directory, ledger, now, trustedNow } = this.#parts;
    if (!directory.state.ok) {
      const { reason, isAwaited = false } = directory.state;
      const message = 'the archives on this node cannot be counted now';
      throw unknown('directoryUnknown', message, isAwaited ? { isAwaited } : { cause: new Error(reason) });
    }
    const set = policies();
    if (set === null) throw unknown('policiesUnknown', 'the policies are not known yet');
    const usage = ledger.usage(asked, disk);
    const expected = estimate(asked, {
      archives: usage.ofPod,
      lastBytes: ledger.lastBytes(asked),
      rules: rulesOver(asked, set),
      memoryLimitBytes: asked.facts.memoryLimitBytes,
    });
    const { namespace, pod, container } = asked;
    const request = { namespace, pod, container, expectedBytes: expected.bytes };
    const judged = (by: LedgerUsage) => {
      const verdict = admit(request, by, set, now());
      const byTime = verdict.admitted && verdict.evict.some(({ rule }) => goesByTime(rule));
      return byTime && trustedNow ? admit(request, by, set, trustedNow()) : verdict;
    };
    return { ...this.#carriedOut(asked, usage, expected, judged), expected, usage };
  }

  /** What the collector does not delete is as good as pinned: without it there may be room all the same. */
  #carriedOut(
    asked: Asked,
    usage: LedgerUsage,
    expected: Estimate,
    judged: (usage: LedgerUsage) => Verdict,
  ): Pick<Judgement, 'refusal' | 'evict'> {
    const withheldIn = (verdict: Verdict) =>
      verdict.admitted && verdict.evict.length > 0 ? (this.#parts.withheld?.(verdict.evict) ?? []) : [];
    const verdict = judged(usage);
    if (!verdict.admitted) return { refusal: refusalOf(verdict, expected), evict: [] };
    const withheld = withheldIn(verdict);
    const [first] = withheld;
    if (first === undefined) return { refusal: null, evict: verdict.evict };
    const staying = new Set(withheld.map(({ decision }) => decision.archive));
    const archives = usage.archives.map((each) => (staying.has(each) ? { ...each, pinned: true } : each));
    const second = judged({ ...usage, archives });
    if (second.admitted && withheldIn(second).length === 0) return { refusal: null, evict: second.evict };
    return { refusal: withheldRefusal(asked, first, withheld), evict: [] };
  }
}

function unknown(
  code: 'diskUnknown' | 'directoryUnknown' | 'policiesUnknown',
  message: string,
  why: Pick<RefusalFields, 'cause' | 'isAwaited'> = {},
): Refusal {
  return Refusal.of(code, message, { retryAfterSeconds: MOMENT_SECONDS, ...why });
}

function refusalOf(verdict: Extract<Verdict, { admitted: false }>, { grounds }: Estimate): Refusal {
  return Refusal.by(verdict, verdict.policy === null ? null : scopeLabel(verdict.policy.scope), grounds);
}

/** Named by a limit where one of them is broken, for that is what there is no room under. */
function withheldRefusal(asked: Asked, first: Withheld, withheld: readonly Withheld[]): Refusal {
  const isOfLimit = ({ decision: { rule } }: Withheld) => rule === 'count' || rule === 'total';
  const named = withheld.find(isOfLimit) ?? first;
  const { decision, why } = named;
  const { archive, reason, policy, field } = decision;
  const usage = isOfLimit(named)
    ? `with it ${reason.replace(OLDEST_FIRST, '')}`
    : `${archive.file} ${reason}`;
  const resource = policy === null ? undefined : resourceKey(policy.resource.reference);
  const source =
    resource === undefined || field === undefined ? '' : `; the limit is ${field} of ${resource}`;
  const message = `a checkpoint of ${containerName(asked)} does not fit: ${usage}, and what would have to go for it stays: ${why}${source}`;
  return Refusal.of('evictionWithheld', message, {
    ...(field !== undefined && { field }),
    ...(resource !== undefined && { resource }),
    ...(policy !== null && { policy: scopeLabel(policy.scope) }),
  });
}
