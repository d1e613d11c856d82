import type { Log } from '../../kube/types.ts';
import type { Clock } from '../system/clock.ts';
import type { DirectoryView } from './directory-view.ts';
import type { Ledger } from './ledger.ts';

export interface SettlerOptions {
  readonly ledger: Ledger;
  readonly directory: DirectoryView;
  readonly clock: Clock;
  readonly log: Log;
}

/** After a look at the directory that settled nothing: it could not be read, or something is still written. */
const AGAIN_MS = 5_000;

/** Sees to it that no reservation waits for ever: looks at the directory when one may have lapsed. */
export class Settler {
  readonly #options: SettlerOptions;
  #cancelTimer = () => {};
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** The directory, or the ledger, has changed. */
  wake(): void {
    if (this.#stopped) return;
    this.#options.ledger.settle();
    this.#sleep(0);
  }

  /** Resolves when no look is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    await this.#looking;
  }

  #sleep(least: number): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    if (this.#stopped || this.#looking !== null) return;
    const { ledger, clock } = this.#options;
    const next = ledger.nextLapse();
    if (next === null) return;
    this.#cancelTimer = clock.after(Math.max(least, next - clock.now()), () => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = null;
        this.#sleep(AGAIN_MS);
      });
    });
  }

  async #look(): Promise<void> {
    const { ledger, directory, clock, log } = this.#options;
    const next = ledger.nextLapse();
    const began = clock.now();
    if (next === null || began < next) return;
    try {
      const state = await directory.scan();
      if (state.ok) ledger.settle(began);
    } catch (error) {
      log.error(
        { err: error },
        'the directory could not be looked at for archives that were to come; again soon',
      );
    }
  }
}
