import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bench } from '../inventory-bench.ts';

const A = 'checkpoint-a.tar';
const HOUR = 3_600_000;

/** Puts one of namespace `one` there, reads it, and writes one of `two` over it: as long, with the mtime it had. */
async function forged(): Promise<Bench> {
  const bench = new Bench();
  bench.put(A, { namespace: 'one' });
  await bench.scan();
  assert.equal(bench.get(A).identity?.namespace, 'one');
  bench.put(A, { namespace: 'two' });
  return bench;
}

describe('an archive whose size and mtime are as they were, and whose ctime is not', () => {
  it('is read again at the next look and at the next scan', async () => {
    for (const see of [(bench: Bench) => bench.inventory.look([A]), (bench: Bench) => bench.scan()]) {
      const bench = await forged();
      const before = bench.inventory.stamp(A);
      await see(bench);
      assert.equal(bench.get(A).identity?.namespace, 'two');
      assert.deepEqual(bench.inventory.stamp(A), before);
      assert.equal(bench.told(), `~${A}`);
      await bench.scan();
      assert.equal(bench.files.calls.open, 2);
    }
  });

  it('keeps no proof that the pod of the former is gone', async () => {
    const bench = await forged();
    bench.inventory.setOrphan(A, { since: bench.now - HOUR, why: 'absent' });
    await bench.inventory.look([A]);
    assert.equal(bench.get(A).orphan, null);
  });

  it('is the same object where it says the same, as after a chmod or a new hard link', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    const before = bench.get(A);
    bench.files.touch(bench.at(A), bench.now - HOUR);
    await bench.scan();
    assert.equal(bench.get(A), before);
    assert.equal(bench.files.calls.open, 2);
    await bench.scan();
    assert.equal(bench.files.calls.open, 2);
  });

  it('is not settled by what was read before it stood still', async () => {
    const bench = new Bench();
    bench.write(A, Buffer.alloc(1024, 'x'));
    await bench.scan();
    assert.equal(bench.get(A).state, 'growing');
    bench.write(A, Buffer.alloc(1024, 0));
    bench.now += 1_000;
    await bench.inventory.look();
    assert.match(bench.get(A).unidentifiedBecause ?? '', /no spec\.dump/);
  });
});

describe('an archive that was read in the tick of its last change', () => {
  it('is read once more when that has passed, and then no more', async () => {
    const bench = await forged();
    bench.files.setChanged(bench.at(A), (bench.now - 10) * 1_000);
    await bench.inventory.look([A]);
    bench.put(A, { namespace: 'three' });
    bench.files.setChanged(bench.at(A), (bench.now - 10) * 1_000);
    bench.now += 60_000;
    await bench.scan();
    assert.match(bench.get(A).identity?.namespace ?? '', /three/);
    const { open } = bench.files.calls;
    await bench.scan();
    assert.equal(bench.files.calls.open, open);
  });

  it('is not read at each scan where its ctime is of the future, as after a clock was set back', async () => {
    const bench = await forged();
    bench.files.setChanged(bench.at(A), (bench.now + HOUR) * 1_000);
    await bench.scan();
    const { open } = bench.files.calls;
    for (let scan = 0; scan < 5; scan += 1) {
      bench.now += 60_000;
      await bench.scan();
    }
    assert.equal(bench.files.calls.open, open);
  });
});
