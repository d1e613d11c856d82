import type { ChangeType } from '../../../policy/listed-archive.ts';
import type { Archive } from '../../../policy/types.ts';
import type { InventoryChange } from '../../inventory/inventory.ts';
import type { Clock } from '../../system/clock.ts';
import { isListed, type OwnedArchive } from './name.ts';

/** What became of one archive. */
export interface FeedEntry {
  readonly type: ChangeType;
  readonly version: number;
  readonly archive: OwnedArchive;
}

/** Whoever was away for more changes than this lists anew. */
const MOST_KEPT = 2_048;

/**
 * The last changes of the archives that the API shows, so that a watch can go on where a list or an earlier watch
 * ended. Versions are the clock's microseconds, and never fall while the process lives: those of several nodes can
 * be compared as far as their clocks agree. It knows nothing of what was before the process.
 */
export class Feed {
  readonly #clock: Clock;
  readonly #most: number;
  /** In the order of their versions. */
  #entries: FeedEntry[] = [];
  readonly #versions = new Map<string, number>();
  #last = 0;
  /** What came later is in `#entries`. */
  #floor: number;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock, most = MOST_KEPT) {
    this.#clock = clock;
    this.#most = most;
    this.#floor = this.now();
  }

  /** A version behind all changes so far, and before all that come. */
  now(): number {
    this.#last = Math.max(this.#last + 1, Math.floor(this.#clock.now() * 1_000));
    return this.#last;
  }

  /** Of an archive as it is: that of its last change. */
  versionOf({ file, modifiedAt }: Archive): number {
    return this.#versions.get(file) ?? Math.max(0, Math.floor(modifiedAt * 1_000));
  }

  take(change: InventoryChange): void {
    if (change.directoryChanged) {
      this.#forget();
      return;
    }
    for (const archive of change.removed) this.#append('DELETED', archive);
    for (const { before, after } of change.modified) this.#takeModified(before, after);
    for (const archive of change.added) this.#append('ADDED', archive);
    this.#wake();
  }

  /** All changes behind a version; null where they are not known any more. */
  since(version: number): readonly FeedEntry[] | null {
    if (version < this.#floor) return null;
    const first = this.#entries.findIndex((each) => each.version > version);
    return first < 0 ? [] : this.#entries.slice(first);
  }

  /** Resolves at the next change, after so many milliseconds, or when the caller leaves. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) resolve();
    this.#waiting.add(resolve);
    await promise;
    cancel();
    signal.removeEventListener('abort', onAbort);
    this.#waiting.delete(resolve);
  }

  #takeModified(before: Archive, after: Archive): void {
    const isOther = before.modifiedAt !== after.modifiedAt || before.bytes !== after.bytes;
    const wasListed = isListed(before);
    const isSame = wasListed && isListed(after) && !isOther;
    if (wasListed && !isSame) this.#append('DELETED', before);
    this.#append(isSame ? 'MODIFIED' : 'ADDED', after);
  }

  #append(type: ChangeType, archive: Archive): void {
    if (!isListed(archive)) return;
    const version = this.now();
    this.#entries.push({ type, version, archive });
    this.#versions.set(archive.file, version);
    if (this.#entries.length < 2 * this.#most) return;
    // A half at a time: one by one would move them all each time.
    for (const gone of this.#entries.splice(0, this.#entries.length - this.#most)) {
      this.#floor = gone.version;
      if (this.#versions.get(gone.archive.file) === gone.version) this.#versions.delete(gone.archive.file);
    }
  }

  /** Another directory, or none: nothing that was told is so any more. */
  #forget(): void {
    this.#entries = [];
    this.#versions.clear();
    this.#floor = this.now();
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
