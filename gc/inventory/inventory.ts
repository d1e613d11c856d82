import type { Holding } from '../../policy/apart.ts';
import type { Archive, Instant, OrphanProof } from '../../policy/types.ts';
import type { Runtime } from '../archive/identity.ts';
import { NameRules } from '../archive/names.ts';
import type { FileSystem, Stamp } from '../system/files.ts';
import { type ArchiveChanges, type ArchiveTotals, type Known, NO_ARCHIVES } from './archive-set.ts';
import type { DirectoryIdentity, DirectoryState } from './directory.ts';
import { Holdings, type Recall } from './holdings.ts';
import type { OtherFile } from './other-files.ts';
import type { Remembered } from './readings.ts';
import { type OnProgress, Scanner } from './scan.ts';

export interface InventoryOptions {
  readonly files: FileSystem;
  /** Absolute. */
  readonly directory: string;
  /** Which names are archives'; see `NameRules`. */
  readonly patterns?: readonly string[];
  readonly clock: () => Instant;
  /** Called after every scan, look and `setOrphan` that changed something. */
  readonly onChange: (change: InventoryChange) => void;
  /** Which schedule had an archive made, by the archive's name. Default: none had any. */
  readonly madeBy?: (file: string) => string | undefined;
  /** Asked before an archive is read: the seam for warm starts. Default: knows nothing. */
  readonly recall?: Recall;
}

export interface InventoryChange extends ArchiveChanges {
  readonly directory: DirectoryState;
  /** Whether that is news: then `archives()` holds quite another lot, or nothing, and no change of one is told. */
  readonly directoryChanged: boolean;
}

export interface Totals extends ArchiveTotals {
  readonly foreignFiles: number;
  readonly foreignBytes: number;
  readonly tombstones: number;
  readonly tombstoneBytes: number;
}

export interface ArchiveDetails {
  /** Who wrote it; null where that is not known, or not yet. */
  readonly runtime: Runtime | null;
  /** A name to show where there is no identity, as podman's of the container. Proves nothing. */
  readonly hint: string | null;
}

/**
 * What a node's directory holds, as the scans, which are the truth, and the looks at names that a watch hints at
 * have shown it. While `state` is not ok it shows nothing: what cannot be seen must not be deleted.
 */
export class Inventory {
  readonly #holdings: Holdings;
  readonly #scanner: Scanner;
  readonly #onChange: (change: InventoryChange) => void;
  #scanning: Promise<DirectoryState> | null = null;
  #told: DirectoryState;
  #willTell = false;

  /** Throws a RangeError for a pattern that cannot be one. */
  constructor({ patterns, onChange, recall, madeBy, ...options }: InventoryOptions) {
    const rules = new NameRules(patterns);
    this.#holdings = new Holdings(recall, madeBy);
    this.#scanner = new Scanner({ ...options, rules, holdings: this.#holdings });
    this.#onChange = onChange;
    this.#told = this.#scanner.state;
  }

  /** Which directory it is; null while there is none. */
  get identity(): DirectoryIdentity | null {
    return this.#scanner.identity;
  }

  get state(): DirectoryState {
    return this.#scanner.state;
  }

