import { basename } from 'node:path';
import { errorCode, explain, type FileSystem } from '../system/files.ts';
import { nodeTimers, type Timers } from '../system/timers.ts';
import { type DirectoryIdentity, lookAtDirectory, replacement } from './directory.ts';

/** An archive being written is a thousand events a second; one look in this time is enough. */
export const COALESCE_MS = 50;

/** inotify holds 16,384 events and drops the rest in silence: half of that at once, and some may be lost. */
export const BURST = 8_000;

/** How often a directory that cannot be watched is scanned, and watching it tried again. */
export const POLL_MS = 10_000;

/** What may have changed. Only a look tells whether it has. */
export type Hint =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | {
      /** Anything may have changed. */
      readonly kind: 'all';
      readonly because: string;
    };

/** `because`: why it is not watched but polled, in words. */
export type WatchMode = { readonly watching: true } | { readonly watching: false; readonly because: string };

export interface DirectoryWatchOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly onHint: (hint: Hint) => void;
  /** Called when watching begins and when it gives way to polling. */
  readonly onMode: (mode: WatchMode) => void;
  readonly timers?: Timers;
}

/**
 * Hints at changes in a directory. A hint can be missing and can be wrong: whoever holds it scans the directory
 * from time to time as well, and calls `check` then. A directory that cannot be watched is hinted at as a whole,
 * every ten seconds.
 */
export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions;
  readonly #timers: Timers;
  readonly #names = new Set<string>();
  #events = 0;
  #lost: string | null = null;
  /** Something happened to the directory itself. */
  #shaken = false;
  #running = false;
  #mode: WatchMode | null = null;
  /** What is watched. */
  #directory: DirectoryIdentity | null = null;
  #endWatch: (() => void) | null = null;
  #cancelHint: (() => void) | null = null;
  #cancelPoll: (() => void) | null = null;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
    this.#timers = options.timers ?? nodeTimers;
  }

  /** To be called before the first scan, so that nothing falls between the two. Never throws. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#tryToWatch();
  }

  stop(): void {
    this.#running = false;
    this.#mode = null;
    this.#drop();
    this.#cancelPoll?.();
    this.#cancelPoll = null;
  }

  /** Sees to it that the directory that is there now is watched, if one can be. */
  check(): void {
    if (!this.#running) return;
    if (this.#endWatch === null) this.#tryToWatch();
    else if (this.#watchesWhatIsThere()) this.#renew();
  }

  #tryToWatch(): void {
    const { files, directory, onHint } = this.#options;
    const look = lookAtDirectory(files, directory);
    if (look.kind !== 'there') {
      this.#poll(look.reason);
      return;
    }
    try {
      this.#endWatch = this.#watch();
    } catch (error) {
      this.#poll(`${directory} cannot be watched: ${whyUnwatched(error)}`);
      return;
    }
    this.#directory = look.identity;
    this.#cancelPoll?.();
    this.#cancelPoll = null;
    const wasPolling = this.#mode?.watching === false;
    this.#setMode({ watching: true });
    if (wasPolling) onHint({ kind: 'all', because: `${directory} is watched again` });
  }

  #watch(): () => void {
    return this.#options.files.watch(this.#options.directory, {
      event: (name) => this.#takeEvent(name),
      error: (error) => this.#fail(error),
    });
  }

  /**
   * A directory that is made anew can get the inode of the one before, whose watch is dead and says nothing more. The
   * new watch comes before the end of the old one, so that nothing falls between the two.
   */
  #renew(): void {
    const former = this.#endWatch;
    try {
      this.#endWatch = this.#watch();
      former?.();
    } catch (error) {
      this.#fail(error);
    }
  }

  #poll(because: string): void {
    this.#setMode({ watching: false, because });
    this.#cancelPoll ??= this.#timers.after(POLL_MS, () => {
      this.#cancelPoll = null;
      this.#tryToWatch();
      if (this.#endWatch === null) this.#options.onHint({ kind: 'all', because });
    });
  }

  #takeEvent(name: string | null): void {
    this.#events++;
    // So it is called when it is removed, moved, unmounted, or its rights change.
    if (name === basename(this.#options.directory)) this.#shaken = true;
    if (name === null) this.#lost ??= 'an event came without a name';
    else if (this.#events <= BURST) this.#names.add(name);
    else this.#lost ??= `more than ${BURST} events came at once`;
    this.#cancelHint ??= this.#timers.after(COALESCE_MS, () => this.#hint());
  }

  #hint(): void {
    const names = [...this.#names];
    const { directory } = this.#options;
    const lost = this.#lost ?? (this.#shaken ? `something happened to ${directory} itself` : null);
    const isShaken = this.#shaken;
    this.#forgetEvents();
    if (!this.#watchesWhatIsThere()) return;
    if (isShaken) this.#renew();
    if (lost === null) this.#options.onHint({ kind: 'names', names });
    else this.#options.onHint({ kind: 'all', because: lost });
  }

  /** A watch stays with its directory when another one takes the name, and then says nothing more. */
  #watchesWhatIsThere(): boolean {
    const { files, directory, onHint } = this.#options;
    const look = lookAtDirectory(files, directory);
    const because =
      look.kind !== 'there'
        ? look.reason
        : this.#directory && replacement(directory, this.#directory, look.identity);
    if (because === null) return true;
    this.#drop();
    onHint({ kind: 'all', because });
    this.#tryToWatch();
    return false;
  }

  /** Tried again only after a while: what failed now may fail at once again. */
  #fail(error: unknown): void {
    const { directory, onHint } = this.#options;
    const because = `the watch of ${directory} failed: ${explain(error)}`;
    this.#drop();
    onHint({ kind: 'all', because });
    this.#poll(because);
  }

  #drop(): void {
    this.#endWatch?.();
    this.#endWatch = null;
    this.#directory = null;
    this.#forgetEvents();
  }

  #forgetEvents(): void {
    this.#cancelHint?.();
    this.#cancelHint = null;
    this.#names.clear();
    this.#events = 0;
    this.#lost = null;
    this.#shaken = false;
  }

  #setMode(mode: WatchMode): void {
    const before = this.#mode;
    this.#mode = mode;
    const same = before?.watching === mode.watching && reasonOf(before) === reasonOf(mode);
    if (!same) this.#options.onMode(mode);
  }
}

/** Both limits are of the machine and per user, and others may have used them up: so says inotify(7). */
function whyUnwatched(error: unknown): string {
  const limits: Readonly<Record<string, string>> = {
    EMFILE: 'no inotify instance is left (EMFILE), raise fs.inotify.max_user_instances',
    ENOSPC: 'no inotify watch is left (ENOSPC), raise fs.inotify.max_user_watches',
  };
  return limits[errorCode(error) ?? ''] ?? explain(error);
}

function reasonOf(mode: WatchMode): string | null {
  return mode.watching ? null : mode.because;
}
