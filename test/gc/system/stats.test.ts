import assert from 'node:assert/strict';
import { lstatSync, utimesSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exactFactsOf, factsOf, holdsInode, inodeOf, microseconds } from '../../../gc/system/stats.ts';
import { SEED } from '../../policy/cases.ts';
import { realWorld } from '../worlds.ts';

/** Nanoseconds from 1930 to 2480, most of them near a whole number of microseconds, where rounding goes wrong first. */
const time = fc
  .tuple(
    fc.bigInt({ min: -1_250_000_000n, max: 16_000_000_000n }),
    fc.integer({ min: 0, max: 999_999 }),
    fc.constantFrom(0, 1, 122, 123, 499, 500, 501, 877, 998, 999),
  )
  .map(([seconds, us, ns]) => seconds * 1_000_000_000n + BigInt(us) * 1_000n + BigInt(ns));

/** In 2248 a double begins to hold milliseconds to 2 µs only. */
const BEYOND = 2n ** 43n * 1_000_000n;

describe('a time in microseconds', () => {
  it('is the nearest there is, and exact where the kernel gave no more', () => {
    const property = fc.property(time, (ns) => {
      const us = microseconds(ns);
      assert.ok(Number.isInteger(us));
      const apart = Number(BigInt(us) * 1_000n - ns);
      const most = ns < BEYOND ? 1_250 : 2_500;
      assert.ok(Math.abs(apart) <= most, `${ns}: off by ${apart} ns`);
      if (ns % 1_000n === 0n && ns < BEYOND) assert.equal(apart, 0, `${ns}`);
    });
    fc.assert(property, { numRuns: 5_000, seed: SEED });
  });

  it('is never before that of an earlier one, nor the same 2 µs later', () => {
    const property = fc.property(time, fc.bigInt({ min: 0n, max: 5_000n }), (ns, later) => {
      const [one, other] = [microseconds(ns), microseconds(ns + later)];
      assert.ok(one <= other, `${ns} + ${later}`);
      if (later >= 2_000n && ns + later < BEYOND) assert.ok(one < other, `${ns} + ${later}`);
    });
    fc.assert(property, { numRuns: 5_000, seed: SEED });
  });

  const rows: readonly (readonly [name: string, ns: bigint, us: number])[] = [
    ['today', 1_795_000_000_123_456_789n, 1_795_000_000_123_457],
    ['the last of a second', 1_700_000_000_999_999_999n, 1_700_000_001_000_000],
    ['the epoch', 0n, 0],
    ['before it', -1_250_000_000n, -1_250_000],
    ['a microsecond before it', -1_000n, -1],
    ['what tmpfs takes and ext4 does not', 9_999_999_999_999_500_000_000n, 9_999_999_999_999_500_000],
  ];
  for (const [name, ns, us] of rows) it(`of ${name}`, () => assert.equal(microseconds(ns), us));
});

describe('facts', () => {
  const inodes: readonly (readonly [inode: bigint, isHeld: boolean])[] = [
    [1n, true],
    [2n ** 53n - 1n, true],
    [2n ** 53n, false],
    [2n ** 53n + 1n, false],
    [2n ** 63n + 9n, false],
    [2n ** 64n - 1n, false],
  ];
  for (const [inode, isHeld] of inodes) {
    it(`hold the inode ${inode} as a ${isHeld ? 'number' : 'bigint'}`, () => {
      // As node has it in either.
      const plain = Object.assign(lstatSync('.'), { ino: Number(inode) });
      const exact = Object.assign(lstatSync('.', { bigint: true }), { ino: BigInt.asIntN(64, inode) });
      assert.equal(holdsInode(plain), isHeld);
      assert.equal(exactFactsOf(exact).inode, isHeld ? Number(inode) : inode);
      assert.equal(inodeOf(inode), isHeld ? Number(inode) : inode);
      if (isHeld) assert.equal(factsOf(plain).inode, Number(inode));
    });
  }

  it('of a real file are the same by both ways of looking, whatever time it has', () => {
    const world = realWorld();
    try {
      world.write('file', 'content');
      const path = `${world.directory}/file`;
      const seconds = fc.double({ min: 0, max: 1e10, noNaN: true });
      for (const modified of fc.sample(seconds, { numRuns: 500, seed: SEED })) {
        utimesSync(path, modified, modified);
        const exact = exactFactsOf(lstatSync(path, { bigint: true }));
        assert.deepEqual(factsOf(lstatSync(path)), exact, `${modified}`);
        assert.deepEqual(world.files.lstat(path), exact);
      }
    } finally {
      world.end();
    }
  });
});