  /** All archives, in no order. */
  *archives(): Generator<Archive> {
    if (!this.state.ok) return;
    for (const { archive } of this.#holdings.archives.values()) yield archive;
  }

  /**
   * At least those that stand still and have no identity, or bytes of another checkpoint, and those modified after an
   * instant: where there are none, in no time.
   */
  *remarkable(after: Instant): Generator<Archive> {
    if (!this.state.ok) return;
    const { archives } = this.#holdings;
    for (const { archive } of archives.newest > after ? archives.values() : archives.odd) yield archive;
  }

  /** Those that may still be written. */
  *growing(): Generator<Archive> {
    if (!this.state.ok) return;
    for (const { archive } of this.#holdings.archives.growing) yield archive;
  }

  /** All that archives which stand still name. */
  namespaces(): readonly string[] {
    return this.state.ok ? [...this.#holdings.archives.namespaces] : [];
  }

  /** Those that stand still and name this namespace, or one pod of it. */
  archivesOf(namespace: string, pod?: string): readonly Archive[] {
    return this.state.ok ? this.#holdings.archives.of(namespace, pod) : [];
  }

  /** All pods of a namespace that they name. */
  podsOf(namespace: string): Iterable<string> {
    return this.state.ok ? this.#holdings.archives.podsOf(namespace) : [];
  }

  /** How many they are, and their bytes. */
  holding(namespace: string): Holding {
    return this.state.ok ? this.#holdings.archives.holding(namespace) : { archives: 0, bytes: 0 };
  }

  /** Those that stand still and name none. */
  unidentified(): readonly Archive[] {
    if (!this.state.ok) return [];
    const odd = Array.from(this.#holdings.archives.odd, ({ archive }) => archive);
    return odd.filter(({ identity }) => identity === null);
  }

  get(file: string): Archive | null {
    return this.#known(file)?.archive ?? null;
  }

  /** Which file it was when it was last looked at: what a deletion must find again. */
  stamp(file: string): Stamp | null {
    const known = this.#known(file);
    return known === undefined ? null : this.#scanner.stampOf(known);
  }

  /** What was read of an archive beside its identity, for showing it. */
  details(file: string): ArchiveDetails {
    const { runtime = null, hint = null } = this.#known(file) ?? {};
    return { runtime, hint };
  }

  /** All that is not ours to touch, with the reason. */
  foreign(): readonly OtherFile[] {
    return this.#others('foreign');
  }

  /** Deletions that were begun and not finished. */
  tombstones(): readonly OtherFile[] {
    return this.#others('tombstone');
  }

  /** All 0 while the state is not ok. */
  totals(): Totals {
    const foreign = this.foreign();
    const tombstones = this.tombstones();
    return {
      ...(this.state.ok ? this.#holdings.archives.totals : NO_ARCHIVES),
      foreignFiles: foreign.length,
      foreignBytes: sumOf(foreign),
      tombstones: tombstones.length,
      tombstoneBytes: sumOf(tombstones),
    };
  }

  /** Keeps the proof that a complete archive's pod is gone until that archive changes; null takes it back. */
  setOrphan(file: string, proof: OrphanProof | null): void {
    if (!this.#holdings.setOrphan(file, proof) || this.#willTell) return;
    this.#willTell = true;
    // Whoever judges orphans judges many at once: one notice for all.
    queueMicrotask(() => this.#tell());
  }

  /** It is known by now which schedule had this archive made. */
  attribute(file: string): void {
    if (!this.#holdings.attribute(file) || this.#willTell) return;
    this.#willTell = true;
    queueMicrotask(() => this.#tell());
  }

  /** When a growing archive wants to be looked at again, which any `look` does; null when none grows. */
  nextLook(): Instant | null {
    return this.state.ok ? this.#holdings.nextDue() : null;
  }

  /**
   * Looks at everything. A call while one is under way joins that one. Does not throw for what it finds: the
   * state says it.
   */
  scan(onProgress: OnProgress = () => {}): Promise<DirectoryState> {
    this.#scanning ??= this.#scanAndTell(onProgress).finally(() => {
      this.#scanning = null;
    });
    return this.#scanning;
  }

  /** Looks at these names and at growing archives that are due, in time proportional to them. */
  async look(names: Iterable<string> = []): Promise<DirectoryState> {
    await this.#scanner.look(names);
    this.#tell();
    return this.state;
  }

  /** Reads an archive that only an earlier process has read. Where that was wrong, the archive is another one now. */
  async confirm(file: string): Promise<void> {
    const known = this.#known(file);
    if (known === undefined || !known.isRecalled) return;
    await this.#scanner.confirm(known);
    this.#tell();
  }

  /** How many whole archives were read so far, those read anew included. */
  get archivesRead(): number {
    return this.#holdings.archivesRead;
  }

  /** What was read of archives that stand still, in no order; to be recalled by a later process. */
  *readings(): Generator<Remembered> {
    for (const known of this.state.ok ? this.#holdings.archives.values() : []) {
      const { archive, changedUs, isSettled, isWhole, runtime, hint } = known;
      const stamp = this.#scanner.stampOf(known);
      if (stamp === null || changedUs === null || !isSettled || !isWhole || archive.state !== 'complete')
        continue;
      const { identity, staleTailBytes, unidentifiedBecause: because = null } = archive;
      yield { stamp, changedUs, reading: { identity, because, runtime, hint, staleTailBytes } };
    }
  }

  async #scanAndTell(onProgress: OnProgress): Promise<DirectoryState> {
    await this.#scanner.scan(onProgress);
    this.#tell();
    return this.state;
  }

  #tell(): void {
    this.#willTell = false;
    const directory = this.state;
    const directoryChanged = describe(directory) !== describe(this.#told);
    this.#told = directory;
    const changes = this.#holdings.archives.takeChanges();
    const changed = changes.added.length + changes.modified.length + changes.removed.length > 0;
    if (changed || directoryChanged) this.#onChange({ ...changes, directory, directoryChanged });
  }

  #known(file: string): Known | undefined {
    return this.state.ok ? this.#holdings.archives.get(file) : undefined;
  }

  #others(role: OtherFile['role']): readonly OtherFile[] {
    return this.state.ok ? Array.from(this.#holdings.others()).filter((other) => other.role === role) : [];
  }
}

function describe(state: DirectoryState): string | null {
  return state.ok ? null : state.reason;
}

function sumOf(files: readonly OtherFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
