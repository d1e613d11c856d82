import type { OpenFile } from '../system/files.ts';
import type { Pace } from '../system/pace.ts';
import { EXTENSION_LIMIT, type Place, TarWalk } from './tar.ts';
import { BLOCK, Block } from './tar-header.ts';

/**
 * Bytes of an archive that may be read for the headers behind a header, and then are none: with the few that tell
 * whether it is packed less than 8 KiB beside its headers and its `spec.dump`.
 */
export const READ_AHEAD_LIMIT = 15 * BLOCK;

/** What was read ahead, of one file at a time: archives are many, and seldom read at once. */
const ahead = { of: null as MeteredFile | null, from: 0, to: 0, bytes: Buffer.alloc(4 * 1024) };

/** A `spec.dump` has some 10 KB. One for all: what is read here is made an object of before anything else is read. */
const content = Buffer.alloc(64 * 1024);

/** Counts what is read of a file, for budgets and for tests that assert the work done. */
export class MeteredFile {
  readonly #file: OpenFile;
  #bytesRead = 0;
  #reads = 0;
  /** How many more bytes may be read that nobody has asked for. */
  #spare = READ_AHEAD_LIMIT;

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

  /**
   * The same for a block or two, with up to `more` bytes behind them in the same call: asked for next, they take none.
   * Calls take longer than bytes.
   */
  readAhead(into: Buffer, length: number, position: number, more: number): number {
    if (ahead.of === this && ahead.from <= position && position + length <= ahead.to) {
      this.#spare += length;
      const start = position - ahead.from;
      ahead.bytes.copy(into, 0, start, start + length);
      return length;
    }
    const spare = Math.min(more, this.#spare, ahead.bytes.length - length);
    if (spare <= 0) return this.read(into, length, position);
    ahead.of = null;
    const got = this.read(ahead.bytes, length + spare, position);
    Object.assign(ahead, { of: this, from: position, to: position + got });
    this.#spare -= Math.max(0, got - length);
    ahead.bytes.copy(into, 0, 0, Math.min(got, length));
    return Math.min(got, length);
  }

  /** The content at `place`, which stands until something else is read; null when the file is shorter. */
  readPlace({ at, bytes }: Place): Buffer | null {
    const into = bytes <= content.length ? content.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
    return this.read(into, bytes, at) === bytes ? into : null;
  }
}

/** One for all walks: nothing waits between a read and its use. */
const block = new Block(EXTENSION_LIMIT);

/** How many headers between two looks at the clock. */
const STRIDE = 32;

/** From a header to the next over content of one block: where one such entry is there are more. */
const SHORT_HOP = 2 * BLOCK;

/** Three more headers of such entries. */
const MORE = 3 * SHORT_HOP;

function readInto(file: MeteredFile, length: number, at: number, more: number): number {
  return length === BLOCK
    ? file.readAhead(block.bytes, length, at, more)
    : file.read(block.bytes, length, at);
}

/** Walks an uncompressed archive of `size` bytes by positional reads. */
export async function walkFile(file: MeteredFile, size: number, pace: Pace): Promise<TarWalk> {
  const walk = new TarWalk();
  let last = -SHORT_HOP;
  while (walk.want > 0) {
    const { at, want } = walk;
    const more = at - last === SHORT_HOP ? MORE : 0;
    last = at;
    const fits = at + want <= size;
    if (fits && readInto(file, want, at, more) === want) walk.take(block);
    else walk.end(size);
    if (walk.headers % STRIDE === STRIDE - 1 && pace.due()) await pace.rest();
  }
  return walk;
}
