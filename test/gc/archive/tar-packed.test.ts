import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { MeteredFile } from '../../../gc/archive/tar-file.ts';
import {
  PACKED_LIMIT,
  type PackedWalk,
  type Packing,
  packingOf,
  walkPacked,
} from '../../../gc/archive/tar-packed.ts';
import { archive, bytesOf, entry, header, MARKER, manifest, smallArchive } from '../archives.ts';
import { readAt } from '../fake-files.ts';
import { seeded } from '../random.ts';

const KEEP = 1 << 20;
const PACKERS: readonly [Packing, (bytes: Buffer) => Buffer][] = [
  ['gzip', (bytes) => gzipSync(bytes)],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
];

function meter(bytes: Buffer): MeteredFile {
  return new MeteredFile({
    facts: () => assert.fail(),
    read: (into, length, position) => readAt(bytes, into, length, position),
    close() {},
  });
}

function walk(bytes: Buffer, packing: Packing, keep = KEEP): Promise<PackedWalk> {
  return walkPacked(meter(bytes), bytes.length, packing, keep);
}

describe('tar-packed', () => {
  it('is told by its first bytes', () => {
    for (const row of manifest) {
      const expected = row.compression === 'none' ? null : row.compression;
      assert.equal(packingOf(bytesOf(row).subarray(0, 4)), expected, row.file);
    }
    assert.equal(packingOf(Buffer.alloc(4)), null);
  });

  for (const [packing, pack] of PACKERS) {
    it(`${packing}: walks and keeps spec.dump and config.dump`, async () => {
      const row = manifest.find(({ compression }) => compression === packing) ?? assert.fail();
      const { walk: found, fault, bytes, bytesBehind, content } = await walk(bytesOf(row), packing);
      assert.equal(fault, null);
      assert.equal(found.endMarkerAt, row.endMarkerAt);
      assert.equal(bytes, (row.endMarkerAt ?? 0) + MARKER.length);
      assert.equal(bytesBehind, 0);
      const [spec] = found.specs;
      assert.ok(spec !== undefined && found.config !== null);
      assert.equal(JSON.parse(String(content(spec))).ociVersion, '1.2.1');
      assert.equal(JSON.parse(String(content(found.config))).name, 'counter');
    });

    it(`${packing}: a header may begin in one chunk and end in the next`, async () => {
      // What cannot be compressed comes out in pieces that are a little shorter than those that go in.
      const random = seeded(1);
      const noise = () => Buffer.from(Array.from({ length: 500 }, () => random(256)));
      const pieces = Array.from({ length: 1000 }, (_, i) => entry(`${i}.img`, noise()));
      const bytes = archive(...pieces, entry('spec.dump', 'here'));
      const { walk: found, content } = await walk(pack(bytes), packing);
      assert.equal(String(content(found.specs[0] ?? assert.fail())), 'here');
    });

    it(`${packing}: keeps nothing longer than it may`, async () => {
      const { walk: found, content } = await walk(
        pack(archive(entry('spec.dump', 'x'.repeat(100)))),
        packing,
        99,
      );
      assert.equal(content(found.specs[0] ?? assert.fail()), null);
    });

    it(`${packing}: a stream that ends early is truncated`, async () => {
      const bytes = pack(bytesOf(manifest[1] ?? assert.fail()));
      for (const end of [5, 30, bytes.length >> 1, bytes.length - 20]) {
        const { fault, walk: found } = await walk(bytes.subarray(0, end), packing);
        assert.ok(fault !== null || found.fault !== null, `cut at ${end}`);
      }
    });

    it(`${packing}: rubbish is damaged`, async () => {
      const bytes = pack(smallArchive());
      for (let at = 4; at < bytes.length; at += 7) {
        const broken = Buffer.from(bytes);
        broken[at] = (broken[at] ?? 0) ^ 0xff;
        await walk(broken, packing);
      }
      const noise = Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(3000, 0xee)]);
      assert.match((await walk(noise, packing)).fault ?? '', /damaged|truncated/);
    });

    it(`${packing}: the uncompressed tar's own faults count`, async () => {
      const { fault, walk: found } = await walk(pack(Buffer.alloc(0)), packing);
      assert.equal(fault, null);
      assert.match(found.fault ?? '', /empty/);
      assert.match(
        (await walk(pack(smallArchive().subarray(0, 3000)), packing)).walk.fault ?? '',
        /^truncated/,
      );
    });

    it(`${packing}: a bomb is stopped at its budget`, async () => {
      const zeros = Buffer.alloc(PACKED_LIMIT + (1 << 20));
      header('pages-1.img', { size: zeros.length }).copy(zeros);
      const bomb = pack(zeros);
      assert.ok(bomb.length < 1 << 19);
      const { fault, walk: found } = await walk(bomb, packing);
      assert.match(fault ?? '', /compressed, and longer than 64 MiB when it is not/);
      assert.equal(found.endMarkerAt, null);
    });
  }

  it('what stands behind the compressed stream is told', async () => {
    const bytes = Buffer.concat([zstdCompressSync(smallArchive()), Buffer.alloc(300, 7)]);
    assert.equal((await walk(bytes, 'zstd')).bytesBehind, 300);
  });

  it('a stream that yields nothing is not read for ever', async () => {
    const member = gzipSync('');
    const file = new MeteredFile({
      facts: () => assert.fail(),
      read(into, length, position) {
        for (let i = 0; i < length; i++) into[i] = member[(position + i) % member.length] ?? 0;
        return length;
      },
      close() {},
    });
    const { fault } = await walkPacked(file, 1e12, 'gzip', KEEP);
    assert.match(fault ?? '', /compressed and longer than 64 MiB/);
    assert.ok(file.bytesRead <= PACKED_LIMIT);
  });

  it('zstd gets no more memory than 32 MiB', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_compressionLevel]: 1 };
    const bytes = zstdCompressSync(Buffer.alloc(150 << 20), { params });
    assert.match((await walk(bytes, 'zstd')).fault ?? '', /more memory/);
  });

  it('an error of the file is thrown, not taken for damage', async () => {
    const file = new MeteredFile({
      facts: () => assert.fail(),
      read() {
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      },
      close() {},
    });
    await assert.rejects(walkPacked(file, 1000, 'gzip', KEEP), { code: 'EIO' });
  });
});
