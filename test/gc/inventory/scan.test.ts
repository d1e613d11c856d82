import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import type { Listing } from '../../../gc/system/files.ts';
import { smallArchive } from '../archives.ts';
import { FakeFiles } from '../fake-files.ts';
import { Bench, DIRECTORY } from '../inventory-bench.ts';
import { realWorld } from '../worlds.ts';

const A = 'checkpoint-a.tar';
const B = 'checkpoint-b.tar';

/** Does something when the listing comes to its n-th name, or to its end. */
class EventfulFiles extends FakeFiles {
  atName = 0;
  event: () => void = () => {};

  override async *list(directory: string): Listing {
    for (const [index, name] of [...this.namesIn(directory), null].entries()) {
      if (index === this.atName) this.event();
      if (name !== null) yield [name];
    }
  }
}

describe('scan: reading that fails', () => {
  it('leaves it unidentified, is tried again, and told once', async () => {
    const bench = new Bench();
    bench.put(A);
    bench.files.fault('read', bench.at(A), 'EIO');
    await bench.scan();
    bench.now += 1000;
    await bench.scan();
    const { state, unidentifiedBecause } = bench.get(A);
    assert.deepEqual(
      [state, unidentifiedBecause],
      ['complete', 'it could not be read: input/output error of the disk (EIO)'],
    );
    bench.told();
    await bench.scan();
    assert.equal(bench.told(), '');
    bench.files.fault('read', bench.at(A), null);
    await bench.scan();
    assert.equal(bench.get(A).identity?.namespace, 'shop');
    assert.equal(bench.told(), `~${A}`);
  });

  it('what cannot be looked at is foreign, not gone', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.files.fault('lstat', bench.at(A), 'EIO');
    await bench.scan();
    assert.deepEqual(bench.names, []);
    assert.match(bench.inventory.foreign()[0]?.reason ?? '', /cannot be looked at/);
  });
});

describe('scan: the directory', () => {
  it('missing, and there at last', async () => {
    const bench = new Bench();
    bench.files.remove(DIRECTORY);
    assert.equal(await bench.scan(), `${DIRECTORY} does not exist`);
    bench.files.mkdir(DIRECTORY);
    bench.put(A);
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, [A]);
  });

  it('not a directory', async () => {
    const bench = new Bench();
    bench.files.remove(DIRECTORY);
    bench.files.write(DIRECTORY, '');
    assert.equal(await bench.scan(), `${DIRECTORY} is not a directory`);
  });

  it('removed: its archives are gone, which is told of the directory, not of each', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.files.remove(DIRECTORY);
    bench.told();
    await bench.inventory.look([A]);
    assert.equal(bench.inventory.state.ok, false);
    assert.equal(bench.changes[0]?.directoryChanged, true);
    assert.equal(bench.told(), '');
    assert.deepEqual(bench.inventory.totals().archives, 0);
  });

  it('replaced: nothing counts until a scan has seen all of the other one', async () => {
    const bench = new Bench();
    bench.put(A);
    await bench.scan();
    bench.files.remove(DIRECTORY);
    bench.files.mkdir(DIRECTORY);
    bench.put(B);
    assert.equal(await bench.scan(), `${DIRECTORY} was replaced by another directory`);
    assert.deepEqual(bench.names, []);
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, [B]);
  });

  it('on another file system', async () => {
    const bench = new Bench();
    await bench.scan();
    bench.files.remove(DIRECTORY);
    bench.files.mkdir(DIRECTORY, 9);
    assert.equal(await bench.scan(), `${DIRECTORY} now lies on another file system`);
    assert.equal(await bench.scan(), null);
  });

  for (const operation of ['stat', 'list'] as const) {
    it(`unreadable (${operation}): shows nothing, and forgets nothing`, async () => {
      const bench = new Bench();
      bench.put(A);
      await bench.scan();
      bench.told();
      bench.files.fault(operation, DIRECTORY, 'EACCES');
      assert.match((await bench.scan()) ?? '', /permission denied \(EACCES\)$/);
      const { inventory } = bench;
      assert.deepEqual(
        [...inventory.archives(), ...inventory.archivesOf('shop'), ...inventory.unidentified()],
        [],
      );
      assert.deepEqual([inventory.get(A), inventory.stamp(A), inventory.totals().archives], [null, null, 0]);
      assert.deepEqual(
        bench.changes.map(({ directoryChanged, removed }) => [directoryChanged, removed]),
        [[true, []]],
      );
      bench.told();
      await bench.scan();
      assert.equal(bench.changes.length, 0, 'the same failure is told once');
      bench.files.fault(operation, DIRECTORY, null);
      assert.equal(await bench.scan(), null);
      assert.deepEqual(bench.names, [A]);
      assert.equal(bench.files.calls.open, 1, 'and reads nothing again');
      assert.equal(bench.changes[0]?.directoryChanged, true);
    });
  }

  it('a listing that breaks off deletes nothing', async () => {
    const files = new EventfulFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    bench.put(B);
    await bench.scan();
    files.atName = 1;
    files.event = () => {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    assert.match((await bench.scan()) ?? '', /cannot be read: input\/output error/);
    files.event = () => {};
    bench.told();
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, [A, B]);
    assert.equal(bench.told(), '');
  });

  it('replaced while it is scanned: not ok', async () => {
    const files = new EventfulFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    files.event = () => {
      files.remove(DIRECTORY);
      files.mkdir(DIRECTORY);
    };
    assert.match((await bench.scan()) ?? '', /was replaced/);
    files.event = () => {};
    assert.equal(await bench.scan(), null);
  });

  it('a name that a listing leaves out is looked for', async () => {
    const files = new FakeFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    bench.put(B);
    await bench.scan();
    files.list = async function* () {};
    files.remove(bench.at(B));
    bench.told();
    await bench.scan();
    assert.deepEqual(bench.names, [A]);
    assert.equal(bench.told(), `-${B}`);
  });
});

