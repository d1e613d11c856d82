import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { decodeReadings, encodeReadings, type Remembered } from '../../../gc/inventory/readings.ts';
import type { Inode } from '../../../gc/system/files.ts';
import { Pace } from '../../../gc/system/pace.ts';

function remembered(inode: Inode, more: Partial<Remembered['reading']> = {}): Remembered {
  return {
    stamp: { device: 7, inode, bytes: 30_000, modifiedUs: 1_700_000_000_123_456 },
    changedUs: 1_700_000_001_123_456,
    reading: {
      identity: { namespace: 'shop', pod: `cart-${inode}`, container: 'main', podUid: 'uid-1' },
      because: null,
      runtime: 'containerd',
      hint: null,
      staleTailBytes: 0,
      ...more,
    },
  };
}

const unidentified = { identity: null, because: 'it holds no spec.dump', runtime: null, hint: 'counter' };

async function encode(all: readonly Remembered[], most = all.length): Promise<Buffer> {
  return Buffer.concat(await encodeReadings(all, most, new Pace()));
}

async function decoded(all: readonly Remembered[]) {
  const readings = decodeReadings(await encode(all));
  assert.ok(readings);
  return readings;
}

describe('readings', () => {
  const rows: [string, Remembered[]][] = [
    ['none', []],
    ['one', [remembered(5)]],
    ['large inodes, as XFS has them', [remembered(2 ** 53 - 1), remembered(5)]],
    ['inodes that differ in their upper half only', [1, 2, 3].map((high) => remembered(high * 2 ** 32 + 9))],
    ['a thousand in a row', Array.from({ length: 1_000 }, (_, index) => remembered(index))],
    ['a stale tail', [remembered(5, { staleTailBytes: 8_400_000 }), remembered(6)]],
    ['without identity', [remembered(5, unidentified)]],
    ['a static pod, and one without UID', [remembered(5), remembered(6)]],
  ];
  for (const [name, all] of rows) {
    it(`come back as they were: ${name}`, async () => {
      const readings = await decoded(all);
      assert.equal(readings.size, all.length);
      for (const { stamp, changedUs, reading } of all) {
        const known = readings.of(stamp, changedUs);
        const rest = { complete: true, lasting: true, bytesRead: 0, reads: 0 };
        assert.deepEqual(known, { ...reading, ...rest });
      }
    });
  }

  const other: [string, Partial<Remembered['stamp']>, number][] = [
    ['another inode', { inode: 6 }, 0],
    ['another device', { device: 8 }, 0],
    ['another size', { bytes: 30_001 }, 0],
    ['another mtime, by a microsecond', { modifiedUs: 1_700_000_000_123_457 }, 0],
    ['another ctime: overwritten in place, with size and mtime as they were', {}, 1],
  ];
  for (const [name, stamp, later] of other) {
    it(`say nothing of a file with ${name}`, async () => {
      const known = remembered(5);
      const readings = await decoded([known]);
      assert.equal(readings.of({ ...known.stamp, ...stamp }, known.changedUs + later), null);
    });
  }

  it('several names of one file are one', async () => {
    const all = Array.from({ length: 20_000 }, () => remembered(5));
    const readings = await decoded(all);
    assert.deepEqual(readings.of(remembered(5).stamp, remembered(5).changedUs)?.identity?.pod, 'cart-5');
  });

  it('is read in place, and wherever it stands in memory', async () => {
    const document = await encode([remembered(5), remembered(6)]);
    for (let shift = 0; shift < 8; shift += 1) {
      const moved = Buffer.alloc(document.length + shift).subarray(shift);
      document.copy(moved);
      assert.equal(decodeReadings(moved)?.size, 2, `${shift} bytes on`);
    }
  });

  it('what lies on another device, has an inode beyond 2^53, or is more than there was room for, is left out', async () => {
    const elsewhere = { ...remembered(6), stamp: { ...remembered(6).stamp, device: 8 } };
    assert.equal((await decoded([remembered(5), elsewhere])).size, 1);
    const beyond = remembered(2n ** 53n);
    const readings = await decoded([beyond, remembered(5)]);
    assert.equal(readings.size, 1);
    assert.equal(readings.of(beyond.stamp, beyond.changedUs), null);
    const three = [1, 2, 3].map((n) => remembered(n));
    assert.equal(decodeReadings(await encode(three, 2))?.size, 2);
  });
});

describe('readings that are not to be trusted', () => {
  it('damaged in any byte', async () => {
    const document = await encode([remembered(5), remembered(6, unidentified)]);
    for (let at = 0; at < document.length; at += 1) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(document);
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        assert.equal(decodeReadings(damaged), null, `byte ${at}`);
      }
    }
  });

  it('cut off anywhere, or longer', async () => {
    const document = await encode([remembered(5)]);
    for (let length = 0; length < document.length; length += 1)
      assert.equal(decodeReadings(document.subarray(0, length)), null, `length ${length}`);
    assert.equal(decodeReadings(Buffer.concat([document, Buffer.alloc(1)])), null);
  });

  /** The offsets are those of the four numbers behind the first line. */
  const start = 'checkpoint-warden readings\n'.length;
  const forgeries: [string, (document: Buffer) => void][] = [
    ['a later format', (document) => document.writeUInt32LE(4, start)],
    ['an earlier format', (document) => document.writeUInt32LE(2, start)],
    ['a later reader', (document) => document.writeUInt32LE(99, start + 4)],
    ['more records than there are', (document) => document.writeUInt32LE(2, start + 8)],
    ['a billion records', (document) => document.writeUInt32LE(0xffff_ffff, start + 8)],
    ['a longer table', (document) => document.writeUInt32LE(0xffff_ffff, start + 12)],
    ['a name that is none', (document) => document.write('SHOP', document.indexOf('shop'))],
    [
      'a runtime in the place of a reason',
      (document) => document.write('becausX', document.indexOf('because')),
    ],
    ['no JSON', (document) => document.write('[[', document.indexOf('[{'))],
  ];
  for (const [name, forge] of forgeries) {
    it(`sound by its sum, and yet with ${name}`, async () => {
      const document = await encode([remembered(5)]);
      forge(document);
      const body = document.subarray(0, -32);
      const sealed = Buffer.concat([body, createHash('sha256').update(body).digest()]);
      assert.equal(decodeReadings(sealed), null);
    });
  }

  it('a place that the table does not have', async () => {
    const document = await encode([remembered(5)]);
    const body = document.subarray(0, -32);
    body.writeDoubleLE(7, body.length - 8);
    const readings = decodeReadings(Buffer.concat([body, createHash('sha256').update(body).digest()]));
    assert.equal(readings?.of(remembered(5).stamp, remembered(5).changedUs), null);
  });
});
