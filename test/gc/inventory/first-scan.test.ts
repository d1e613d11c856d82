import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PIN_SUFFIX, seriesOf } from '../../../gc/archive/names.ts';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import type { FileName, FileSystem } from '../../../gc/system/files.ts';
import { FakeFiles } from '../fake-files.ts';
import { Bench, DIRECTORY } from '../inventory-bench.ts';
import { realWorld } from '../worlds.ts';

const CONTAINERS = 7;
const COUNT = 700;

/** Of containers that take turns, as a directory has them in no order. */
const NAMES = Array.from({ length: COUNT }, (_, index) => {
  const time = `2026-11-21T00:00:00Z-${index}`;
  return `checkpoint-cart-${index % CONTAINERS}_shop-main-${time}.tar`;
});

/** What is looked at and opened, in its order. */
class TracedFiles extends FakeFiles {
  readonly trace: string[] = [];
  /** Called before an archive is opened. */
  event: (path: string) => void = () => {};

  override lstat(path: FileName): ReturnType<FileSystem['lstat']> {
    this.trace.push(`look ${nameIn(path)}`);
    return super.lstat(path);
  }

  override open(path: FileName): ReturnType<FileSystem['open']> {
    this.event(String(path));
    this.trace.push(`open ${nameIn(path)}`);
    return super.open(path);
  }
}

function nameIn(path: FileName): string {
  return String(path).slice(DIRECTORY.length + 1);
}

function benchOf(names: readonly string[] = NAMES) {
  const files = new TracedFiles();
  const bench = new Bench({}, files);
  for (const name of names) bench.put(name);
  return { bench, files };
}

describe('the first scan', () => {
  it('reads each archive when it has looked at it, and does either once', async () => {
    const { bench, files } = benchOf();
    await bench.scan();
    assert.deepEqual([files.calls.lstat, files.calls.open], [COUNT, COUNT]);
    const opens = files.trace.flatMap((each, at) => (each.startsWith('open ') ? [at] : []));
    for (const at of opens) assert.equal(files.trace[at - 1], files.trace[at]?.replace('open', 'look'));
    assert.deepEqual(bench.names, NAMES.toSorted());
    assert.equal(bench.inventory.totals().growing, 0);
  });

  it('comes to read those of one container one behind the other', async () => {
    const { bench, files } = benchOf();
    await bench.scan();
    const series = files.trace.flatMap((each) => (each.startsWith('open ') ? [seriesOf(each)] : []));
    const changes = series.filter((each, index) => each !== series[index - 1]).length;
    // The first 256 in any order.
    assert.ok(changes <= 256 + CONTAINERS, `${changes} changes`);
    assert.equal(series.length, COUNT);
  });

  it('looks at pins and foreign files before any archive is read', async () => {
    const others = [`${NAMES[3]}${PIN_SUFFIX}`, 'notes.txt'];
    const { bench, files } = benchOf();
    for (const name of others) bench.write(name, '');
    await bench.scan();
    const first = files.trace.findIndex((each) => each.startsWith('open '));
    for (const name of others) assert.ok(files.trace.indexOf(`look ${name}`) < first, name);
    assert.equal(bench.get(NAMES[3] ?? '').pinned, true);
    assert.equal(bench.inventory.foreign().length, 1);
  });

  for (const [what, change] of Object.entries({
    'goes before it is looked at': (files: FakeFiles, path: string) => files.remove(path),
    'becomes a link': (files: FakeFiles, path: string) => {
      files.remove(path);
      files.symlink('/etc/passwd', path);
    },
    'becomes unreadable': (files: FakeFiles, path: string) => files.fault('lstat', path, 'EIO'),
  })) {
    it(`an archive that ${what} after it was listed is none`, async () => {
      const { bench, files } = benchOf(NAMES.slice(0, 10));
      let changed = '';
      files.event = (path) => {
        if (changed !== '') return;
        changed =
          NAMES.slice(0, 10).find((name) => !files.trace.includes(`look ${name}`) && !path.endsWith(name)) ??
          '';
        change(files, bench.at(changed));
      };
      assert.equal(await bench.scan(), null);
      assert.notEqual(changed, '');
      assert.equal(bench.names.length, 9);
      assert.ok(!bench.names.includes(changed));
    });
  }

  it('of a directory that is replaced while archives are read shows nothing', async () => {
    const { bench, files } = benchOf();
    files.event = () => {
      files.event = () => {};
      files.remove(DIRECTORY);
      files.mkdir(DIRECTORY);
    };
    assert.match((await bench.scan()) ?? '', /was replaced/);
    assert.deepEqual(bench.names, []);
    assert.equal(await bench.scan(), null);
    assert.deepEqual(bench.names, []);
  });

  it('that fails leaves what a later one sees in its place', async () => {
    const { bench, files } = benchOf(NAMES.slice(0, 10));
    files.fault('list', DIRECTORY, 'EACCES');
    assert.match((await bench.scan()) ?? '', /permission denied/);
    files.fault('list', DIRECTORY, null);
    assert.equal(await bench.scan(), null);
    assert.equal(bench.names.length, 10);
    assert.equal(files.calls.open, 10);
  });

  it('sees what a second one sees, whatever stands in a real directory', async () => {
    const world = realWorld();
    try {
      for (const name of ['checkpoint-a.tar', `checkpoint-a.tar${PIN_SUFFIX}`, 'checkpoint-\nb.tar', 'x.txt'])
        world.write(name, 'no archive');
      world.write(Buffer.from([...Buffer.from('checkpoint-'), 0xff, ...Buffer.from('.tar')]), '');
      world.mkdir('checkpoint-c.tar');
      world.symlink('checkpoint-a.tar', 'checkpoint-d.tar');
      world.fifo('checkpoint-e.tar');
      const { files, directory } = world;
      const clock = () => Date.now() + 10_000;
      const inventory = new Inventory({ files, directory, clock, onChange() {} });
      const seen = () => [
        Array.from(inventory.archives(), ({ file, pinned }) => `${file} ${pinned}`).sort(),
        inventory
          .foreign()
          .map(({ name, reason }) => `${name}: ${reason}`)
          .sort(),
      ];
      assert.deepEqual(await inventory.scan(), { ok: true });
      const first = seen();
      assert.deepEqual(await inventory.scan(), { ok: true });
      assert.deepEqual(seen(), first);
      assert.deepEqual(first[0], ['checkpoint-\nb.tar false', 'checkpoint-a.tar true']);
      assert.equal(first[1]?.length, 5);
    } finally {
      world.end();
    }
  });
});
