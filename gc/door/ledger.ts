import { randomUUID } from 'node:crypto';
import type { Log } from '../../kube/types.ts';
import type { Archive, Disk, Instant, Reservation, Usage } from '../../policy/types.ts';
import { explain } from '../system/files.ts';
import { type Container, isNamedFor, isSame, startOf } from './container.ts';
import { cover } from './cover.ts';
import type { DirectoryView } from './directory-view.ts';
import { LedgerJournal } from './ledger-journal.ts';
import type { LedgerState, Reserved } from './ledger-state.ts';
import type { LedgerStore } from './ledger-store.ts';
import { Refusal } from './refusal.ts';

export interface LedgerOptions {
  readonly store: LedgerStore;
  readonly directory: DirectoryView;
  readonly now: () => Instant;
  readonly log: Log;
}

/** What is there and what is promised, for one request. */
export interface LedgerUsage extends Usage {
  /** Those of its pod, and perhaps others: all that tell of the container. */
  readonly ofPod: readonly Archive[];
  /** Files among the archives that are known to be whole, although the inventory still waits for them. */
  readonly young: ReadonlySet<string>;
}

/** After the kubelet's own error: an archive was seen 5 s after one at most. */
const FAILED_QUIET_MS = 10_000;
/** After an answer whose archive is not there. */
const ANSWERED_QUIET_MS = 10_000;
/** Where nobody knows, the runtime may work on: as long as a slow disk takes for it, and so much more. */
const LOST_QUIET_MS = 30_000;
const SLOW_BYTES_PER_MS = 20_000;
const MOST_QUIET_MS = 10 * 60_000;
/** A directory that cannot be read takes no archive either: a reservation does not wait for it for ever. */
const MOST_SETTLING_MS = 60 * 60_000;
/** The inventory of a new process waits for an archive that is younger than five seconds to stand still. */
const YOUNG_MS = 10_000;
/** A clock that was set back makes yesterday's checkpoint one of tomorrow. */
const CLOCK_MS = 5_000;

/**
 * The book of promised room. A reservation is written down before the kubelet is asked, and leaves the book when
 * its archive was seen, or when after a quiet time the directory was looked at and none had come. What the
 * directory shows is never counted beside the promise of it, and no archive keeps two promises.
 */
export class Ledger {
  readonly #directory: DirectoryView;
  readonly #now: () => Instant;
  readonly #journal: LedgerJournal;
  readonly #log: Log;
  readonly #openedAt: Instant;

  /** @throws a sentence when the journal cannot be read or written. */
  constructor({ store, directory, now, log }: LedgerOptions) {
    this.#directory = directory;
    this.#now = now;
    this.#log = log;
    this.#openedAt = now();
    this.#journal = new LedgerJournal(store, log);
    // Whoever waited for the kubelet has gone with the process.
    for (const each of this.reserved()) if (each.state === 'open') this.lost(each.id);
    try {
      this.#journal.compact();
    } catch (cause) {
      const where = 'name a state directory that can be written';
      throw new Error(`the door's ledger cannot be written: ${explain(cause)}; ${where}`, { cause });
    }
  }

