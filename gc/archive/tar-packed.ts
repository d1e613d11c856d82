import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { errorCode } from '../system/files.ts';
import { EXTENSION_LIMIT, type Place, TarWalk } from './tar.ts';
import type { MeteredFile } from './tar-file.ts';
import { Block } from './tar-header.ts';

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;

/**
 * What may go into a decompressor, and what may come out of it. Identity stands behind the memory pages, so all
 * before it must be decompressed: 64 MiB take some 0.1 s of a pool thread.
 */
export const PACKED_LIMIT = 64 * MIB;

/** 2^25 = 32 MiB; zstd's own default would let a file ask for 128 MiB of memory. */
const ZSTD_WINDOW_LOG = 25;

export type Packing = 'gzip' | 'zstd';

/** The compression, by a file's first four bytes; null when it has none. */
export function packingOf(magic: Buffer): Packing | null {
  if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip';
  return magic.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : null;
}

/** What a walk through a compressed archive has found. */
export interface PackedWalk {
  readonly walk: TarWalk;
  /** Why it could not be decompressed to its end, in words. */
  readonly fault: string | null;
  /** Length of the decompressed archive. */
  readonly bytes: number;
  /** Bytes of the file behind its compressed stream. */
  readonly bytesBehind: number;
  /** What stands at a place of the walk; null where it was longer than what is kept. */
  content(place: Place): Buffer | null;
}

/**
 * Walks a compressed archive of `size` bytes, decompressing it in memory and keeping the first `spec.dump` and
 * `config.dump` up to `keepBytes` each. Throws what reading the file throws.
 */
export async function walkPacked(
  file: MeteredFile,
  size: number,
  packing: Packing,
  keepBytes: number,
): Promise<PackedWalk> {
  const stream = new StreamWalk(keepBytes);
  const unpack = decompressor(packing);
  let fault: string | null = null;
  try {
    await pipeline(Readable.from(chunksOf(file, size)), unpack, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) stream.take(chunk);
    });
    stream.end();
  } catch (error) {
    fault = faultOf(error, packing);
  }
  return {
    walk: stream.walk,
    fault,
    bytes: stream.position,
    bytesBehind: fault === null ? size - unpack.bytesWritten : 0,
    content: (place) => stream.content(place),
  };
}

class OverLimit extends Error {}

function faultOf(error: unknown, packing: Packing): string {
  if (error instanceof OverLimit) return error.message;
  const code = errorCode(error);
  const ofStream = code?.startsWith('Z') || code === 'ERR_STREAM_PREMATURE_CLOSE';
  if (!ofStream) throw error;
  if (code === 'Z_BUF_ERROR') return `truncated: its ${packing} stream ends early`;
  return `its ${packing} stream is damaged, or asks for more memory than it may`;
}

function decompressor(packing: Packing): Gunzip | ZstdDecompress {
  if (packing === 'gzip') return createGunzip({ chunkSize: CHUNK });
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };
  return createZstdDecompress({ chunkSize: CHUNK, params });
}

function* chunksOf(file: MeteredFile, size: number): Generator<Buffer> {
  for (let at = 0; at < size; at += CHUNK) {
    // Empty members yield nothing, so what comes out does not bound what goes in.
    if (at >= PACKED_LIMIT) throw new OverLimit(`it is compressed and longer than ${PACKED_LIMIT / MIB} MiB`);
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
    yield chunk.subarray(0, file.read(chunk, chunk.length, at));
  }
}

/** Feeds a walk from chunks that come one after the other. */
class StreamWalk {
  readonly walk = new TarWalk();
  /** Of its own: a header can begin in one chunk and end in the next. */
  readonly #block = new Block(EXTENSION_LIMIT);
  readonly #keepBytes: number;
  readonly #kept = new Map<Place, Buffer>();
  #filled = 0;
  #position = 0;

  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  get position(): number {
    return this.#position;
  }

  take(chunk: Buffer): void {
    if (this.#position + chunk.length > PACKED_LIMIT) {
      throw new OverLimit(`it is compressed, and longer than ${PACKED_LIMIT / MIB} MiB when it is not`);
    }
    this.#feed(chunk);
    for (const [place, content] of this.#kept) this.#keepPart(chunk, place, content);
    this.#position += chunk.length;
  }

  end(): void {
    if (this.walk.want > 0) this.walk.end(this.#position);
  }

  content(place: Place): Buffer | null {
    const content = this.#kept.get(place);
    return content !== undefined && place.at + place.bytes <= this.#position ? content : null;
  }

  #feed(chunk: Buffer): void {
    const { walk } = this;
    while (walk.want > 0) {
      const from = walk.at + this.#filled - this.#position;
      const length = Math.min(walk.want - this.#filled, chunk.length - from);
      if (length <= 0) return;
      chunk.copy(this.#block.bytes, this.#filled, from, from + length);
      this.#filled += length;
      if (this.#filled < walk.want) return;
      this.#filled = 0;
      walk.take(this.#block);
      this.#keep(walk.specs[0]);
      this.#keep(walk.config);
    }
  }

  #keep(place: Place | null | undefined): void {
    if (!place || place.bytes > this.#keepBytes || this.#kept.has(place)) return;
    this.#kept.set(place, Buffer.alloc(place.bytes));
  }

  #keepPart(chunk: Buffer, place: Place, content: Buffer): void {
    const from = Math.max(place.at, this.#position);
    const to = Math.min(place.at + place.bytes, this.#position + chunk.length);
    if (from < to) chunk.copy(content, from - place.at, from - this.#position, to - this.#position);
  }
}
