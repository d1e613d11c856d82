import type { Archive, Instant } from '../../policy/types.ts';
import type { Reading, Runtime } from '../archive/identity.ts';
import type { FileFacts } from '../system/files.ts';
import type { Known } from './archive-set.ts';

const NS_OF_MS = 1_000_000n;

/** No part of a millisecond. */
const NEVER = 2_000_000;

/**
 * An archive as a look has found it. A `bigint` takes 32 bytes, and an archive has three: an inode that is a whole
 * number as others are is kept as one, and of a time what its milliseconds leave, for `Archive` has those.
 */
export class KnownFile implements Known {
  archive: Archive;
  stillSince: Instant;
  seenIn: number;
  runtime: Runtime | null = null;
  hint: string | null = null;
  early: Reading | null = null;
  readAgain = false;
  isWhole = false;
  isRecalled = false;
  told: Archive | null | undefined = undefined;
  readonly #inode: number | bigint;
  /** Nanoseconds. */
  readonly #modifiedRest: number;
  /** Milliseconds between mtime and ctime, mostly 0. */
  #changedLater = 0;
  /** Nanoseconds; `NEVER` where no ctime is known. */
  #changedRest = NEVER;

  /** @param archive of these facts: its mtime is theirs. */
  constructor(archive: Archive, { inode, modifiedNs }: FileFacts, now: Instant, scan: number) {
    this.archive = archive;
    this.stillSince = now;
    this.seenIn = scan;
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

  /** Whether a look sees the file that is known, unchanged. The device is the directory's. */
  isAsSeen({ inode, modifiedNs, bytes }: FileFacts): boolean {
    return (
      this.archive.bytes === bytes &&
      this.archive.modifiedAt === Number(modifiedNs / NS_OF_MS) &&
      this.#modifiedRest === Number(modifiedNs % NS_OF_MS) &&
      this.#inode === compact(inode)
    );
  }
}

function compact(inode: bigint): number | bigint {
  return inode <= Number.MAX_SAFE_INTEGER ? small(Number(inode)) : inode;
}

/** The same number; one of 32 bits in the form that takes no memory of its own. */
function small(value: number): number {
  const short = value | 0;
  return short === value ? short : value;
}
