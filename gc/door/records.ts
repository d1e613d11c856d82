import type { Log } from '../../kube/types.ts';
import type { Audit } from '../../observe/audit.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from '../system/clock.ts';
import type { DoorMetrics } from './metrics.ts';
import { Refusal } from './refusal.ts';
import { type Story, subjectOf } from './story.ts';

/** Nothing stood in the way, and there is no archive all the same. */
const FAILED: ReadonlySet<string> = new Set([
  'failed',
  'frozen',
  'internal',
  'kubeletAway',
  'kubeletLost',
  'kubeletRefuses',
  'kubeletStarting',
  'notRunning',
]);

/** Refusals behind which something is out of order on this node. Whoever asks can bring them about, known or not. */
const ALARMING: ReadonlySet<string> = new Set([
  'directoryUnknown',
  'diskUnknown',
  'ledgerBroken',
  'noReview',
  'notEvicted',
  'podUnknown',
]);

const LOG_EVERY_MS = 10_000;

export interface RecordsParts {
  /** This node's name in the API. */
  readonly nodeName: string;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly metrics: DoorMetrics;
  readonly log: Log;
}

/**
 * Tells of each request that has ended: audit, metrics, and the log where something is wrong. Of a verdict, which
 * changes nothing, there is no audit record.
 */
export class DoorRecords {
  readonly #parts: RecordsParts;
  readonly #logged = new Map<string, { readonly at: Instant; leftOut: number }>();

  constructor(parts: RecordsParts) {
    this.#parts = parts;
  }

  /**
   * @param result the archive's path, or the grounds of a verdict; or why there is none.
   * @param ms from the first look at the request to its answer.
   */
  write(story: Story, result: string | Refusal, ms: number): void {
    const { metrics } = this.#parts;
    const { waited = 0, kubelet = 0 } = story.notes;
    const refusal = result instanceof Refusal ? result : null;
    const outcome = refusal?.code ?? 'allowed';
    if (story.target?.kind === 'verdict') metrics.verdicts.inc({ outcome });
    else {
      metrics.requests.inc({ outcome });
      metrics.ownSeconds.observe(Math.max(0, ms - waited - kubelet) / 1_000);
      this.#audit(story, refusal, ms);
    }
    if (refusal === null) return;
    if (FAILED.has(refusal.code)) this.#log(story, refusal);
    else if (ALARMING.has(refusal.code)) this.#logSometimes(story, refusal);
  }

  #audit(story: Story, refusal: Refusal | null, ms: number): void {
    const { audit, clock, nodeName } = this.#parts;
    const { target, user, pod, notes, ask } = story;
    const { namespace = null, pod: podName = null, container = null } = target ?? {};
    const { policy = null, resource = null, field = null } = refusal?.fields ?? {};
    audit.record({
      operation: 'request',
      timestamp: new Date(clock.now()).toISOString(),
      resource: {
        node: nodeName,
        file: notes.file ?? null,
        ...{ namespace, pod: podName, container, podUid: pod?.uid ?? null },
      },
      metadata: {
        verdict: refusal === null ? 'allowed' : FAILED.has(refusal.code) ? 'failed' : 'refused',
        status: refusal?.status ?? 200,
        reason: refusal?.code ?? null,
        message: refusal?.message ?? null,
        user: user?.username ?? null,
        userUid: user?.uid ?? null,
        from: ask.from,
        path: target === null ? subjectOf(story) : null,
        ...{ policy, resource, field },
        expectedBytes: notes.estimate?.bytes ?? null,
        grounds: notes.estimate?.grounds ?? null,
        bytes: notes.bytes ?? null,
        evicted: notes.evicted?.length ?? 0,
        seconds: ms / 1_000,
        waitedSeconds: (notes.waited ?? 0) / 1_000,
        callerLeft: ask.signal.aborted,
      },
    });
  }

  /** One line of each kind in some seconds, which says how many were left out. */
  #logSometimes(story: Story, refusal: Refusal): void {
    const now = this.#parts.clock.now();
    const last = this.#logged.get(refusal.code);
    const since = last === undefined ? Number.POSITIVE_INFINITY : now - last.at;
    if (last !== undefined && since >= 0 && since < LOG_EVERY_MS) {
      last.leftOut += 1;
      return;
    }
    this.#logged.set(refusal.code, { at: now, leftOut: 0 });
    this.#log(story, refusal, last?.leftOut ?? 0);
  }

  /** With what the kubelet or the API server has said, which the caller does not get. */
  #log(story: Story, { code, message, cause, fields: { isAwaited } }: Refusal, leftOut = 0): void {
    const { log } = this.#parts;
    const more = leftOut > 0 && { leftOut };
    const fields = { ...more, container: subjectOf(story), user: story.user?.username ?? null, code };
    if (isAwaited) log.info(fields, `${message}: the first scan of the directory has not ended yet`);
    else log.error({ ...fields, err: cause }, message);
  }
}
