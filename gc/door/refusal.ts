import type { RefusalReason, Verdict } from '../../policy/types.ts';

interface Entry {
  readonly status: number;
  /** What the caller can do, to be read behind the message. */
  readonly remedy: string;
}

/** Every answer but a success: HTTP status and remedy. Those of policies bring their own remedy in the message. */
export const REFUSALS = {
  badPath: { status: 400, remedy: 'ask as POST /checkpoint/NAMESPACE/POD/CONTAINER' },
  badQuery: { status: 400, remedy: 'give at most one timeout, in whole seconds from 0 to 9223372036' },
  badRequest: { status: 400, remedy: 'send one plain HTTP/1.1 request without a body' },
  noSuchPath: { status: 404, remedy: 'ask as POST /checkpoint/NAMESPACE/POD/CONTAINER' },
  badMethod: { status: 405, remedy: 'ask for a checkpoint by POST, for a verdict by GET' },
  unauthenticated: { status: 401, remedy: 'send a bearer token for this audience, or a client certificate' },
  forbidden: { status: 403, remedy: 'ask whoever keeps the roles of that namespace for it' },
  noReview: { status: 503, remedy: 'try again in a moment' },
  reviewsBusy: { status: 503, remedy: 'try again in a moment' },
  noPod: { status: 404, remedy: 'look at kubectl get pods' },
  elsewhere: { status: 404, remedy: 'ask the door of that node, or the gateway, which finds it' },
  noContainer: { status: 404, remedy: 'name one of its containers' },
  podUnknown: { status: 503, remedy: 'try again in a moment' },
  queueFull: { status: 429, remedy: 'try again later' },
  waitedTooLong: { status: 429, remedy: 'try again later' },
  busy: { status: 503, remedy: 'try again in a moment' },
  stopping: { status: 503, remedy: 'try again in a moment' },
  directoryUnknown: { status: 503, remedy: 'try again in a moment' },
  policiesUnknown: { status: 503, remedy: 'try again in a moment' },
  diskUnknown: { status: 503, remedy: 'try again in a moment' },
  ledgerBroken: { status: 503, remedy: "an administrator finds the cause in this node's log" },
  notEvicted: { status: 507, remedy: 'delete an archive, or try again later' },
  evictionWithheld: {
    status: 507,
    remedy: 'delete an archive, or ask an administrator to let the collector act',
  },
  notRunning: { status: 409, remedy: 'wait until it runs' },
  kubeletStarting: { status: 503, remedy: 'try again in a moment' },
  kubeletAway: { status: 503, remedy: 'try again in a moment' },
  kubeletRefuses: { status: 502, remedy: "an administrator finds the cause in this node's log" },
  kubeletLost: {
    status: 504,
    remedy: 'its archive may still appear and holds its room until then; look before you try again',
  },
  failed: { status: 500, remedy: "an administrator finds the cause in this node's log" },
  frozen: { status: 500, remedy: 'if it stands still, delete its pod; nothing else wakes it up' },
  badArchivePath: { status: 400, remedy: 'the gateway and the collectors are of two releases: update them' },
  noArchive: { status: 404, remedy: 'look at kubectl get checkpoints' },
  pinned: { status: 409, remedy: 'take the label checkpoint.criu.org/pinned away first' },
  pinnedElsewhere: { status: 409, remedy: 'let its holder unpin it on the node' },
  archiveChanged: { status: 409, remedy: 'look at it again' },
  expired: { status: 410, remedy: 'list anew' },
  notDeleted: { status: 500, remedy: "an administrator finds the cause in this node's log" },
  // Nobody reads it.
  callerLeft: { status: 499, remedy: 'ask again' },
  internal: { status: 500, remedy: "an administrator finds the cause in this node's log" },
} as const satisfies Record<string, Entry>;

export type RefusalCode = keyof typeof REFUSALS | RefusalReason;

export interface RefusalFields {
  readonly retryAfterSeconds?: number;
  /** `shop/quotas` */
  readonly resource?: string;
  /** `pod/shop/cart` */
  readonly policy?: string;
  /** `spec.podPolicies[1].maxCheckpoints` */
  readonly field?: string;
  /** Of an answer 405: the method that there is. */
  readonly allow?: string;
  /** For the log alone: nothing is out of order, it only takes its time, as a start does. */
  readonly isAwaited?: boolean;
  /** For the log alone: it may hold what a caller must not see. */
  readonly cause?: unknown;
}

/** An answer that is no success. Its message goes to the caller, so it holds nothing of the node. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  /** HTTP status. */
  readonly status: number;
  readonly fields: RefusalFields;

  private constructor(code: RefusalCode, status: number, message: string, fields: RefusalFields) {
    super(message, fields.cause === undefined ? {} : { cause: fields.cause });
    this.code = code;
    this.status = status;
    this.fields = fields;
  }

  /** @param message what is wrong, without the remedy. */
  static of(code: keyof typeof REFUSALS, message: string, fields: RefusalFields = {}): Refusal {
    const { status, remedy } = REFUSALS[code];
    return new Refusal(code, status, `${message}; ${remedy}`, fields);
  }

  /** @param grounds what the expected size rests on. */
  static by(verdict: Extract<Verdict, { admitted: false }>, label: string | null, grounds: string): Refusal {
    const { because, status, message, policy, field, retryAfterSeconds } = verdict;
    const { namespace, name } = policy?.resource.reference ?? {};
    const resource = policy === null ? undefined : `${namespace}/${name}`;
    const source = resource === undefined ? '' : `; the limit is ${field} of ${resource}`;
    const text = `${message}${source}${SIZED.has(because) ? `; ${grounds}` : ''}`;
    return new Refusal(because, status, text, {
      field,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      ...(resource !== undefined && { resource }),
      ...(label !== null && { policy: label }),
    });
  }
}

/** Refusals in which the expected size has a part. */
const SIZED: ReadonlySet<RefusalReason> = new Set(['total', 'size', 'disk']);
