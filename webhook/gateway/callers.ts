import { createHmac, randomBytes } from 'node:crypto';
import { TooManyQuestions } from '../../kube/answers.ts';
import { bearerToken, type TokenReviewer } from '../../kube/authentication.ts';
import { CHECKPOINT_GROUP, type CheckpointReviewer } from '../../kube/reviews.ts';
import type { UserInfo } from '../../kube/types.ts';
import type { Target } from '../../policy/checkpoint-path.ts';
import type { Instant } from '../../policy/types.ts';
import type { Bounds } from './bounds.ts';
import { Refusal } from './refusal.ts';
import { Rates, Slots } from './slots.ts';

export interface CallersOptions {
  readonly tokens: TokenReviewer;
  readonly rights: CheckpointReviewer;
  readonly bounds: Bounds;
  readonly now: () => Instant;
}

/** For so long a token that was good needs no place among the unknown ones; the reviewer decides anew all the same. */
const KNOWN_MS = 10_000;
const MOST_KNOWN = 4_096;

/**
 * Tells who asks and whether he may, before anything of the cluster is told. The door asks the same again: it trusts
 * nobody on the way.
 */
export class Callers {
  readonly #options: CallersOptions;
  readonly #ofToken: Slots;
  readonly #ofUser: Slots;
  readonly #unknownOfPeer: Slots;
  readonly #bad: Rates;
  /** Hashes of tokens that were good, and until when that is remembered. */
  readonly #known = new Map<string, Instant>();
  /** Hashes of tokens that are being looked up: however many requests come with one, it is one question. */
  readonly #asking = new Set<string>();
  // A key of this process alone: a hash that is seen somewhere tells nothing of the token.
  readonly #secret = randomBytes(32);

  constructor(options: CallersOptions) {
    const { bounds, now } = options;
    this.#options = options;
    this.#ofToken = new Slots(bounds.ofCaller);
    this.#ofUser = new Slots(bounds.ofCaller);
    this.#unknownOfPeer = new Slots(bounds.unknownOfPeer);
    this.#bad = new Rates(bounds.badTokens, bounds.badTokensPerSecond, now);
  }

  /**
   * @param held gets what is to be given back when the request has ended, also after a refusal.
   * @throws Refusal unauthenticated, tooManyOfPeer, tooManyOfCaller, noReview, reviewsBusy
   */
  async identify(authorization: string | undefined, from: string, held: DisposableStack): Promise<UserInfo> {
    if (authorization === undefined) throw new Refusal('unauthenticated', 'nobody says who asks');
    const token = bearerToken(authorization);
    if (token === null) {
      throw new Refusal('unauthenticated', 'the Authorization header is no bearer token');
    }
    const key = createHmac('sha256', this.#secret).update(token).digest('base64');
    this.#hold(this.#ofToken, key, held, 'this token has');
    const user = await this.#lookUp(token, key, from);
    this.#hold(this.#ofUser, user.username, held, `${user.username} has`);
    return user;
  }

  /** @throws Refusal forbidden, noReview */
  async authorize(user: UserInfo, { namespace, pod, container }: Target): Promise<void> {
    const may = await this.#options.rights.mayCheckpoint(user, namespace, pod).catch((cause: unknown) => {
      throw noAnswer(`whether ${user.username} may checkpoint ${namespace}/${pod}`, cause);
    });
    if (may) return;
    const right = `to create pods/checkpoint in the group ${CHECKPOINT_GROUP}`;
    const message = `${user.username} may not checkpoint ${namespace}/${pod}/${container}: that takes the right ${right} in namespace ${namespace}`;
    throw new Refusal('forbidden', message);
  }

  #hold(slots: Slots, key: string, held: DisposableStack, who: string): void {
    const free = slots.take(key);
    if (free === null) {
      const message = `${who} ${this.#options.bounds.ofCaller} requests under way, and no more may`;
      throw new Refusal('tooManyOfCaller', message, { retryAfterSeconds: 2 });
    }
    held.defer(free);
  }

  async #lookUp(token: string, key: string, from: string): Promise<UserInfo> {
    const { tokens, now } = this.#options;
    const isKnown = (this.#known.get(key) ?? 0) > now();
    const done = isKnown || this.#asking.has(key) ? () => {} : this.#enter(from, key);
    try {
      const user = await tokens.whose(token).catch((cause: unknown) => {
        throw noAnswer('whose the token is', cause);
      });
      if (user !== null) {
        this.#remember(key);
        return user;
      }
    } finally {
      done();
    }
    this.#known.delete(key);
    this.#bad.spend(from);
    throw new Refusal('unauthenticated', 'the token is not valid here, or has ended');
  }

  /** Whoever comes with tokens that are none must not keep the API server busy, nor those who come with good ones. */
  #enter(from: string, key: string): () => void {
    const done = this.#bad.has(from) ? this.#unknownOfPeer.take(from) : null;
    if (done !== null) {
      this.#asking.add(key);
      return () => {
        this.#asking.delete(key);
        done();
      };
    }
    const message = `from ${from} came more tokens than are looked up at once`;
    throw new Refusal('tooManyOfPeer', message, { retryAfterSeconds: 2 });
  }

  #remember(key: string): void {
    this.#known.delete(key);
    this.#known.set(key, this.#options.now() + KNOWN_MS);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The API server's words stay in the log. */
function noAnswer(question: string, cause: unknown): Refusal {
  const retryAfterSeconds = 2;
  return cause instanceof TooManyQuestions
    ? new Refusal('reviewsBusy', 'too many callers are being looked up', { retryAfterSeconds, cause })
    : new Refusal('noReview', `the API server does not say ${question}`, { retryAfterSeconds, cause });
}
