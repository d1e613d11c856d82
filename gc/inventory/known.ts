import type { Archive, Instant } from '../../policy/types.ts';
import { RUNTIMES } from '../archive/annotations.ts';
import type { Reading, Runtime } from '../archive/identity.ts';
import type { FileFacts } from '../system/files.ts';
import type { Known } from './archive-set.ts';

const NS_OF_MS = 1_000_000n;

/** No part of a millisecond. */
const NEVER = 2_000_000;

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
 * An archive as a look has found it. A `bigint` takes 32 bytes, and an archive has three: an inode that is a whole
 * number as others are is kept as one, and of a time what its milliseconds leave, for `Archive` has those.
 */
export class KnownFile implements Known {
  archive: Archive;
  told: Archive | null | undefined = undefined;
  at = 0;
  readonly #inode: number | bigint;
  /** Nanoseconds. */
  readonly #modifiedRest: number;
  /** Milliseconds between mtime and ctime, mostly 0. */
  #changedLater = 0;
  /** Nanoseconds; `NEVER` where no ctime is known. */
  #changedRest = NEVER;
  #still: number;
  #state: number;
  #rare = NOTHING;

  /** @param archive of these facts: its mtime is theirs. */
  constructor(archive: Archive, { inode, modifiedNs }: FileFacts, now: Instant, scan: number) {
    this.archive = archive;
    this.#still = small(now - ORIGIN);
    this.#state = scan << SCAN_SHIFT;
    this.#inode = compact(inode);
    this.#modifiedRest = small(Number(modifiedNs % NS_OF_MS));
  }

  get inode(): bigint {
    return BigInt(this.#inode);
  }

  get modifiedNs(): bigint {
    return BigInt(this.archive.modifiedAt) * NS_OF_MS + BigInt(this.#modifiedRest);
  }

  get changedNs(): bigint | null {
    if (this.#changedRest === NEVER) return null;
    return BigInt(this.archive.modifiedAt + this.#changedLater) * NS_OF_MS + BigInt(this.#changedRest);
  }

  set changedNs(changedNs: bigint | null) {
    this.#changedLater =
      changedNs === null ? 0 : small(Number(changedNs / NS_OF_MS) - this.archive.modifiedAt);
    this.#changedRest = changedNs === null ? NEVER : small(Number(changedNs % NS_OF_MS));
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
  isAsSeen({ inode, modifiedNs, bytes }: FileFacts): boolean {
    return (
      this.archive.bytes === bytes &&
      this.archive.modifiedAt === Number(modifiedNs / NS_OF_MS) &&
      this.#modifiedRest === Number(modifiedNs % NS_OF_MS) &&
      this.#inode === compact(inode)
    );
  }

  isTouched({ changedNs }: FileFacts): boolean {
    return (
      this.#changedRest === NEVER ||
      this.archive.modifiedAt + this.#changedLater !== Number(changedNs / NS_OF_MS) ||
      this.#changedRest !== Number(changedNs % NS_OF_MS)
    );
  }

  #set(bit: number, isSo: boolean): void {
    this.#state = isSo ? this.#state | bit : this.#state & ~bit;
  }
}

function rare(hint: string | null, early: Reading | null): Rare {
  return hint === null && early === null ? NOTHING : { hint, early };
}

function compact(inode: bigint): number | bigint {
  return inode <= Number.MAX_SAFE_INTEGER ? small(Number(inode)) : inode;
}

/** The same number; one of 32 bits in the form that takes no memory of its own. */
function small(value: number): number {
  const short = value | 0;
  return short === value ? short : value;
}
