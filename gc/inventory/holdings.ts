import type { Archive, Identity, Instant, OrphanProof } from '../../policy/types.ts';
import type { Reading } from '../archive/identity.ts';
import { archiveOfPin } from '../archive/names.ts';
import type { FileFacts, FileName, Stamp } from '../system/files.ts';
import { ArchiveSet, type Known } from './archive-set.ts';
import { KnownFile, small } from './known.ts';
import { type OtherFile, OtherFiles } from './other-files.ts';
import type { Sighting } from './sight.ts';

/**
 * Runtimes write an archive in place, under its final name, and nothing tells when they are done: node has no
 * close-write event, and inotify's comes after a failed write too. So an archive is `growing` until it stood
 * still for this long, by size and mtime.
 */
export const STILL_MS = 1_000;

/** An archive that nobody wrote to for this long when first seen needs no second look, if it ends as it should. */
export const OLD_MS = 5_000;

/** The clock that file systems take their times from ticks every 10 ms at the slowest; this is that with room. */
const CTIME_TICK_MS = 200;

const SHARED_IDENTITIES = 10_000;

/**
 * What an earlier process has read of a file that is still the same; null when it knows nothing of it.
 * @param changedUs the file's ctime, microseconds.
 */
export type Recall = (stamp: Stamp, changedUs: number) => Reading | null;

/**
 * What is known of a directory's content, and how a look changes it. Does no I/O: it is told what stands under
 * a name, and says whether that wants to be read.
 */
export class Holdings {
  readonly archives = new ArchiveSet();
  readonly #others = new OtherFiles();
  readonly #identities = new Map<string, Identity>();
  /** The identity that was asked for last, and the object that stands for it. */
  #lastShared: readonly [identity: Identity, shared: Identity] | null = null;
  readonly #recall: Recall;
  readonly #madeBy: (file: string) => string | undefined;
  #archivesRead = 0;

  constructor(recall: Recall = () => null, madeBy: (file: string) => string | undefined = () => undefined) {
    this.#recall = recall;
    this.#madeBy = madeBy;
  }

  /** How many whole archives were taken in as they were read. */
  get archivesRead(): number {
    return this.#archivesRead;
  }

  /**
   * Takes in what a look at a name has shown, null for nothing. Returns the archive that now wants to be read.
   *
   * @param scan the number of the scan that is under way, or was last.
   */
  see(name: FileName, sighting: Sighting | null, now: Instant, scan: number): Known | null {
    if (sighting?.role === 'archive' && typeof name === 'string') {
      this.#others.remove(name);
      return this.#seeArchive(name, sighting.facts, now, scan);
    }
    if (typeof name === 'string') this.archives.remove(name);
    if (sighting === null || sighting.role === 'archive') this.#others.remove(name);
    else this.#others.add(name, { ...sighting, reason: reasonOf(sighting) }, scan);
    if (typeof name === 'string') this.#repin(archiveOfPin(name));
    return null;
  }

  /**
   * The same of an archive whose name no look has shown yet: it is not looked for among a hundred thousand others.
   * Where one had that name, `archives.hasTwins` says so, and all has to be seen anew.
   */
  seeFirst(file: string, facts: FileFacts, now: Instant, scan: number): Known | null {
    this.#others.remove(file);
    return this.#begin(file, facts, now, scan, null);
  }

  /**
   * Takes in what was read of an archive, unless it has changed since. Reading is a look, too: it confirmed that the
   * file was still the one that `known` is of.
   */
  take(known: Known, reading: Reading, now: Instant): void {
    if (this.archives.get(known.archive.file) !== known) return;
    if (reading.complete) this.#archivesRead += 1;
    if (reading.complete || hasStoodStill(known, now)) this.#settle(known, reading);
    else known.early = reading.lasting ? reading : null;
  }

  /** Whether an archive still wants to be read: another look may have done so meanwhile. */
  wants(known: Known): boolean {
    const { archive, early, readAgain } = known;
    if (this.archives.get(archive.file) !== known) return false;
    return readAgain || (archive.state === 'growing' && early === null);
  }

  /** Takes in what was read of an archive that had been recalled. */
  confirm(known: Known, reading: Reading): void {
    const { archive, isRecalled } = known;
    if (!isRecalled || this.archives.get(archive.file) !== known) return;
    known.isRecalled = false;
    if (isAsRead(archive, reading)) return;
    known.isSettled = false;
    this.#settle(known, reading);
  }

