import type { Holding } from '../../policy/apart.ts';
import type { Archive, Identity, Instant, Mutable } from '../../policy/types.ts';
import type { Reading, Runtime } from '../archive/identity.ts';
import type { FileFacts, Inode } from '../system/files.ts';

/** An archive with what its next look is compared to. A hundred thousand of them are kept: every field counts. */
export interface Known {
  /** What policy sees of it; replaced whole by `ArchiveSet.put`, never changed. */
  archive: Archive;
  readonly inode: Inode;
  readonly modifiedUs: number;
  /** When it was first seen as it is now. */
  stillSince: Instant;
  /** The number of the last scan that saw it. */
  seenIn: number;
  runtime: Runtime | null;
  hint: string | null;
  /** What was read of it while it could still have been growing; null once that is settled. */
  early: Reading | null;
  /** Its reading failed for a reason that may pass. */
  readAgain: boolean;
  /** The file's ctime before it was read, microseconds; null where that is not known. */
  changedUs: number | null;
  /** No later change can have the same ctime. */
  isSettled: boolean;
  /** It ends as it should. */
  isWhole: boolean;
  /** An earlier process has read it, not this one. */
  isRecalled: boolean;
  /** Whether a look sees the file that is known, unchanged. The device is the directory's. */
  isAsSeen(facts: FileFacts): boolean;
  /** Whether its ctime is another than before it was read, or that is not known. */
  isTouched(facts: FileFacts): boolean;
  /** What the last notice told of it, null for nothing; undefined while it is as it was then. The set's own. */
  told: Archive | null | undefined;
  /** Its place among the archives of its pod. The set's own. */
  at: number;
}

/** What has become of the archives since the last notice. */
export interface ArchiveChanges {
  /** By namespace, all that had, or now have, an archive that changed. */
  readonly pods: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether one that is not growing and has no identity came, changed or went. */
  readonly unidentified: boolean;
  readonly added: readonly Archive[];
  readonly modified: readonly { readonly before: Archive; readonly after: Archive }[];
  readonly removed: readonly Archive[];
}

export interface ArchiveTotals {
  /** Growing ones included, in this and in `bytes`. */
  readonly archives: number;
  readonly bytes: number;
  readonly growing: number;
  readonly pinned: number;
  readonly unidentified: number;
  readonly tainted: number;
}

export const NO_ARCHIVES: ArchiveTotals = {
  archives: 0,
  bytes: 0,
  growing: 0,
  pinned: 0,
  unidentified: 0,
  tainted: 0,
};

/** What stands still and names one namespace. */
interface Group {
  readonly pods: Map<string, Known[]>;
  archives: number;
  bytes: number;
}

/** The archives of a directory by name and by namespace, with their totals and what changed among them. */
export class ArchiveSet {
  readonly #known = new Map<string, Known>();
  readonly #byNamespace = new Map<string, Group>();
  /** Those that stand still, and are not as most are. */
  readonly #odd = new Set<Known>();
  readonly #growing = new Set<Known>();
  #newest: Instant = Number.NEGATIVE_INFINITY;
  readonly #totals: Mutable<ArchiveTotals> = { ...NO_ARCHIVES };
  /** Those that changed since the last notice, each once; a map of a hundred thousand names takes too long. */
  #changed: Known[] = [];
  /** Those of them that are not in the set any more. */
  readonly #gone = new Map<string, Known>();
  #isMuted = false;

  get(file: string): Known | undefined {
    return this.#known.get(file);
  }

  values(): Iterable<Known> {
    return this.#known.values();
  }

  /** Those of a namespace that stand still, or of one of its pods. */
  of(namespace: string, pod?: string): Archive[] {
    const archives: Archive[] = [];
    const pods = this.#byNamespace.get(namespace)?.pods;
    const own = pod === undefined ? (pods?.values() ?? []) : [pods?.get(pod) ?? []];
    for (const each of own) for (const { archive } of each) archives.push(archive);
    return archives;
  }

  podsOf(namespace: string): Iterable<string> {
    return this.#byNamespace.get(namespace)?.pods.keys() ?? [];
  }

  holding(namespace: string): Holding {
    const { archives = 0, bytes = 0 } = this.#byNamespace.get(namespace) ?? {};
    return { archives, bytes };
  }

  /** All that have an archive that stands still. */
  get namespaces(): Iterable<string> {
    return this.#byNamespace.keys();
  }

  /** Those that stand still, and have no identity or bytes of another checkpoint. */
  get odd(): Iterable<Known> {
    return this.#odd;
  }

  get growing(): Iterable<Known> {
    return this.#growing;
  }

  /** No archive was modified later; maybe none as late, for those that are gone count. */
  get newest(): Instant {
    return this.#newest;
  }

