import type { Disk } from '../../policy/types.ts';

export type FileKind = 'file' | 'directory' | 'link' | 'fifo' | 'socket' | 'device';

/** A `bigint` where no number holds it, and there alone: so `===` compares. Overlayfs uses the upper bits. */
export type Inode = number | bigint;

/** Which file it is and which content it has, as far as a look can tell. */
export interface Stamp {
  readonly device: number;
  readonly inode: Inode;
  readonly bytes: number;
  /** Whole microseconds since the epoch: milliseconds would miss an overwrite within one. */
  readonly modifiedUs: number;
}

/** A slim copy of what stat(2) says; an `fs.Stats` takes 877 bytes. */
export interface FileFacts extends Stamp {
  readonly kind: FileKind;
  /** Disk in use: blocks, not length. */
  readonly allocatedBytes: number;
  /** How many hard links it has. */
  readonly links: number;
  /** When content or attributes changed last, whole microseconds since the epoch: nobody can set it, unlike mtime. */
  readonly changedUs: number;
}

/** A name as the directory holds it: bytes where it is not valid UTF-8. */
export type FileName = string | Buffer;

/** The names of a directory, some at a time, without `.` and `..`, in no order. Whoever stops early ends it. */
export type Listing = AsyncIterable<readonly FileName[]>;

export interface OpenFile {
  facts(): FileFacts;
  /** Reads up to `length` bytes at `position` into `into`, from its start; returns how many, fewer at the end. */
  read(into: Buffer, length: number, position: number): number;
  close(): void;
}

/** A directory that is held open: its path leads to it, whatever takes its name meanwhile. */
export interface Anchor {
  readonly path: string;
  close(): void;
}

export interface WatchHandlers {
  /** Something happened under this name; null when the system does not say where. */
  event(name: string | null): void;
  error(error: unknown): void;
}

/**
 * What the collector needs of a file system. Looking and reading are synchronous: a warm call takes a
 * microsecond, its asynchronous form ten times that; who calls in a loop yields (`Pace`). What may take long
 * (a gigabyte takes 0.2 s to unlink), or can be done for many at once, is asynchronous.
 *
 * Every failure is thrown as node's own error with its `code`; `explain` makes a sentence of it.
 */
export interface FileSystem {
  /** Fetches the next names while those before are looked at. Where there is no directory, the first step throws. */
  list(directory: string): Listing;
  /** Null when nothing is there. Does not follow a link. */
  lstat(path: FileName): FileFacts | null;
  /** Null when nothing is there. Follows links. */
  stat(path: FileName): FileFacts | null;
  exists(path: FileName): boolean;
  /** For reading; refuses a link (ELOOP) and does not wait for a FIFO's writer. */
  open(path: FileName): OpenFile;
  /** Throws where there is no directory. Follows links. */
  anchor(directory: string): Anchor;
  /** Replaces what has the name `to`. */
  rename(from: FileName, to: FileName): Promise<void>;
  /** Gives a file a further name; never replaces what has that name (EEXIST). */
  link(existing: FileName, name: FileName): Promise<void>;
  unlink(path: FileName): Promise<void>;
  statfs(path: string): Promise<Disk>;
  /** Throws where the system has no watch left. Returns what ends it. */
  watch(directory: string, handlers: WatchHandlers): () => void;
}

/** Whether two looks saw the same file with the same content. */
export function isSameStamp(a: Stamp, b: Stamp): boolean {
  return a.modifiedUs === b.modifiedUs && a.bytes === b.bytes && a.inode === b.inode && a.device === b.device;
}

/** The path of a name in a directory. */
export function pathOf(directory: string, name: FileName): FileName {
  const prefix = directory.endsWith('/') ? directory : `${directory}/`;
  return typeof name === 'string' ? prefix + name : Buffer.concat([Buffer.from(prefix), name]);
}

/** The `code` of a file system's error (`ENOENT`); null of anything else. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it does not exist'],
  ['ENOTDIR', 'it is not a directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'not permitted, as for an immutable file'],
  ['EROFS', 'the file system is read-only'],
  ['EDQUOT', 'the quota of the disk is used up'],
  ['EIO', 'input/output error of the disk'],
  ['ELOOP', 'it is a symbolic link'],
  ['EMFILE', 'too many files are open'],
  ['ENFILE', 'too many files are open on this machine'],
  ['ENOSPC', 'no space left'],
  ['ESTALE', 'the network file system lost it'],
  ['EADDRINUSE', 'it is in use'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
]);

/** Whether an error says that the disk, or its quota, is used up. */
export function isNoRoom(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What went wrong in words, with the code: `permission denied (EACCES)`. Never holds a path. */
export function explain(error: unknown): string {
  const code = errorCode(error);
  if (code === null) return error instanceof Error ? error.message : String(error);
  const words = WORDS.get(code);
  return words === undefined ? code : `${words} (${code})`;
}