  /** Names that this scan did not see. */
  unseen(scan: number): FileName[] {
    const names = this.#others.unseen(scan);
    for (const { seenIn, archive } of this.archives.values()) if (seenIn < scan) names.push(archive.file);
    return names;
  }

  /** Growing archives that may have stood still by now. */
  growingDue(now: Instant): string[] {
    return Array.from(this.archives.growing)
      .filter((known) => hasStoodStill(known, now))
      .map(({ archive }) => archive.file);
  }

  /** When the next of them is due; null when none grows. */
  nextDue(): Instant | null {
    let next: Instant | null = null;
    for (const { stillSince } of this.archives.growing) {
      if (next === null || stillSince + STILL_MS < next) next = stillSince + STILL_MS;
    }
    return next;
  }

  /** Whether it changed anything. */
  setOrphan(file: string, proof: OrphanProof | null): boolean {
    const known = this.archives.get(file);
    if (known === undefined || known.archive.state !== 'complete') return false;
    const { orphan } = known.archive;
    if (orphan?.since === proof?.since && orphan?.why === proof?.why) return false;
    this.archives.put(known, { ...known.archive, orphan: proof });
    return true;
  }

  /** Takes in who had an archive made. Whether that changed anything. */
  attribute(file: string): boolean {
    const known = this.archives.get(file);
    if (known === undefined || known.archive.state !== 'complete') return false;
    const archive = this.#attributed(known.archive);
    if (archive.madeBy === known.archive.madeBy) return false;
    this.archives.put(known, archive);
    return true;
  }

  /** All but archives; a pin without an archive counts as foreign. */
  *others(): Generator<OtherFile> {
    for (const other of this.#others.values()) {
      if (other.role !== 'pin') yield other;
      else if (this.archives.get(archiveOfPin(other.name)) === undefined) yield { ...other, role: 'foreign' };
    }
  }

  clear(): void {
    this.archives.clear();
    this.#others.clear();
  }

  #seeArchive(file: string, facts: FileFacts, now: Instant, scan: number): Known | null {
    const known = this.archives.get(file);
    if (known === undefined || !known.isAsSeen(facts))
      return this.#begin(file, facts, now, scan, known ?? null);
    known.seenIn = scan;
    // A clock that was set back proves nothing of standing still.
    if (now < known.stillSince) known.stillSince = now;
    const { archive, early } = known;
    const pinned = this.#others.hasPin(file);
    const allocatedBytes = freedBy(facts);
    if (pinned !== archive.pinned || allocatedBytes !== archive.allocatedBytes) {
      this.archives.put(known, { ...archive, pinned, allocatedBytes });
    }
    const isOutdated = mayBeOther(known, facts, now);
    if (archive.state === 'complete') return known.readAgain || isOutdated ? wanted(known, facts, now) : null;
    if (!hasStoodStill(known, now)) return null;
    if (early === null || isOutdated) return wanted(known, facts, now);
    this.#settle(known, early);
    return null;
  }

  #settle(known: Known, reading: Reading): void {
    const { archive } = known;
    known.runtime = reading.runtime;
    known.hint = reading.hint;
    known.isWhole = reading.complete;
    known.early = null;
    known.readAgain = !reading.lasting;
    if (archive.state === 'complete' && isAsRead(archive, reading)) return;
    this.archives.put(
      known,
      this.#attributed(completeArchive(archive, reading, this.#shared(reading.identity))),
    );
  }

  #attributed(archive: Archive): Archive {
    const madeBy = this.#madeBy(archive.file);
    return madeBy === undefined ? archive : { ...archive, madeBy };
  }

  /** The archives of one container share one object, and its strings. */
  #shared(identity: Identity | null): Identity | null {
    if (identity === null) return null;
    if (this.#lastShared?.[0] === identity) return this.#lastShared[1];
    const { namespace, pod, container, podUid } = identity;
    const key = `${namespace}/${pod}/${container}/${podUid}`;
    const shared = this.#identities.get(key) ?? identity;
    this.#lastShared = [identity, shared];
    if (shared !== identity) return shared;
    // Forgetting costs memory only, and pods come and go for as long as the process runs.
    if (this.#identities.size >= SHARED_IDENTITIES) this.#identities.clear();
    this.#identities.set(key, identity);
    return identity;
  }

  /** @param former what had the name until now. */
  #begin(file: string, facts: FileFacts, now: Instant, scan: number, former: Known | null): Known | null {
    const pinned = this.#others.hasPin(file);
    const modifiedAt = Math.floor(facts.modifiedUs / 1_000);
    const isOld = now - modifiedAt > OLD_MS;
    const isSettled = isOld && hasSettled(facts, now);
    const recalled = isSettled ? this.#recall(facts, facts.changedUs) : null;
    const [bytes, allocatedBytes] = [small(facts.bytes), small(freedBy(facts))];
    const seen = { file, bytes, allocatedBytes, modifiedAt, pinned };
    const archive =
      recalled === null
        ? growingArchive(seen)
        : this.#attributed(completeArchive(seen, recalled, recalled.identity));
    const known = new KnownFile(archive, facts, now, scan);
    if (isOld) known.changedUs = facts.changedUs;
    known.isSettled = isSettled;
    if (recalled !== null) {
      known.runtime = recalled.runtime;
      known.hint = recalled.hint;
      known.isWhole = true;
      known.isRecalled = true;
    }
    this.archives.add(known, former);
    return isOld && recalled === null ? known : null;
  }

  #repin(file: string): void {
    const known = this.archives.get(file);
    const pinned = this.#others.hasPin(file);
    if (known && known.archive.pinned !== pinned) this.archives.put(known, { ...known.archive, pinned });
  }
}

