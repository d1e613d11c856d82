export interface AnswersOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds for which an answer may be given again. */
  readonly allowedMs: number;
  readonly deniedMs: number;
  /** Questions that may be under way at once; the next ones are turned away. Default: any number. */
  readonly mostAsking?: number;
}

/** So many questions are under way that this one was not asked. */
export class TooManyQuestions extends Error {
  override readonly name = 'TooManyQuestions';
}

const MOST_KEPT = 4_096;

interface Kept<T> {
  readonly value: T;
  readonly until: number;
}

/**
 * Answers to questions about rights, each given again for some seconds. A question that is under way is not asked
 * twice; one that fails is not remembered.
 */
export class Answers<T> {
  readonly #options: AnswersOptions;
  readonly #isYes: (value: T) => boolean;
  readonly #kept = new Map<string, Kept<T>>();
  readonly #asking = new Map<string, Promise<T>>();

  constructor(options: AnswersOptions, isYes: (value: T) => boolean) {
    this.#options = options;
    this.#isYes = isYes;
  }

  /** The answer, where it has been given a moment ago. */
  known(key: string): T | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && this.#options.now() < kept.until ? kept.value : undefined;
  }

  /**
   * @param key stands for the question; nothing secret, for it is kept.
   * Rejects as `ask` does, or with TooManyQuestions.
   */
  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#options.now() < kept.until) return kept.value;
    const pending = this.#asking.get(key);
    if (pending !== undefined) return pending;
    const { mostAsking = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#asking.size >= mostAsking) {
      throw new TooManyQuestions(`${this.#asking.size} questions to the API server are under way`);
    }
    const asked = this.#ask(key, ask).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  async #ask(key: string, ask: () => Promise<T>): Promise<T> {
    const value = await ask();
    const { now, allowedMs, deniedMs } = this.#options;
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: now() + (this.#isYes(value) ? allowedMs : deniedMs) });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return value;
  }
}
