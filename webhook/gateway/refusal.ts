import type { Reply } from './reply.ts';

interface Entry {
  readonly status: number;
  /** What the caller can do, to be read behind the message. */
  readonly remedy: string;
}

const SOON = 'try again in a moment';
const IN_LOG = "an administrator finds the cause in the gateway's log";

/** Every answer of the gateway's own, as against those that it passes on from a door. */
export const REFUSALS = {
  badPath: { status: 400, remedy: 'ask as POST /checkpoint/NAMESPACE/POD/CONTAINER' },
  badQuery: { status: 400, remedy: 'give at most one timeout, in whole seconds from 0 to 9223372036' },
  badRequest: { status: 400, remedy: 'send one plain HTTP/1.1 request without a body' },
  noSuchPath: { status: 404, remedy: 'ask as POST /checkpoint/NAMESPACE/POD/CONTAINER' },
  badMethod: { status: 405, remedy: 'use POST' },
  unauthenticated: {
    status: 401,
    remedy:
      'send Authorization: Bearer TOKEN; a client certificate cannot be passed on to the door of a node, so it counts for nothing here',
  },
  forbidden: { status: 403, remedy: 'ask whoever keeps the roles of that namespace for it' },
  noReview: { status: 503, remedy: SOON },
  reviewsBusy: { status: 503, remedy: SOON },
  tooManyOfPeer: { status: 429, remedy: 'try again later, with a token that is good' },
  tooManyOfCaller: { status: 429, remedy: 'wait until one of them has ended' },
  tooManyOfNode: { status: 429, remedy: 'try again later' },
  tooMany: { status: 429, remedy: 'try again later' },
  starting: { status: 503, remedy: SOON },
  stopping: { status: 503, remedy: SOON },
  podUnknown: { status: 503, remedy: SOON },
  noPod: { status: 404, remedy: 'look at kubectl get pods' },
  unbound: { status: 409, remedy: 'wait until it runs' },
  noNode: { status: 502, remedy: 'look at kubectl get nodes' },
  noAddress: { status: 502, remedy: 'an administrator finds its addresses in kubectl get node -o yaml' },
  doorAway: { status: 503, remedy: `${SOON}; if it stays so, the collector does not run on that node` },
  doorUntrusted: { status: 502, remedy: IN_LOG },
  doorGarbled: { status: 502, remedy: IN_LOG },
  doorSlow: {
    status: 504,
    remedy: 'its archive may still appear and holds its room until then; look before you try again',
  },
  doorLost: {
    status: 504,
    remedy: 'its archive may still appear and holds its room until then; look before you try again',
  },
  // Nobody reads it.
  callerLeft: { status: 499, remedy: 'ask again' },
  internal: { status: 500, remedy: IN_LOG },
} as const satisfies Record<string, Entry>;

export type RefusalCode = keyof typeof REFUSALS;

export interface RefusalFields {
  readonly retryAfterSeconds?: number;
  /** For the log alone: it may hold what a caller must not see. */
  readonly cause?: unknown;
}

/** An answer of the gateway that is no success. Its message goes to the caller. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  /** HTTP status. */
  readonly status: number;
  readonly retryAfterSeconds: number | null;

  /** @param message what is wrong, without the remedy. */
  constructor(code: RefusalCode, message: string, { retryAfterSeconds, cause }: RefusalFields = {}) {
    const { status, remedy } = REFUSALS[code];
    super(`${message}; ${remedy}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds ?? null;
  }
}

/** A refusal as its caller gets it. */
export function refused({ status, code, message, retryAfterSeconds }: Refusal): Reply {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'checkpoint-warden-refusal': code,
      ...(retryAfterSeconds !== null && { 'retry-after': String(retryAfterSeconds) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(status === 405 && { allow: 'POST' }),
      // What could be read in two ways must not be read on.
      ...(status === 400 && { connection: 'close' }),
    },
    body: `${message}\n`,
  };
}
