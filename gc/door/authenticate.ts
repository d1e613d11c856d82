import { TooManyQuestions } from '../../kube/answers.ts';
import { bearerToken, type TokenReviewer } from '../../kube/authentication.ts';
import type { UserInfo } from '../../kube/types.ts';
import type { Instant } from '../../policy/types.ts';
import { Refusal } from './refusal.ts';

/** What a caller shows of himself. Headers like `x-remote-user` are none of it: anybody can write them. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** Of the TLS connection; null where he sent no certificate. */
  readonly certificate: ClientCertificate | null;
}

/** A client certificate as the TLS layer saw it. */
export interface ClientCertificate {
  /** Whether it was signed, for clients, by the configured authority. */
  readonly trusted: boolean;
  /** Common names and organizations of its subject. */
  readonly commonNames: readonly string[];
  readonly organizations: readonly string[];
  readonly notAfter: Instant;
}

export interface Authenticator {
  /** @throws Refusal unauthenticated, noReview, reviewsBusy */
  authenticate(credentials: Credentials): Promise<UserInfo>;
}

export interface AuthenticatorOptions {
  readonly tokens: TokenReviewer;
  readonly now: () => Instant;
}

/** In the groups of everybody whom Kubernetes knows. */
const KNOWN = 'system:authenticated';

/**
 * Tells who asks. A token decides alone: one that is refused is not made good by a certificate, so that whoever
 * passes on somebody's token never acts in his own name.
 */
export function authenticator({ tokens, now }: AuthenticatorOptions): Authenticator {
  return {
    async authenticate({ authorization, certificate }) {
      if (authorization !== undefined) return byToken(authorization, tokens);
      if (certificate !== null) return byCertificate(certificate, now());
      throw Refusal.of('unauthenticated', 'nobody says who asks');
    },
  };
}

async function byToken(authorization: string, tokens: TokenReviewer): Promise<UserInfo> {
  const token = bearerToken(authorization);
  if (token === null) throw Refusal.of('unauthenticated', 'the Authorization header is no bearer token');
  const user = await tokens.whose(token).catch((cause: unknown) => {
    throw noAnswer('whose the token is', cause);
  });
  if (user !== null) return user;
  throw Refusal.of('unauthenticated', 'the token is not valid here, or has ended');
}

function byCertificate(certificate: ClientCertificate, now: Instant): UserInfo {
  const { trusted, commonNames, organizations, notAfter } = certificate;
  const [username, ...others] = commonNames;
  const fault = !trusted
    ? 'is not of the authority for clients'
    : !(now <= notAfter)
      ? 'has ended'
      : username === undefined || username === ''
        ? 'has no common name'
        : others.length > 0
          ? 'has several common names'
          : null;
  if (fault !== null || username === undefined) {
    throw Refusal.of('unauthenticated', `the client certificate ${fault}`);
  }
  return { username, groups: [...new Set([...organizations, KNOWN])] };
}

/** The API server's words stay in the log. */
export function noAnswer(question: string, cause: unknown): Refusal {
  const retryAfterSeconds = 2;
  if (cause instanceof TooManyQuestions) {
    return Refusal.of('reviewsBusy', `too many callers are being looked up`, { retryAfterSeconds, cause });
  }
  return Refusal.of('noReview', `the API server does not say ${question}`, { retryAfterSeconds, cause });
}
