import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { type Place, EXTENSION_LIMIT, TarWalk } from './tar.ts';
import { Block } from './tar-header.ts';
import type { MeteredFile } from './tar-file.ts';

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;

/**
 * What may go into a decompressor and what may come out of it, each. Identity stands behind the memory pages,
 * so all before it must be decompressed: 64 MiB take some 0.2 s of one pool thread.
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
  /** Why it could not be walked to its end, in words. */
  readonly fault: string | null;
  /** Of the decompressed archive. */
  readonly bytes: number;
  /** What stands at a place of the walk, unless it is longer than `keep` allowed. */
  content(place: Place): Buffer | null;
}

/** Walks a compressed archive of `size` bytes, decompressing it in memory; keeps small contents on the way. */
export async function walkPacked(
  file: MeteredFile,
  size: number,
  packing: Packing,
  keep: { readonly specBytes: number; readonly configBytes: number },
): Promise<PackedWalk> {
  const stream = new StreamWalk(keep);
  let fault: string | null = null;
  try {
    await pipeline(Readable.from(chunksOf(file, size)), decompressor(packing), async (chunks) => {
      for await (const chunk of chunks) stream.take(chunk);
    });
    stream.end();
  } catch (error) {
    fault = error instanceof OverLimit ? error.message : `its ${packing} compression is damaged`;
  }
  return { walk: stream.walk, fault, bytes: stream.position, content: (place) => stream.content(place) };
}

class OverLimit extends Error {}

function decompressor(packing: Packing): Transform {
  if (packing === 'gzip') return createGunzip({ chunkSize: CHUNK });
  return createZstdDecompress({
    chunkSize: CHUNK,
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
  });
}
