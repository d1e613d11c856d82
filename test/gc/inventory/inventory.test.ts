import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reading } from '../../../gc/archive/identity.ts';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import { nodeFiles } from '../../../gc/system/node-files.ts';
import { ARCHIVES, manifest, smallArchive } from '../archives.ts';
import { Bench, DIRECTORY } from '../inventory-bench.ts';

const A = 'checkpoint-a.tar';
const B = 'checkpoint-b.tar';
const TOMBSTONE = '.checkpoint-warden-tombstone-1';

describe('inventory: what it shows', () => {
  it('nothing before a scan', () => {
    const { inventory } = new Bench();
    assert.deepEqual(inventory.state, {
      ok: false,
      reason: 'the directory was not scanned yet',
      isAwaited: true,
    });
    assert.deepEqual([...inventory.archives()], []);
    assert.equal(inventory.nextLook(), null);
  });

  it('real archives, as the manifest has them', async () => {
    const inventory = new Inventory({
      files: nodeFiles,
      directory: ARCHIVES,
      patterns: ['checkpoint-*.tar', 'counter.tar*'],
      clock: () => Date.now() + 3_600_000,
      onChange() {},
    });
    await inventory.scan();
    // The half-written one needs a second look to be sure that it stands still.
    assert.equal(inventory.totals().growing, 1);
    assert.equal(inventory.totals().archives, manifest.length);
    assert.equal(inventory.totals().unidentified, 3);
    assert.equal(inventory.totals().tainted, 1);
    assert.equal(inventory.archivesOf('shop').length, 5);
    assert.deepEqual(inventory.details('counter.tar'), { runtime: 'podman', hint: 'counter' });
    assert.deepEqual(Array.from(inventory.foreign(), ({ name }) => name).sort(), [
      'MANIFEST.json',
      'README.md',
    ]);
  });

  it('all of an archive', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    const { bytes, allocatedBytes, ...archive } = bench.get(A);
    assert.deepEqual(archive, {
      file: A,
      modifiedAt: bench.now - 3_600_000,
      state: 'complete',
      pinned: false,
      identity: {
        namespace: 'shop',
        pod: 'cart',
        container: 'main',
        podUid: '394d9f75-b32a-4724-892d-f135011bf911',
      },
      staleTailBytes: 0,
      orphan: null,
    });
    assert.ok(bytes > 0 && allocatedBytes >= bytes);
    assert.deepEqual(bench.inventory.details(A), { runtime: 'containerd', hint: null });
    assert.equal(bench.inventory.stamp(A)?.bytes, bytes);
  });

  it('the same object until something changes', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    const before = bench.get(A);
    await bench.scan();
    assert.equal(bench.get(A), before);
    assert.equal(bench.files.calls.open, 1);
  });

  it('by namespace, and those without', async () => {
    const bench = new Bench();
    bench.put(A, { namespace: 'x' });
    bench.put(B, { namespace: 'y' });
    bench.write('checkpoint-c.tar', 'no tar');
    await bench.scan();
    bench.now += 1000;
    await bench.inventory.look();
    assert.deepEqual(
      bench.inventory.archivesOf('x').map(({ file }) => file),
      [A],
    );
    assert.deepEqual(bench.inventory.archivesOf('z'), []);
    assert.deepEqual(
      bench.inventory.unidentified().map(({ file }) => file),
      ['checkpoint-c.tar'],
    );
  });

  it('those to remark on, and all where one may be from the future', async () => {
    const bench = new Bench();
    const remarkable = (after: number) =>
      Array.from(bench.inventory.remarkable(after), ({ file }) => file).sort();
    bench.put(A);
    bench.put(B, { ageMs: -60_000 });
    bench.write('checkpoint-c.tar', 'no tar');
    bench.write('checkpoint-d.tar', Buffer.concat([smallArchive(), Buffer.alloc(512, 1)]));
    assert.deepEqual(remarkable(0), [], 'nothing before a scan');
    await bench.scan();
    bench.now += 5_000;
    await bench.inventory.look();
    assert.deepEqual(remarkable(bench.now + 60_000), ['checkpoint-c.tar', 'checkpoint-d.tar']);
    assert.ok(remarkable(bench.now + 50_000).includes(B));
  });

  it('nothing given back by what has another hard link', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.files.link(bench.at(A), '/elsewhere');
    await bench.scan();
    assert.equal(bench.get(A).allocatedBytes, 0);
    await bench.files.unlink('/elsewhere');
    await bench.scan();
    assert.ok(bench.get(A).allocatedBytes > 0);
  });

  it('what is foreign, with reasons, and tombstones apart', async () => {
    const bench = new Bench();
    bench.put(A);
    bench.write('notes.txt', 'four');
    bench.write(`${B}.keep`, '12');
    bench.write(`${A}.keep.tmp`, '');
    bench.write(TOMBSTONE, 'abc');
    bench.files.symlink(bench.at(A), bench.at('checkpoint-link.tar'));
    bench.files.write(Buffer.from([...Buffer.from(`${DIRECTORY}/`), 0xff]), '1');
    await bench.scan();
    const reasons = bench.inventory.foreign().map(({ name, reason }) => `${name}: ${reason}`);
    assert.deepEqual(reasons.sort(), [
      '\\xff: its name is not valid UTF-8',
      `${A}.keep.tmp: it is a pin that is being written`,
      `${B}.keep: it is a pin without its archive`,
      'checkpoint-link.tar: it is a symbolic link',
      'notes.txt: its name is not that of an archive',
    ]);
    assert.deepEqual(
      bench.inventory.tombstones().map(({ name, bytes }) => [name, bytes]),
      [[TOMBSTONE, 3]],
    );
    const { foreignFiles, foreignBytes, tombstones, tombstoneBytes, archives, pinned } =
      bench.inventory.totals();
    assert.deepEqual([foreignFiles, foreignBytes, tombstones, tombstoneBytes], [5, 7, 1, 3]);
    assert.deepEqual([archives, pinned], [1, 0]);
  });

  it('names that are long and have newlines', async () => {
    const bench = new Bench();
    const long = `checkpoint-\n${'x'.repeat(239)}.tar`;
    bench.put(long);
    await bench.scan();
    assert.deepEqual(bench.names, [long]);
    await bench.inventory.look([long]);
    assert.deepEqual(bench.names, [long]);
  });
});

