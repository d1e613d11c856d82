import type { Reviewer, UserInfo } from '../kube/types.ts';
import type { Instant } from '../policy/types.ts';

/** Nobody could say whether the user may govern. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
}

/** Who may govern beyond a resource's own namespace. */
export interface Rights {
  /** @throws NoAnswer with a sentence, at the deadline at the latest. */
  mayGovern(user: UserInfo, deadline: Instant): Promise<boolean> | boolean;
}

/** Without an API server to ask, whoever can reach the webhook is taken for an administrator. */
export const EVERYBODY: Rights = { mayGovern: () => true };

/**
 * Rights as a SubjectAccessReview has them.
 * @param onFailure hears of each question that nobody answered
 */
export function reviewedRights(
  reviewer: Reviewer,
  onFailure: (cause: unknown, user: UserInfo) => void,
  now: () => Instant = Date.now,
): Rights {
  return { mayGovern: (user, deadline) => reviewer.known?.(user) ?? ask(user, deadline) };

  async function ask(user: UserInfo, deadline: Instant): Promise<boolean> {
    const review = reviewer.mayGovern(user);
    // Behind the deadline nobody waits for it any more; its failure must not end the process.
    review.catch(() => {});
    const { promise: late, reject } = Promise.withResolvers<never>();
    const wait = Math.max(0, deadline - now());
    const timer = setTimeout(
      () => reject(new Error(`the API server did not answer within ${Math.round(wait)} ms`)),
      wait,
    ).unref();
    try {
      return await Promise.race([review, late]);
    } catch (cause) {
      onFailure(cause, user);
      const why = cause instanceof Error ? cause.message : String(cause);
      const sentence = `whether ${user.username} may govern beyond a namespace could not be asked: ${why}`;
      throw new NoAnswer(sentence, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
