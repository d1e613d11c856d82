import { type BigIntStats, constants, type Stats } from 'node:fs';
import type { FileFacts, FileKind, Inode } from './files.ts';

/** What `st_blocks` counts in, whatever the file system's own block is. */
const BLOCK_BYTES = 512;

const NS_OF_S = 1_000_000_000n;

const { S_IFMT, S_IFREG } = constants;

const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'link'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

/** Whether its inode is what the kernel said; beyond 2^53 a number holds a neighbour, and a second look is needed. */
export function holdsInode({ ino }: Stats): boolean {
  return Number.isSafeInteger(ino);
}

/** Of stats whose inode a number holds (`holdsInode`): made and compared in half of the time that bigints take. */
export function factsOf(stats: Stats): FileFacts {
  return {
    kind: kindOf(stats.mode),
    bytes: stats.size,
    allocatedBytes: stats.blocks * BLOCK_BYTES,
    modifiedUs: microsecondsOf(stats.mtimeMs),
    device: stats.dev,
    inode: stats.ino,
    links: stats.nlink,
    changedUs: microsecondsOf(stats.ctimeMs),
  };
}

/** The same facts of the same file, with an inode of any size. */
export function exactFactsOf(stats: BigIntStats): FileFacts {
  return {
    kind: kindOf(Number(stats.mode)),
    bytes: Number(stats.size),
    allocatedBytes: Number(stats.blocks) * BLOCK_BYTES,
    modifiedUs: microseconds(stats.mtimeNs),
    device: Number(stats.dev),
    // Node takes the 64 bits for those of a signed number.
    inode: inodeOf(BigInt.asUintN(64, stats.ino)),
    links: Number(stats.nlink),
    changedUs: microseconds(stats.ctimeNs),
  };
}

/** In the one form that it has in facts. */
export function inodeOf(inode: bigint): Inode {
  return inode <= Number.MAX_SAFE_INTEGER ? Number(inode) : inode;
}

/**
 * A time of the kernel's in whole microseconds: the same ones, to the last, as of the plain stats of the same file.
 * @param ns since the epoch; of a whole number of microseconds that number comes out, until 2248.
 */
export function microseconds(ns: bigint): number {
  // As node makes `mtimeMs`, in the same steps, each of which rounds.
  return microsecondsOf(Number(ns / NS_OF_S) * 1_000 + Number(ns % NS_OF_S) / 1_000_000);
}

/*
 * At today's dates a double holds milliseconds to 0.24 µs, so the nearest microsecond is what can be told of them.
 * Rounding keeps the order of times, before 1970 too; two that are 2 µs apart differ, and from 2248 on, when a double
 * holds no more, two that are 4 µs apart. No change hides in that: an archive is judged when it stood still for a
 * second, and a ctime is believed when it is a fifth of one old (`hasSettled`), so whatever is written after a look has
 * a time that is later by far more.
 */
function microsecondsOf(ms: number): number {
  return Math.round(ms * 1_000);
}

function kindOf(mode: number): FileKind {
  const format = mode & S_IFMT;
  return format === S_IFREG ? 'file' : (KINDS.get(format) ?? 'device');
}
