import type { PlacedPod } from '../../kube/placed-pods.ts';
import type { UserInfo } from '../../kube/types.ts';
import type { Notes } from './asked.ts';
import type { Credentials } from './authenticate.ts';
import { containerName } from './container.ts';
import { shown, type Target } from './path.ts';

/** A request as it came in. */
export interface Ask {
  readonly method: string | undefined;
  /** The raw request target. */
  readonly url: string | undefined;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly credentials: Credentials;
  /** Whether another request of the same connection is still without an answer. */
  readonly pipelined: boolean;
  readonly from: string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /**
   * Whom somebody names who may ask in others' names, after the API server has let that person through. Never from
   * the wire.
   */
  readonly vouched?: UserInfo;
}

/** What is known of a request when it ends. */
export interface Story {
  readonly ask: Ask;
  readonly notes: Notes;
  target: Target | null;
  user: UserInfo | null;
  pod: PlacedPod | null;
  /** Whether the caller has the right to what he asks for. */
  authorized: boolean;
}

/** `shop/cart/main`, or the raw path; never a query. */
export function subjectOf({ target, ask }: Story): string {
  return target === null ? shown((ask.url ?? '').split('?', 1)[0] ?? '') : containerName(target);
}

/** The reason with which the signal of a request is aborted. */
export class CallerLeft extends Error {
  override readonly name = 'CallerLeft';
}