describe('scan: at the same time', () => {
  it('a scan joins the one under way', async () => {
    const bench = new Bench();
    const [one, other] = [bench.inventory.scan(), bench.inventory.scan()];
    assert.equal(one, other);
    await one;
    assert.equal(bench.files.calls.list, 1);
  });

  it('what a look finds during a scan is not swept away by it', async () => {
    const files = new EventfulFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    await bench.scan();
    let look: Promise<unknown> = Promise.resolve();
    files.atName = 1;
    files.event = () => {
      bench.put(B);
      look = bench.inventory.look([B]);
    };
    await bench.scan();
    await look;
    assert.deepEqual(bench.names, [A, B]);
  });

  it('a directory that goes and comes during a scan needs another', async () => {
    const files = new EventfulFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    await bench.scan();
    let look: Promise<unknown> = Promise.resolve();
    files.event = () => {
      files.remove(DIRECTORY);
      look = bench.inventory.look([A]);
      files.mkdir(DIRECTORY);
    };
    assert.notEqual(await bench.scan(), null);
    await look;
    files.event = () => {};
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, []);
  });

  it('a file that changes while it is read stays growing', async () => {
    const files = new FakeFiles();
    const bench = new Bench({}, files);
    bench.put(A, { ageMs: 6000 });
    const open = files.open.bind(files);
    files.open = (path) => {
      bench.write(A, 'it is written again', 0);
      return open(path);
    };
    await bench.scan();
    assert.equal(bench.get(A).state, 'growing');
    assert.equal(bench.get(A).bytes, 19);
  });

  it('a file that goes before it is read is gone', async () => {
    const files = new FakeFiles();
    const bench = new Bench({}, files);
    bench.put(A);
    const open = files.open.bind(files);
    files.open = (path) => {
      files.remove(path);
      return open(path);
    };
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, []);
  });
});

describe('scan: a real directory', () => {
  it('takes files for archives and nothing else, whatever they are named', async () => {
    const world = realWorld();
    const longest = `checkpoint-\n${'x'.repeat(239)}.tar`;
    world.write(longest, smallArchive());
    world.mkdir('checkpoint-directory.tar');
    world.symlink(longest, 'checkpoint-link.tar');
    world.fifo('checkpoint-fifo.tar');
    world.socket('checkpoint-socket.tar');
    world.write(Buffer.from([...Buffer.from('checkpoint-'), 0xff, ...Buffer.from('.tar')]), smallArchive());
    const { files, directory } = world;
    const clock = () => Date.now() + 10_000;
    const inventory = new Inventory({ files, directory, clock, onChange() {} });
    try {
      assert.deepEqual(await inventory.scan(), { ok: true });
      await inventory.look([longest, 'checkpoint-fifo.tar', 'checkpoint-link.tar']);
      assert.deepEqual(
        Array.from(inventory.archives(), ({ file, identity }) => [file, identity?.pod]),
        [[longest, 'cart']],
      );
      assert.deepEqual(Array.from(inventory.foreign(), ({ name, reason }) => `${name}: ${reason}`).sort(), [
        'checkpoint-\\xff.tar: its name is not valid UTF-8',
        'checkpoint-directory.tar: it is a directory',
        'checkpoint-fifo.tar: it is a FIFO',
        'checkpoint-link.tar: it is a symbolic link',
        'checkpoint-socket.tar: it is a socket',
      ]);
    } finally {
      world.end();
    }
  });
});