  get totals(): ArchiveTotals {
    return { ...this.#totals };
  }

  /** While all of it comes or goes at once nobody is told of each, from now on or until now. */
  mute(): void {
    for (const known of this.#changed) known.told = undefined;
    this.#changed = [];
    this.#gone.clear();
    this.#isMuted = true;
  }

  unmute(): void {
    this.#isMuted = false;
  }

  /**
   * Takes an archive in, in the place of one of the same name.
   * @param former that one, or null, for who has looked for it already, or takes it that there is none (`hasTwins`).
   */
  add(known: Known, former?: Known | null): void {
    const file = known.archive.file;
    const old =
      (former === undefined ? this.#known.get(file) : former) ??
      (this.#gone.size > 0 ? this.#gone.get(file) : undefined);
    if (old !== undefined) {
      this.remove(file);
      this.#gone.delete(file);
    }
    this.#remember(known, old?.told ?? null);
    // It speaks for both.
    if (old !== undefined) old.told = undefined;
    this.#known.set(file, known);
    this.#count(known, 1);
  }

  /** Replaces what policy sees of an archive that is in the set. */
  put(known: Known, archive: Archive): void {
    if (this.#known.get(archive.file) !== known) throw new Error(`not in the set: ${archive.file}`);
    this.#remember(known, known.archive);
    this.#count(known, -1);
    known.archive = archive;
    this.#count(known, 1);
  }

  remove(file: string): void {
    const known = this.#known.get(file);
    if (known === undefined) return;
    this.#remember(known, known.archive);
    this.#count(known, -1);
    this.#known.delete(file);
    if (!this.#isMuted) this.#gone.set(file, known);
  }

  /** Whether an archive was taken in whose name another one had, against what was said: that one is still counted. */
  get hasTwins(): boolean {
    return this.#known.size !== this.#totals.archives;
  }

  clear(): void {
    for (const file of [...this.#known.keys()]) this.remove(file);
    // Twins are still counted, and have no name to be removed by.
    this.#byNamespace.clear();
    this.#odd.clear();
    this.#growing.clear();
    this.#newest = Number.NEGATIVE_INFINITY;
    Object.assign(this.#totals, NO_ARCHIVES);
  }

  /** What changed since it was asked last. */
  takeChanges(): ArchiveChanges {
    const pods = new Map<string, Set<string>>();
    const added: Archive[] = [];
    const modified: { before: Archive; after: Archive }[] = [];
    const removed: Archive[] = [];
    let unidentified = false;
    const concern = (archive: Archive) => {
      if (archive.identity !== null) inner(pods, archive.identity.namespace).add(archive.identity.pod);
      unidentified ||= isUnidentified(archive);
    };
    for (const known of this.#changed) {
      const { told: before, archive } = known;
      if (before === undefined) continue;
      known.told = undefined;
      const after = this.#gone.get(archive.file) === known ? null : archive;
      if (before !== null && after !== null) modified.push({ before, after });
      else if (after !== null) added.push(after);
      else if (before !== null) removed.push(before);
      if (before !== null) concern(before);
      if (after !== null) concern(after);
    }
    this.#changed = [];
    this.#gone.clear();
    return { pods, unidentified, added, modified, removed };
  }

  #remember(known: Known, archive: Archive | null): void {
    if (this.#isMuted || known.told !== undefined) return;
    known.told = archive;
    this.#changed.push(known);
  }

  #count(known: Known, sign: 1 | -1): void {
    const { archive } = known;
    const totals = this.#totals;
    totals.archives += sign;
    totals.bytes += sign * archive.bytes;
    if (archive.modifiedAt > this.#newest) this.#newest = archive.modifiedAt;
    if (archive.pinned) totals.pinned += sign;
    if (archive.staleTailBytes > 0) totals.tainted += sign;
    if (isUnidentified(archive)) totals.unidentified += sign;
    if (archive.state === 'growing') {
      totals.growing += sign;
      put(this.#growing, known, sign);
      return;
    }
    if (archive.identity === null || archive.staleTailBytes > 0) put(this.#odd, known, sign);
    if (archive.identity !== null) this.#countIdentified(known, archive.identity, sign);
  }

  #countIdentified(known: Known, { namespace, pod }: Identity, sign: 1 | -1): void {
    let group = this.#byNamespace.get(namespace);
    if (group === undefined) {
      group = { pods: new Map(), archives: 0, bytes: 0 };
      this.#byNamespace.set(namespace, group);
    }
    group.archives += sign;
    group.bytes += sign * known.archive.bytes;
    let archives = group.pods.get(pod);
    if (archives === undefined) {
      archives = [];
      group.pods.set(pod, archives);
    }
    if (sign > 0) known.at = archives.push(known) - 1;
    else takeOut(archives, known);
    if (archives.length === 0) group.pods.delete(pod);
    if (group.archives === 0) this.#byNamespace.delete(namespace);
  }
}

function put(set: Set<Known>, known: Known, sign: 1 | -1): void {
  if (sign > 0) set.add(known);
  else set.delete(known);
}

/** The last takes its place: in the list of a pod, unlike in a set, an archive takes 8 bytes and no time. */
function takeOut(archives: Known[], known: Known): void {
  const last = archives.pop();
  if (last === undefined || last === known) return;
  archives[known.at] = last;
  last.at = known.at;
}

function inner<V>(outer: Map<string, Set<V>>, key: string): Set<V> {
  const known = outer.get(key);
  if (known !== undefined) return known;
  const made = new Set<V>();
  outer.set(key, made);
  return made;
}

function isUnidentified(archive: Archive): boolean {
  return archive.state === 'complete' && archive.identity === null;
}
