import type { Log } from '../../kube/types.ts';
import type { ScanProgress } from '../inventory/scan.ts';

/** A scan that takes less time is told when it is done. */
const EVERY_MS = 5_000;

/** Is told each step of a long scan, and its end. */
export interface ProgressWatcher {
  report(progress: ScanProgress): void;
  end(): void;
}

export interface ProgressOptions {
  readonly directory: string;
  readonly log: Log;
  /** Milliseconds from any origin. */
  readonly elapsed: () => number;
  /** Somebody at a terminal; absent: nobody. */
  readonly watcher?: ProgressWatcher;
}

/** How far the first scan is, which may have to read every archive: a log line every five seconds while it lasts. */
export class Progress implements ProgressWatcher {
  readonly #options: ProgressOptions;
  #toldAt: number | null = null;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  report(progress: ScanProgress): void {
    const { directory, log, elapsed, watcher } = this.#options;
    watcher?.report(progress);
    const now = elapsed();
    this.#toldAt ??= now;
    if (now - this.#toldAt < EVERY_MS) return;
    this.#toldAt = now;
    const { phase, done, of } = progress;
    const count = of === null ? `${done} names so far` : `${done} of ${of} archives`;
    log.info(
      { directory, phase, done, of },
      `${phase} ${directory}: ${count}; nothing is deleted before the end`,
    );
  }

  end(): void {
    this.#options.watcher?.end();
  }
}
