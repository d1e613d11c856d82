import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KnownFile } from '../../../gc/inventory/known.ts';
import type { FileFacts, Inode } from '../../../gc/system/files.ts';
import { inodeOf } from '../../../gc/system/stats.ts';
import type { Archive } from '../../../policy/types.ts';
import { SEED } from '../../policy/cases.ts';

/** Microseconds from 1930 to 2480, which is beyond 2^53. */
const time = fc.oneof(
  fc.integer({ min: -1_250_000_000, max: 16_000_000_000 }).map((seconds) => seconds * 1_000_000 + 999_998),
  fc.integer({ min: -2_000, max: 2_000 }),
);
const inode = fc
  .oneof(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 1n, max: 1_000n }))
  .map(inodeOf);

function factsOf(inode: Inode, modifiedUs: number, changedUs: number): FileFacts {
  return { inode, modifiedUs, changedUs, bytes: 7, device: 1, kind: 'file', allocatedBytes: 0, links: 1 };
}

function knownOf(facts: FileFacts): KnownFile {
  const archive: Archive = {
    file: 'checkpoint-a.tar',
    bytes: facts.bytes,
    allocatedBytes: 0,
    modifiedAt: Math.floor(facts.modifiedUs / 1_000),
    state: 'growing',
    pinned: false,
    identity: null,
    staleTailBytes: 0,
    orphan: null,
  };
  return new KnownFile(archive, facts, 0, 1);
}

describe('known', () => {
  it('gives back every inode and every time as it was, and knows the file again', () => {
    const property = fc.property(inode, time, time, (node, modifiedUs, changedUs) => {
      const facts = factsOf(node, modifiedUs, changedUs);
      const known = knownOf(facts);
      assert.equal(known.changedUs, null);
      assert.ok(known.isTouched(facts));
      known.changedUs = changedUs;
      assert.equal(known.inode, node);
      assert.equal(known.modifiedUs, modifiedUs);
      assert.equal(known.changedUs, changedUs);
      assert.equal(known.isTouched(facts), false);
      assert.ok(known.isTouched({ ...facts, changedUs: changedUs + 2 }));
      known.changedUs = null;
      assert.equal(known.changedUs, null);
      assert.ok(known.isAsSeen(facts));
    });
    fc.assert(property, { numRuns: 500, seed: SEED });
  });

  const facts = factsOf(2n ** 60n, 1_700_000_000_123_456, 0);
  for (const [name, other] of [
    ['another inode, by one', { inode: 2n ** 60n + 1n }],
    ['written a microsecond later', { modifiedUs: facts.modifiedUs + 1 }],
    ['written a millisecond later', { modifiedUs: facts.modifiedUs + 1_000 }],
    ['a byte longer', { bytes: 8 }],
  ] as const) {
    it(`takes no other file for it: ${name}`, () => {
      assert.equal(knownOf(facts).isAsSeen({ ...facts, ...other }), false);
    });
  }
});
