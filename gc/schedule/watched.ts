import type { Informer } from '../../kube/informer.ts';
import type { Log } from '../../kube/types.ts';
import type { Timers } from '../system/timers.ts';
import type { Watched } from './main.ts';

export interface WatchedOptions<T> {
  /** For the log: `schedules`. */
  readonly what: string;
  readonly make: () => Informer<T>;
  readonly timers: Timers;
  readonly log: Log;
}

/** Between attempts to list at all: the kind may be installed later, or the right be given. */
const AGAIN_MS = 30_000;

/** Objects of the API server that are watched while somebody wants them. What was known once goes on being known. */
export class WatchedObjects<T> implements Watched<T> {
  readonly #options: WatchedOptions<T>;
  readonly #listeners = new Set<() => void>();
  #informer: Informer<T> | null = null;
  #isListed = false;
  #isWanted = false;
  #isTold = false;
  #cancel = () => {};
  #ending: Promise<unknown> = Promise.resolve();

  constructor(options: WatchedOptions<T>) {
    this.#options = options;
  }

  values(): readonly T[] | null {
    return this.#isListed && this.#informer !== null ? [...this.#informer.values()] : null;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  want(isWanted: boolean): void {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    if (isWanted) this.#begin();
    else this.#end();
  }

  async stop(): Promise<void> {
    this.want(false);
    await this.#ending;
  }

  #begin(): void {
    const { make, what, timers, log } = this.#options;
    const informer = make();
    this.#informer = informer;
    informer.onChange(() => {
      if (this.#informer === informer && this.#isListed) this.#notify();
    });
    informer.start().then(
      () => {
        if (this.#informer !== informer) return;
        this.#isListed = true;
        if (this.#isTold) log.info({}, `${what} can be watched now`);
        this.#isTold = false;
        this.#notify();
      },
      (err: unknown) => {
        if (this.#informer !== informer) return;
        this.#informer = null;
        if (!this.#isTold) log.warn({ err }, `${what} cannot be watched; it is tried again each half minute`);
        this.#isTold = true;
        this.#cancel = timers.after(AGAIN_MS, () => {
          if (this.#isWanted) this.#begin();
        });
      },
    );
  }

  #end(): void {
    this.#cancel();
    this.#cancel = () => {};
    const informer = this.#informer;
    this.#informer = null;
    this.#isListed = false;
    this.#ending = Promise.all([this.#ending, informer?.stop()]);
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