  get #state(): LedgerState {
    return this.#journal.state;
  }

  reserved(): readonly Reserved[] {
    return [...this.#state.reserved.values()];
  }

  /** What is counted of the request's namespace, and what is promised on the whole node. */
  usage(container: Container, disk: Disk): LedgerUsage {
    this.settle();
    const { namespace, pod } = container;
    const young: Archive[] = [];
    const reservations: Reservation[] = [];
    for (const each of this.#state.reserved.values()) {
      const archive = each.file === null ? null : this.#growing(each.file);
      if (archive === null) reservations.push(reservationOf(each));
      else young.push(wholeArchive(archive, each));
    }
    for (const claim of this.#state.claims()) {
      const archive = this.#growing(claim.file);
      if (archive !== null) young.push(wholeArchive(archive, claim));
    }
    // A namespace may have thousands: what one pod's tell is not looked for among all.
    const ofPod = [...this.#directory.archivesOf(namespace, pod), ...young];
    const lastStarted = this.#lastStarted(container, ofPod);
    return {
      archives: [...this.#directory.archivesOf(namespace), ...young],
      ofPod,
      reservations,
      disk,
      young: new Set(young.map(({ file }) => file)),
      ...(lastStarted !== null && { lastStarted }),
    };
  }

  /** The size of the container's last archive, there or not; null when none is remembered. */
  lastBytes(container: Container): number | null {
    return this.#state.last(container)?.bytes ?? null;
  }

  /**
   * Promises room. When this returns, the promise outlives the process.
   * @throws Refusal ledgerBroken
   */
  reserve(container: Container, podUid: string, bytes: number): Reserved {
    const { namespace, pod, container: name } = container;
    const since = this.#now();
    const id = randomUUID();
    try {
      // An archive that says it is from now, or from the future, is none that is to come.
      for (const { file, modifiedAt, bytes, identity } of this.#directory.archivesOf(namespace, pod)) {
        if (identity === null || !isSame(identity, container) || modifiedAt < since) continue;
        this.#journal.write({ op: 'claim', namespace, pod, container: name, file, modifiedAt, bytes });
      }
      this.#journal.write({ op: 'reserve', id, namespace, pod, container: name, podUid, bytes, since });
    } catch (cause) {
      throw Refusal.of('ledgerBroken', 'the promise of room for it cannot be written down', { cause });
    }
    const reserved = this.#state.reserved.get(id);
    if (reserved === undefined) throw new Error(`the reservation ${id} is not in the ledger`);
    return reserved;
  }

  /** The kubelet has named the archive. */
  answered(id: string, file: string): void {
    this.#journal.tell({ op: 'answer', id, file, until: this.#now() + ANSWERED_QUIET_MS });
  }

  /** The kubelet has said that it failed. */
  failed(id: string): void {
    this.#journal.tell({ op: 'end', id, until: this.#now() + FAILED_QUIET_MS });
  }

  /** Nobody knows what has become of it. */
  lost(id: string): void {
    const bytes = this.#state.reserved.get(id)?.bytes ?? 0;
    const quiet = Math.min(LOST_QUIET_MS + bytes / SLOW_BYTES_PER_MS, MOST_QUIET_MS);
    this.#journal.tell({ op: 'end', id, until: this.#now() + quiet });
  }

  /** Nothing was done, and nothing will come. */
  drop(id: string): void {
    this.#journal.tell({ op: 'drop', id });
  }

  /**
   * Takes out what the directory shows, and what it does not show any more.
   *
   * @param scannedFrom when the last look at the whole directory began, if it was good.
   */
  settle(scannedFrom: Instant | null = null): void {
    const now = this.#now();
    for (const each of this.reserved()) {
      if (!isPutOff(each, now)) continue;
      const { id, file } = each;
      const until = now + LOST_QUIET_MS;
      this.#journal.tell(file === null ? { op: 'end', id, until } : { op: 'answer', id, file, until });
    }
    // Before it was looked at, and while it cannot be, a directory says nothing of what is in it.
    const { ok } = this.#directory.state;
    for (const [id, { file, modifiedAt, bytes }] of ok ? this.#covered() : []) {
      this.#journal.tell({ op: 'settle', id, file, modifiedAt, bytes });
    }
    for (const each of this.#state.reserved.values()) {
      if (this.#hasLapsed(each, scannedFrom, now)) {
        const { id, namespace, pod, container } = each;
        this.#journal.tell({ op: 'drop', id });
        this.#log.info(
          { namespace, pod, container },
          'no archive has come of a checkpoint; its room is free again',
        );
      }
    }
    if (!ok) return;
    this.#state.pruneClaims(({ file, modifiedAt }) => {
      return now - modifiedAt < YOUNG_MS && this.#directory.get(file) !== null;
    });
  }

  /** When somebody should look at the directory for what may have lapsed; null when nothing can. */
  nextLapse(): Instant | null {
    let next: Instant | null = null;
    const now = this.#now();
    for (const each of this.#state.reserved.values()) {
      const until = isPutOff(each, now) ? now : each.until;
      if (until !== null && (next === null || until < next)) next = until;
    }
    return next;
  }

  close(): void {
    this.#journal.close();
  }

  #hasLapsed({ until, ...reserved }: Reserved, scannedFrom: Instant | null, now: Instant): boolean {
    if (until === null || now < until) return false;
    if (now >= Math.max(until, this.#openedAt) + MOST_SETTLING_MS) return true;
    if (scannedFrom === null || scannedFrom < until || !this.#directory.state.ok) return false;
    for (const { file, state, modifiedAt } of this.#directory.archives()) {
      if (state === 'growing' && modifiedAt >= reserved.since && isNamedFor(file, reserved)) return false;
    }
    return true;
  }

  /** While the kubelet is at it, an archive that comes may be another's, taken behind the door's back. */
  #covered(): Map<string, Archive> {
    const ended = this.reserved().filter(({ state }) => state !== 'open');
    const byNamespace = Map.groupBy(ended, ({ namespace }) => namespace);
    const covered = new Map<string, Archive>();
    for (const [namespace, reserved] of byNamespace) {
      const archives = this.#directory.archivesOf(namespace);
      const found = cover(reserved, archives, (archive) => this.#state.isClaimed(archive));
      for (const [id, archive] of found) covered.set(id, archive);
    }
    return covered;
  }

  #growing(file: string): Archive | null {
    const archive = this.#directory.get(file);
    return archive?.state === 'growing' ? archive : null;
  }

  #lastStarted(container: Container, archives: readonly Archive[]): Instant | null {
    const now = this.#now();
    const starts = archives.flatMap(({ identity, file, modifiedAt }) =>
      identity !== null && isSame(identity, container) ? [startOf(file) ?? modifiedAt] : [],
    );
    for (const each of this.#state.reserved.values()) if (isSame(each, container)) starts.push(each.since);
    const last = this.#state.last(container);
    if (last !== null) starts.push(last.since);
    const past = starts.filter((start) => start <= now + CLOCK_MS);
    return past.length === 0 ? null : Math.max(...past);
  }
}

/** No quiet time is as long: the clock was set back since. */
function isPutOff({ until }: Reserved, now: Instant): boolean {
  return until !== null && until - now > MOST_QUIET_MS;
}

function reservationOf({ id, namespace, pod, container, bytes, since }: Reserved): Reservation {
  return { id, namespace, pod, container, bytes, since };
}

/** An archive that is known to be whole and whose it is, before the inventory has read it. */
function wholeArchive(archive: Archive, { namespace, pod, container }: Container): Archive {
  const { unidentifiedBecause: _, ...known } = archive;
  return { ...known, state: 'complete', identity: { namespace, pod, container, podUid: null } };
}
