import { createHmac, randomBytes } from 'node:crypto';
import { fieldsOf, isObject, own, text } from '../policy/json.ts';
import { Answers } from './answers.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import type { UserInfo } from './types.ts';

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
/** A token that was revoked acts on for so long at most. */
const KNOWN_MS = 10_000;
const UNKNOWN_MS = 1_000;
/** Whoever sends invented tokens must not make the API server's work. */
const MOST_ASKING = 32;

/** RFC 6750. Servers limit headers to 16 KiB, so a token is no longer. */
const BEARER = /^Bearer +([\w.~+/-]+=*)$/i;

/** The token of an Authorization header; null where that is none. */
export function bearerToken(authorization: string): string | null {
  return BEARER.exec(authorization)?.[1] ?? null;
}

/** Whose is this token? */
export interface TokenReviewer {
  /**
   * A TokenReview; null when the token is nobody's, has ended, or is for another audience.
   * Rejects when the API server does not answer: no answer is not a yes.
   */
  whose(token: string): Promise<UserInfo | null>;
}

export interface TokenReviewerOptions {
  /** A token must be for one of these; none: for the API server itself, as those in kubeconfigs are. */
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

/** Asks the API server whose a token is; the same question is asked once in some seconds. No token is kept. */
export function tokenReviewer(client: KubeClient, options: TokenReviewerOptions): TokenReviewer {
  const { audiences, now = Date.now } = options;
  const answers = new Answers<UserInfo | null>(
    { now, allowedMs: KNOWN_MS, deniedMs: UNKNOWN_MS, mostAsking: MOST_ASKING },
    (user) => user !== null,
  );
  // A key of this process alone: a hash that is seen somewhere tells nothing of the token.
  const secret = randomBytes(32);
  return {
    whose(token) {
      const key = createHmac('sha256', secret).update(token).digest('base64');
      return answers.get(key, () => review(client, token, audiences));
    },
  };
}

async function review(
  client: KubeClient,
  token: string,
  audiences: readonly string[],
): Promise<UserInfo | null> {
  const answer = await client.request({
    method: 'POST',
    path: PATH,
    repeatable: true,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, ...(audiences.length > 0 && { audiences }) },
    },
  });
  const status = fieldsOf(isObject(answer) ? own(answer, 'status') : undefined);
  if (isObject(answer) && own(answer, 'status') === undefined) {
    throw new KubeError(`POST ${PATH} was answered without a status`);
  }
  if (own(status, 'authenticated') !== true) return null;
  // An authenticator that knows nothing of audiences names none: then the token is the API server's own.
  const confirmed = texts(own(status, 'audiences'));
  if (audiences.length > 0 && !confirmed.some((audience) => audiences.includes(audience))) return null;
  return userIn(own(status, 'user'));
}

function userIn(value: unknown): UserInfo | null {
  const user = fieldsOf(value);
  const username = text(own(user, 'username'));
  if (username === '') return null;
  const uid = text(own(user, 'uid'));
  const extra = Object.entries(fieldsOf(own(user, 'extra'))).map(
    ([key, each]) => [key, texts(each)] as const,
  );
  return {
    username,
    groups: texts(own(user, 'groups')),
    ...(uid !== '' && { uid }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  };
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
