import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { smallArchive } from '../archives.ts';
import { Bench } from '../inventory-bench.ts';

const A = 'checkpoint-a.tar';
const B = 'checkpoint-b.tar';

describe('holdings: growing', () => {
  it('what was just written grows until it stood still for a second', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: 100 });
    await bench.scan();
    assert.equal(bench.get(A).state, 'growing');
    assert.equal(bench.get(A).identity, null);
    assert.equal(bench.files.calls.open, 0);
    assert.equal(bench.inventory.nextLook(), bench.now + 1000);
    bench.now += 999;
    await bench.inventory.look();
    assert.equal(bench.get(A).state, 'growing');
    bench.now += 1;
    await bench.inventory.look();
    assert.equal(bench.get(A).state, 'complete');
    assert.equal(bench.get(A).identity?.namespace, 'shop');
    assert.equal(bench.get(A).unidentifiedBecause, undefined);
    assert.equal(bench.inventory.nextLook(), null);
    assert.equal(bench.told(), `~${A}`);
  });

  it('a change begins the second anew', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: 100 });
    await bench.scan();
    bench.now += 900;
    bench.write(A, 'longer', 0);
    await bench.inventory.look([A]);
    bench.now += 900;
    await bench.inventory.look([A]);
    assert.equal(bench.get(A).state, 'growing');
    bench.now += 100;
    await bench.scan();
    assert.equal(bench.get(A).state, 'complete');
  });

  it('an old and sound one needs one look', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: 5001 });
    bench.put(B, { ageMs: 5000 });
    await bench.scan();
    assert.deepEqual([bench.get(A).state, bench.get(B).state], ['complete', 'growing']);
  });

  it('an old one without an end needs two looks, and is read once', async () => {
    const bench = new Bench();
    bench.write(A, Buffer.alloc(1024, 'x'));
    await bench.scan();
    assert.equal(bench.get(A).state, 'growing');
    bench.now += 1000;
    await bench.scan();
    assert.equal(bench.get(A).state, 'complete');
    assert.equal(bench.get(A).unidentifiedBecause, 'it is not a tar archive');
    assert.equal(bench.files.calls.open, 1);
  });

  it('a half-written one that stands still is truncated', async () => {
    const bench = new Bench();
    bench.write(A, smallArchive().subarray(0, 3000));
    await bench.scan();
    bench.now += 1000;
    await bench.scan();
    assert.match(bench.get(A).unidentifiedBecause ?? '', /^truncated: it ends at byte 3000/);
    assert.equal(bench.inventory.totals().unidentified, 1);
  });

  it('one from the future grows like any other, and keeps its time', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: -3_600_000 });
    await bench.scan();
    bench.now += 1000;
    await bench.scan();
    assert.equal(bench.get(A).state, 'complete');
    assert.equal(bench.get(A).modifiedAt, bench.now - 1000 + 3_600_000);
  });

  it('a clock that is set back proves nothing', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: 0 });
    await bench.scan();
    bench.now -= 3_600_000;
    await bench.scan();
    assert.equal(bench.get(A).state, 'growing');
    assert.equal(bench.inventory.nextLook(), bench.now + 1000);
    bench.now += 1000;
    await bench.inventory.look();
    assert.equal(bench.get(A).state, 'complete');
  });

  const changes: readonly [string, (bench: Bench) => void][] = [
    ['overwritten in place', (bench) => bench.write(A, 'other', 0)],
    ['touched', (bench) => bench.files.touch(bench.at(A), bench.now)],
    [
      'replaced by another file',
      (bench) => {
        bench.files.remove(bench.at(A));
        bench.put(A, { ageMs: 0 });
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`one that is ${what} grows again, and its orphan proof is void`, async () => {
      const bench = new Bench();
      bench.put(A);
      await bench.scan();
      bench.inventory.setOrphan(A, { since: 1, why: 'absent' });
      bench.told();
      change(bench);
      await bench.inventory.look([A]);
      const { state, identity, orphan } = bench.get(A);
      assert.deepEqual([state, identity, orphan], ['growing', null, null]);
      assert.deepEqual([...(bench.changes[0]?.pods.keys() ?? [])], ['shop'], 'its old namespace is told');
      assert.deepEqual(bench.inventory.archivesOf('shop'), []);
    });
  }
});

describe('holdings: pins', () => {
  it('are seen whatever comes first', async () => {
    const bench = new Bench();
    bench.write(`${A}.keep`, '');
    bench.put(A);
    bench.put(B);
    bench.files.symlink('/nowhere', bench.at(`${B}.keep`));
    await bench.scan();
    assert.deepEqual([bench.get(A).pinned, bench.get(B).pinned], [true, true]);
    assert.equal(bench.inventory.totals().pinned, 2);
    assert.equal(bench.inventory.totals().foreignFiles, 0);
  });

  it('come and go with a look', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.told();
    bench.write(`${A}.keep`, '');
    await bench.inventory.look([`${A}.keep`]);
    assert.equal(bench.get(A).pinned, true);
    assert.equal(bench.told(), `~${A}`);
    bench.files.remove(bench.at(`${A}.keep`));
    await bench.inventory.look([A]);
    assert.equal(bench.get(A).pinned, false, 'a look at the archive looks at its pin too');
  });

  it('come and go with a scan', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.write(`${A}.keep`, '');
    await bench.scan();
    assert.equal(bench.get(A).pinned, true);
    bench.files.remove(bench.at(`${A}.keep`));
    await bench.scan();
    assert.equal(bench.get(A).pinned, false);
  });

  it('without their archive are foreign until it comes', async () => {
    const bench = new Bench();
    bench.write(`${A}.keep`, 'x');
    await bench.scan();
    assert.equal(bench.inventory.totals().foreignFiles, 1);
    bench.put(A);
    await bench.inventory.look([A]);
    assert.equal(bench.inventory.totals().foreignFiles, 0);
    assert.equal(bench.get(A).pinned, true);
    bench.files.remove(bench.at(A));
    await bench.inventory.look([A]);
    assert.equal(bench.inventory.totals().foreignFiles, 1);
  });
});
