import type { Archive, Instant } from '../../policy/types.ts';
import { RUNTIMES } from '../archive/annotations.ts';
import type { Reading, Runtime } from '../archive/identity.ts';
import type { FileFacts, Inode } from '../system/files.ts';
import type { Known } from './archive-set.ts';

/** No part of a millisecond. */
const NEVER = 2_000;

/** Instants are kept as milliseconds since then: within 24 days of it a number takes no memory of its own. */
const ORIGIN = Date.now();

/** What is either so or not, as bits; above them the place of the runtime in `RUNTIMES`, from 1 on, and the scan. */
const READ_AGAIN = 1;
const WHOLE = 2;
const RECALLED = 4;
const SETTLED = 8;
const RUNTIME_SHIFT = 4;
const RUNTIME_MASK = 7;
const SCAN_SHIFT = 7;

/** What few archives have. */
interface Rare {
  readonly hint: string | null;
  readonly early: Reading | null;
}

const NOTHING: Rare = { hint: null, early: null };

/**
 * An archive as a look has found it. A number above 2^31 takes 16 bytes more, and a time is one: it is kept as what it
 * is later than another, in milliseconds, and the microseconds that those leave. `Archive` has the mtime's milliseconds.
 */
export class KnownFile implements Known {
  archive: Archive;
  told: Archive | null | undefined = undefined;
  at = 0;
  readonly inode: Inode;
  /** Microseconds. */
  readonly #modifiedRest: number;
  /** Milliseconds between mtime and ctime, mostly 0. */
  #changedLater = 0;
  /** Microseconds; `NEVER` where no ctime is known. */
  #changedRest = NEVER;
  #still: number;
  #state: number;
  #rare = NOTHING;

  /** @param archive of these facts: its mtime is theirs. */
  constructor(archive: Archive, { inode, modifiedUs }: FileFacts, now: Instant, scan: number) {
    this.archive = archive;
    this.#still = small(now - ORIGIN);
    this.#state = scan << SCAN_SHIFT;
    this.inode = typeof inode === 'number' ? small(inode) : inode;
    this.#modifiedRest = small(modifiedUs - archive.modifiedAt * 1_000);
  }

  get modifiedUs(): number {
    return this.archive.modifiedAt * 1_000 + this.#modifiedRest;
  }

  get changedUs(): number | null {
    if (this.#changedRest === NEVER) return null;
    return (this.archive.modifiedAt + this.#changedLater) * 1_000 + this.#changedRest;
  }

  set changedUs(changedUs: number | null) {
    const changedAt = changedUs === null ? 0 : Math.floor(changedUs / 1_000);
    this.#changedLater = changedUs === null ? 0 : small(changedAt - this.archive.modifiedAt);
    this.#changedRest = changedUs === null ? NEVER : small(changedUs - changedAt * 1_000);
  }

  get stillSince(): Instant {
    return this.#still + ORIGIN;
  }

  set stillSince(since: Instant) {
    this.#still = small(since - ORIGIN);
  }

  get seenIn(): number {
    return this.#state >>> SCAN_SHIFT;
  }

  set seenIn(scan: number) {
    this.#state = (scan << SCAN_SHIFT) | (this.#state & ((1 << SCAN_SHIFT) - 1));
  }

  get runtime(): Runtime | null {
    return RUNTIMES[((this.#state >>> RUNTIME_SHIFT) & RUNTIME_MASK) - 1] ?? null;
  }

  set runtime(runtime: Runtime | null) {
    const place = runtime === null ? 0 : RUNTIMES.indexOf(runtime) + 1;
    this.#state = (this.#state & ~(RUNTIME_MASK << RUNTIME_SHIFT)) | (place << RUNTIME_SHIFT);
  }

  get readAgain(): boolean {
    return (this.#state & READ_AGAIN) !== 0;
  }

  set readAgain(isSo: boolean) {
    this.#set(READ_AGAIN, isSo);
  }

  get isWhole(): boolean {
    return (this.#state & WHOLE) !== 0;
  }

  set isWhole(isSo: boolean) {
    this.#set(WHOLE, isSo);
  }

  get isRecalled(): boolean {
    return (this.#state & RECALLED) !== 0;
  }

  set isRecalled(isSo: boolean) {
    this.#set(RECALLED, isSo);
  }

  get isSettled(): boolean {
    return (this.#state & SETTLED) !== 0;
  }

  set isSettled(isSo: boolean) {
    this.#set(SETTLED, isSo);
  }

  get hint(): string | null {
    return this.#rare.hint;
  }

  set hint(hint: string | null) {
    if (hint !== this.#rare.hint) this.#rare = rare(hint, this.#rare.early);
  }

  get early(): Reading | null {
    return this.#rare.early;
  }

  set early(early: Reading | null) {
    if (early !== this.#rare.early) this.#rare = rare(this.#rare.hint, early);
  }

  /** Whether a look sees the file that is known, unchanged. The device is the directory's. */
  isAsSeen({ inode, modifiedUs, bytes }: FileFacts): boolean {
    return this.archive.bytes === bytes && this.modifiedUs === modifiedUs && this.inode === inode;
  }

  isTouched({ changedUs }: FileFacts): boolean {
    return this.changedUs !== changedUs;
  }

  #set(bit: number, isSo: boolean): void {
    this.#state = isSo ? this.#state | bit : this.#state & ~bit;
  }
}

function rare(hint: string | null, early: Reading | null): Rare {
  return hint === null && early === null ? NOTHING : { hint, early };
}

/** The same number; one of 32 bits in the form that takes no memory of its own. */
export function small(value: number): number {
  const short = value | 0;
  return short === value ? short : value;
}