describe('inventory: looks', () => {
  it('cost what they are asked, not what is there', async () => {
    const bench = new Bench();
    for (let i = 0; i < 500; i++) bench.put(`checkpoint-${i}.tar`);
    await bench.scan();
    bench.put('checkpoint-new.tar');
    bench.files.remove(bench.at('checkpoint-7.tar'));
    const { list, lstat, open } = bench.files.calls;
    bench.told();
    await bench.inventory.look(['checkpoint-new.tar', 'checkpoint-7.tar', 'checkpoint-7.tar']);
    assert.equal(bench.told(), '+checkpoint-new.tar -checkpoint-7.tar');
    assert.equal(bench.files.calls.list, list);
    assert.ok(bench.files.calls.lstat - lstat <= 4);
    assert.equal(bench.files.calls.open - open, 1);
  });

  it('say nothing when nothing has changed', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.told();
    await bench.inventory.look([A, 'nothing', 'checkpoint-nothing.tar']);
    assert.equal(bench.changes.length, 0);
  });

  it('never leave the directory', async () => {
    const bench = new Bench();
    bench.files.write('/checkpoint-x.tar', 'x');
    await bench.scan();
    const { lstat } = bench.files.calls;
    await bench.inventory.look(['', '.', '..', '../checkpoint-x.tar', '/checkpoint-x.tar', 'a/../b', 'a\0b']);
    assert.equal(bench.files.calls.lstat, lstat);
    assert.deepEqual(bench.names, []);
  });

  it('do nothing before a scan', async () => {
    const bench = new Bench();
    bench.put(A);
    assert.equal((await bench.inventory.look([A])).ok, false);
    assert.equal(bench.files.calls.lstat, 0);
  });

  it('see what turns from an archive into something else, and back', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.files.remove(bench.at(A));
    bench.files.mkdir(bench.at(A));
    await bench.inventory.look([A]);
    assert.deepEqual([bench.names, bench.inventory.totals().foreignFiles], [[], 1]);
    bench.files.remove(bench.at(A));
    bench.put(A);
    await bench.inventory.look([A]);
    assert.deepEqual([bench.names, bench.inventory.totals().foreignFiles], [[A], 0]);
  });
});

