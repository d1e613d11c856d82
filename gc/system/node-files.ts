import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  type Dir,
  type Dirent,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readSync,
  type StatSyncFn,
  statSync,
  watch,
} from 'node:fs';
import { link, rename, statfs, unlink } from 'node:fs/promises';
import {
  type Anchor,
  errorCode,
  type FileFacts,
  type FileName,
  type FileSystem,
  type OpenFile,
} from './files.ts';
import { exactFactsOf, factsOf, holdsInode } from './stats.ts';

/** Without O_NONBLOCK, opening a FIFO would wait for its writer for ever. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Names fetched from the system at once; to look at so many takes two milliseconds. */
const NAMES_AT_ONCE = 512;

const PLAIN = { throwIfNoEntry: false } as const;
const EXACT = { bigint: true, throwIfNoEntry: false } as const;

/** The machine's own file system. */
export const nodeFiles: FileSystem = {
  list: namesIn,
  lstat: (path) => look(lstatSync, path),
  stat: (path) => look(statSync, path),
  exists: (path) => look(lstatSync, path) !== null,
  open: (path) => new NodeFile(openSync(path, OPEN_FLAGS)),
  anchor: (directory) => new NodeAnchor(directory),
  rename,
  link,
  unlink,
  async statfs(path) {
    const facts = await statfs(path, { bigint: true });
    return {
      totalBytes: Number(facts.blocks * facts.bsize),
      // As the kubelet counts: what root alone may use is not free.
      freeBytes: Number(facts.bavail * facts.bsize),
      totalInodes: Number(facts.files),
      freeInodes: Number(facts.ffree),
    };
  },
  watch(directory, handlers) {
    const watcher = watch(directory, { persistent: false }, (_, name) => handlers.event(name));
    watcher.on('error', (error) => handlers.error(error));
    return () => watcher.close();
  },
};

async function* namesIn(directory: string): AsyncGenerator<readonly FileName[]> {
  // latin1 keeps every byte of a name; utf8 would put U+FFFD in the place of what is not valid.
  const listing = opendirSync(directory, { encoding: 'latin1', bufferSize: NAMES_AT_ONCE });
  try {
    let next = fetched(listing);
    for (let first = await next; first !== null; first = await next) {
      const names = [decodeName(first.name)];
      while (names.length < NAMES_AT_ONCE) {
        // What was fetched with it.
        const entry = listing.readSync();
        if (entry === null) break;
        names.push(decodeName(entry.name));
      }
      next = fetched(listing);
      yield names;
    }
  } finally {
    await listing.close();
  }
}

/** In a thread of its own, together with those that follow it. */
function fetched(listing: Dir): Promise<Dirent | null> {
  const entry = listing.read();
  // Where it fails, whoever waits for it is told.
  entry.catch(() => {});
  return entry;
}

/**
 * By way of the descriptor, for node has no `renameat`: who swaps the directory for a link between two calls would
 * have the second one act on what the link leads to.
 */
class NodeAnchor implements Anchor {
  readonly path: string;
  readonly #descriptor: number;

  constructor(directory: string) {
    this.#descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    const path = `/proc/self/fd/${this.#descriptor}`;
    // Elsewhere than on Linux, and without /proc, there is the name alone.
    this.path = isDirectory(path) ? path : directory;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function isDirectory(path: string): boolean {
  return look(statSync, path)?.kind === 'directory';
}

class NodeFile implements OpenFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  facts(): FileFacts {
    const stats = fstatSync(this.#descriptor);
    return holdsInode(stats) ? factsOf(stats) : exactFactsOf(fstatSync(this.#descriptor, { bigint: true }));
  }

  read(into: Buffer, length: number, position: number): number {
    return readSync(this.#descriptor, into, 0, length, position);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a name may hold any byte but / and NUL
const ASCII = /^[\x00-\x7f]*$/;

function decodeName(latin1: string): FileName {
  if (ASCII.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes;
}

/** No file can have a name that is too long: an archive may fill its 255 bytes, and then it has no pin. */
function look(stat: StatSyncFn, path: FileName): FileFacts | null {
  try {
    const stats = stat(path, PLAIN);
    if (stats === undefined) return null;
    if (holdsInode(stats)) return factsOf(stats);
    const exact = stat(path, EXACT);
    return exact === undefined ? null : exactFactsOf(exact);
  } catch (error) {
    if (errorCode(error) === 'ENAMETOOLONG') return null;
    throw error;
  }
}