function hasStoodStill({ stillSince }: Known, now: Instant): boolean {
  return now - stillSince >= STILL_MS;
}

/**
 * Whether an archive of the same size and mtime may hold something else than what was read: an mtime can be set back, a
 * ctime cannot. What was read in the tick of its last change is read once more; not where that is of the future.
 */
function mayBeOther(known: Known, facts: FileFacts, now: Instant): boolean {
  return known.isTouched(facts) || (!known.isSettled && facts.changedUs / 1_000 < now);
}

/** An archive that is now to be read. */
function wanted(known: Known, facts: FileFacts, now: Instant): Known {
  known.changedUs = facts.changedUs;
  known.isSettled = hasSettled(facts, now);
  known.readAgain = true;
  return known;
}

/** A change after this look shows in the ctime, unless that could still be the same tick of the clock. */
function hasSettled({ changedUs }: FileFacts, now: Instant): boolean {
  return changedUs / 1_000 < now - CTIME_TICK_MS;
}

/** Whether a reading says of an archive what is known already. */
function isAsRead(archive: Archive, reading: Reading): boolean {
  const { identity, staleTailBytes, unidentifiedBecause: because = null } = archive;
  if (staleTailBytes !== reading.staleTailBytes || because !== reading.because) return false;
  if (identity === null || reading.identity === null) return identity === reading.identity;
  const { namespace, pod, container, podUid } = reading.identity;
  return (
    identity.namespace === namespace &&
    identity.pod === pod &&
    identity.container === container &&
    identity.podUid === podUid
  );
}

function reasonOf(sighting: Exclude<Sighting, { role: 'archive' }>): string {
  if (sighting.role === 'foreign') return sighting.reason;
  return sighting.role === 'pin' ? 'it is a pin without its archive' : 'it is being deleted';
}

/** What a look shows of an archive. */
type Seen = Pick<Archive, 'file' | 'bytes' | 'allocatedBytes' | 'modifiedAt' | 'pinned'>;

/** An archive as its first look shows it. */
function growingArchive({ file, bytes, allocatedBytes, modifiedAt, pinned }: Seen): Archive {
  return {
    file,
    bytes,
    allocatedBytes,
    modifiedAt,
    state: 'growing',
    pinned,
    identity: null,
    staleTailBytes: 0,
    orphan: null,
    unidentifiedBecause: 'it may still be written',
  };
}

/**
 * An archive that stands still, with what was read of it, and no proof that a pod is gone, which may be another's.
 * Spelled out: copies by spread are twice as big.
 */
function completeArchive(seen: Seen, reading: Reading, identity: Identity | null): Archive {
  const { file, bytes, allocatedBytes, modifiedAt, pinned } = seen;
  const orphan = null;
  const { because, staleTailBytes, lasting } = reading;
  const state = 'complete';
  return because === null
    ? { file, bytes, allocatedBytes, modifiedAt, state, pinned, identity, staleTailBytes, orphan }
    : {
        ...{ file, bytes, allocatedBytes, modifiedAt, state, pinned, identity, staleTailBytes, orphan },
        unidentifiedBecause: because,
        ...(!lasting && { unread: true }),
      };
}

/** What its removal gives back to the disk. */
function freedBy(facts: FileFacts): number {
  return facts.links > 1 ? 0 : facts.allocatedBytes;
}
