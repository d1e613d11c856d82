import { PIN_SUFFIX } from '../../../gc/archive/names.ts';
import type { Inode } from '../../../gc/system/files.ts';
import type { Archive, Disk, Identity, Instant, OrphanProof } from '../../../policy/types.ts';
import type { FakeClock } from '../fake-clock.ts';
import type { FakeFiles } from '../fake-files.ts';
import { contentOf } from './content.ts';

export const DIRECTORY = '/var/lib/kubelet/checkpoints';
const STILL_MS = 1_000;
const OLD_MS = 5_000;
const TOTAL_BYTES = 1_000_000;
const NOTHING = Buffer.alloc(0);

/** One file of the directory at some moment. */
export interface Entry {
  readonly name: string;
  readonly inode: Inode;
  readonly modifiedUs: number;
  readonly allocatedBytes: number;
  readonly content: Buffer;
  /** Since when this file has been there with this size and mtime, by the clock that only goes on. */
  readonly since: number;
}

/** All files of the directory, as they stood until the next one. */
export interface Snapshot {
  readonly at: number;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly disk: Disk;
}

/** What the directory really holds and has held a moment ago; nobody's watch or scan comes between. */
export class DirectoryTruth {
  /** Bytes that others than archives take of the disk. */
  othersBytes = 0;
  /** When an archive last came or changed, by the clock that only goes on. */
  cameAt = Number.NEGATIVE_INFINITY;
  onArchive = () => {};
  readonly #files: FakeFiles;
  readonly #clock: FakeClock;
  #past: Snapshot[] = [];

  constructor(files: FakeFiles, clock: FakeClock) {
    this.#files = files;
    this.#clock = clock;
    files.onChange = () => this.look();
    this.look();
  }

  get now(): Snapshot {
    return this.#past.at(-1) ?? { at: 0, entries: new Map(), disk: this.#files.disk };
  }

  /** How the directory has stood during the last so many milliseconds, the newest first. */
  *within(ms: number): Generator<Snapshot> {
    const from = this.#clock.elapsed() - ms;
    for (let index = this.#past.length - 1; index >= 0; index -= 1) {
      const snapshot = this.#past[index];
      if (snapshot === undefined) return;
      yield snapshot;
      if (snapshot.at < from) return;
    }
  }

  /** Forgets what was longer ago. */
  forget(ms: number): void {
    const from = this.#clock.elapsed() - ms;
    const first = this.#past.findLastIndex(({ at }) => at < from);
    if (first > 0) this.#past = this.#past.slice(first);
  }

  look(): void {
    const at = this.#clock.elapsed();
    const before = this.#past.at(-1)?.entries;
    const entries = new Map<string, Entry>();
    let used = this.othersBytes;
    for (const name of this.#names()) {
      const path = `${DIRECTORY}/${name}`;
      const facts = this.#files.lstat(path);
      // Whatever has the name of a pin is one.
      const content = name.endsWith(PIN_SUFFIX) ? NOTHING : this.#files.contentOf(path);
      if (facts === null || content === null) continue;
      const { inode, modifiedUs } = facts;
      const allocatedBytes = facts.links > 1 || content === NOTHING ? 0 : facts.allocatedBytes;
      used += allocatedBytes;
      const old = before?.get(name);
      // Nobody writes any more to what has been given its mtime back.
      const isStill =
        old?.inode === inode && old.modifiedUs === modifiedUs && old.content.length === content.length;
      const isSame = isStill && old.content === content;
      if (!isSame && isArchiveName(name)) this.cameAt = at;
      entries.set(name, {
        name,
        inode,
        modifiedUs,
        allocatedBytes,
        content,
        since: isStill ? old.since : at,
      });
    }
    const freeBytes = Math.max(0, TOTAL_BYTES - used);
    const disk = { totalBytes: TOTAL_BYTES, freeBytes, totalInodes: 1_000, freeInodes: 900 };
    this.#files.disk = disk;
    this.#past.push({ at, entries, disk });
    if (this.cameAt === at) this.onArchive();
  }

  #names(): string[] {
    if (this.#files.stat(DIRECTORY)?.kind !== 'directory') return [];
    return this.#files.namesIn(DIRECTORY).map(String);
  }
}

export function isArchiveName(name: string): boolean {
  return name.startsWith('checkpoint-') && name.endsWith('.tar');
}

/** The archives of a snapshot as policy sees them at an instant. */
export function archivesIn(
  { entries }: Snapshot,
  now: Instant,
  elapsed: number,
  proofOf: (identity: Identity, entry: Entry) => OrphanProof | null,
): Archive[] {
  const archives: Archive[] = [];
  for (const entry of entries.values()) {
    if (!isArchiveName(entry.name)) continue;
    const { name, content, allocatedBytes, modifiedUs, since } = entry;
    const { whole, identity, staleTailBytes } = contentOf(content);
    const modifiedAt = Math.floor(modifiedUs / 1_000);
    const isYoung = elapsed - since < STILL_MS && !(whole && now - modifiedAt > OLD_MS);
    const state = isYoung ? 'growing' : 'complete';
    archives.push({
      file: name,
      bytes: content.length,
      allocatedBytes,
      modifiedAt,
      state,
      pinned: entries.has(name + PIN_SUFFIX),
      identity: isYoung ? null : identity,
      staleTailBytes: isYoung ? 0 : staleTailBytes,
      orphan: identity === null || isYoung ? null : proofOf(identity, entry),
    });
  }
  return archives;
}
