import type { OpenFile } from '../system/files.ts';
import type { Pace } from '../system/pace.ts';
import { EXTENSION_LIMIT, type Place, TarWalk } from './tar.ts';
import { Block } from './tar-header.ts';

/** Counts what is read of a file, for budgets and for tests that assert the work done. */
export class MeteredFile {
  readonly #file: OpenFile;
  #bytesRead = 0;
  #reads = 0;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get reads(): number {
    return this.#reads;
  }

  /** How many bytes now stand at the start of `into`. */
  read(into: Buffer, length: number, position: number): number {
    const got = this.#file.read(into, length, position);
    this.#bytesRead += got;
    this.#reads++;
    return got;
  }

  /** The content at `place`, in memory of its own; null when the file is shorter. */
  readPlace({ at, bytes }: Place): Buffer | null {
    const content = Buffer.allocUnsafe(bytes);
    return this.read(content, bytes, at) === bytes ? content : null;
  }
}

/** One for all walks: nothing waits between a read and its use. */
const block = new Block(EXTENSION_LIMIT);

/** How many headers between two looks at the clock. */
const STRIDE = 32;

/** Walks an uncompressed archive of `size` bytes by positional reads. */
export async function walkFile(file: MeteredFile, size: number, pace: Pace): Promise<TarWalk> {
  const walk = new TarWalk();
  while (walk.want > 0) {
    const fits = walk.at + walk.want <= size;
    if (fits && file.read(block.bytes, walk.want, walk.at) === walk.want) walk.take(block);
    else walk.end(size);
    if (walk.headers % STRIDE === STRIDE - 1 && pace.due()) await pace.rest();
  }
  return walk;
}
