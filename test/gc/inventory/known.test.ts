import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KnownFile } from '../../../gc/inventory/known.ts';
import type { FileFacts } from '../../../gc/system/files.ts';
import type { Archive } from '../../../policy/types.ts';
import { SEED } from '../../policy/cases.ts';

const time = fc.bigInt({ min: -(10n ** 18n), max: 4n * 10n ** 18n });
const inode = fc.oneof(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 1n, max: 1_000n }));

function factsOf(inode: bigint, modifiedNs: bigint, changedNs: bigint): FileFacts {
  return { inode, modifiedNs, changedNs, bytes: 7, device: 1n, kind: 'file', allocatedBytes: 0, links: 1 };
}

function knownOf(facts: FileFacts): KnownFile {
  const archive: Archive = {
    file: 'checkpoint-a.tar',
    bytes: facts.bytes,
    allocatedBytes: 0,
    modifiedAt: Number(facts.modifiedNs / 1_000_000n),
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
    const property = fc.property(inode, time, time, (node, modifiedNs, changedNs) => {
      const facts = factsOf(node, modifiedNs, changedNs);
      const known = knownOf(facts);
      assert.equal(known.changedNs, null);
      known.changedNs = changedNs;
      assert.deepEqual([known.inode, known.modifiedNs, known.changedNs], [node, modifiedNs, changedNs]);
      known.changedNs = null;
      assert.equal(known.changedNs, null);
      assert.ok(known.isAsSeen(facts));
    });
    fc.assert(property, { numRuns: 500, seed: SEED });
  });

  const facts = factsOf(2n ** 60n, 1_700_000_000_123_456_789n, 0n);
  for (const [name, other] of [
    ['another inode, by one', { inode: 2n ** 60n + 1n }],
    ['written a nanosecond later', { modifiedNs: facts.modifiedNs + 1n }],
    ['written a millisecond later', { modifiedNs: facts.modifiedNs + 1_000_000n }],
    ['a byte longer', { bytes: 8 }],
  ] as const) {
    it(`takes no other file for it: ${name}`, () => {
      assert.equal(knownOf(facts).isAsSeen({ ...facts, ...other }), false);
    });
  }
});