describe('inventory: notices', () => {
  it('name what changed, and whom it concerns', async () => {
    const bench = new Bench();
    bench.put(A, { namespace: 'x' });
    bench.put(B, { namespace: 'y' });
    await bench.scan();
    const [first] = bench.changes;
    assert.deepEqual([first?.directoryChanged, first?.directory], [true, { ok: true }]);
    assert.equal(bench.told(), '', 'all of it is new');
    bench.put(A, { namespace: 'z', ageMs: 7_200_000 });
    bench.files.remove(bench.at(B));
    await bench.scan();
    const [change] = bench.changes;
    assert.deepEqual([...(change?.pods.keys() ?? [])].sort(), ['x', 'y', 'z']);
    assert.deepEqual(
      [change?.unidentified, change?.directoryChanged, change?.directory],
      [false, false, { ok: true }],
    );
    bench.told();
    bench.write('checkpoint-c.tar', '');
    await bench.scan();
    assert.equal(bench.changes[0]?.unidentified, false);
    bench.now += 1000;
    await bench.scan();
    assert.equal(bench.changes[1]?.unidentified, true);
    assert.equal(bench.changes[1]?.directoryChanged, false);
  });

  it('of orphans come once for many', async () => {
    const bench = new Bench();
    bench.put(A);
    bench.put(B);
    await bench.scan();
    bench.told();
    const proof = { since: 5, why: 'absent' } as const;
    for (const file of [A, B, 'checkpoint-none.tar']) bench.inventory.setOrphan(file, proof);
    await Promise.resolve();
    assert.equal(bench.changes.length, 1);
    assert.deepEqual(bench.get(A).orphan, proof);
    assert.equal(bench.told(), `~${A} ~${B}`);
    bench.inventory.setOrphan(A, { ...proof });
    await Promise.resolve();
    assert.equal(bench.changes.length, 0, 'the same proof again is no change');
    bench.inventory.setOrphan(A, null);
    assert.equal(bench.get(A).orphan, null);
  });

  it('orphans that grow are none', async () => {
    const bench = new Bench();
    bench.put(A, { ageMs: 0 });
    await bench.scan();
    bench.inventory.setOrphan(A, { since: 5, why: 'absent' });
    assert.equal(bench.get(A).orphan, null);
  });

  it('progress is told', async () => {
    const bench = new Bench();
    for (let i = 0; i < 1200; i++) bench.write(`checkpoint-${i}.tar`, 'x');
    const seen: string[] = [];
    await bench.inventory.scan(({ phase, done, of }) => seen.push(`${phase} ${done}/${of ?? '?'}`));
    assert.deepEqual(seen, [
      'listing 504/?',
      'listing 1000/?',
      'listing 1200/1200',
      'reading 756/1200',
      'reading 1200/1200',
    ]);
  });
});

describe('inventory: what is remembered', () => {
  it('readings of an earlier process are taken, if it is the same file', async () => {
    const reading: Reading = {
      identity: { namespace: 'old', pod: 'p', container: 'c', podUid: null },
      because: null,
      runtime: 'cri-o',
      hint: null,
      staleTailBytes: 0,
      complete: true,
      lasting: true,
      bytesRead: 0,
      reads: 0,
    };
    const bench = new Bench({ recall: ({ bytes }) => (bytes === 3 ? reading : null) });
    bench.write(A, 'abc');
    bench.put(B);
    await bench.scan();
    assert.equal(bench.get(A).identity?.namespace, 'old');
    assert.equal(bench.get(B).identity?.namespace, 'shop');
    assert.equal(bench.files.calls.open, 1);
  });

  it('the identities of one container are one object', async () => {
    const bench = new Bench();
    bench.put(A);
    bench.put(B);
    await bench.scan();
    assert.equal(bench.get(A).identity, bench.get(B).identity);
  });
});
