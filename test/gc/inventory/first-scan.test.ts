import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PIN_SUFFIX, seriesOf } from '../../../gc/archive/names.ts';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import type { FileName, FileSystem, Listing } from '../../../gc/system/files.ts';
import { FakeFiles } from '../fake-files.ts';
import { Bench, DIRECTORY } from '../inventory-bench.ts';
import { realWorld } from '../worlds.ts';

const CONTAINERS = 7;
const COUNT = 1_400;

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

/** Names some files twice. */
class TwiceListing extends FakeFiles {
  /** Called before each look. */
  seen: (path: FileName) => void = () => {};
  readonly #twice: readonly string[];

  constructor(twice: readonly string[]) {
    super();
    this.#twice = twice;
  }

  override lstat(path: FileName): ReturnType<FileSystem['lstat']> {
    this.seen(path);
    return super.lstat(path);
  }

  override async *list(directory: string): Listing {
    yield* super.list(directory);
    yield this.#twice;
  }
}

/** All that an inventory tells. */
function seenBy({ inventory, names }: Bench) {
  const { growing, unidentified } = { growing: inventory.growing(), unidentified: inventory.unidentified() };
  return {
    names,
    totals: inventory.totals(),
    growing: Array.from(growing, ({ file }) => file),
    unidentified: unidentified.map(({ file }) => file),
    namespaces: inventory.namespaces(),
    holding: inventory.holding('shop'),
    pods: [...inventory.podsOf('shop')],
    archives: inventory
      .archivesOf('shop')
      .map(({ file }) => file)
      .sort(),
    pinned: names.filter((name) => inventory.get(name)?.pinned),
    foreign: inventory.foreign(),
    nextLook: inventory.nextLook(),
  };
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
  it('reads each archive soon after it has looked at it, and does either once', async () => {
    const { bench, files } = benchOf();
    await bench.scan();
    assert.deepEqual([files.calls.lstat, files.calls.open], [COUNT, COUNT]);
    const unread = new Set<string>();
    let most = 0;
    for (const each of files.trace) {
      const [what = '', name = ''] = each.split(' ', 2);
      if (what === 'look') unread.add(name);
      else assert.ok(unread.delete(name), `${name} was looked at`);
      most = Math.max(most, unread.size);
    }
    assert.ok(most <= 500, `${most} that were looked at and not read`);
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

  it('sees pins and foreign files wherever they stand in the listing', async () => {
    const [early = '', late = ''] = [NAMES[3], NAMES[COUNT - 3]];
    const names = [late + PIN_SUFFIX, 'a.txt', ...NAMES.slice(0, 700), 'b.txt', ...NAMES.slice(700)];
    const { bench } = benchOf([...names, early + PIN_SUFFIX, 'c.txt']);
    await bench.scan();
    const pinned = NAMES.filter((name) => bench.get(name).pinned);
    assert.deepEqual([pinned, bench.inventory.totals().pinned], [[early, late], 2]);
    assert.equal(bench.inventory.foreign().length, 3);
    assert.equal(bench.told(), '');
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

  const YOUNG = 'checkpoint-young_shop-main-1.tar';
  const ODD = 'checkpoint-odd.tar';
  const PINNED = NAMES[3] ?? '';
  for (const [what, twice] of Object.entries({
    'an archive': [NAMES[0]],
    'the first and the last': [NAMES[0], NAMES[9]],
    'one three times': [NAMES[5], NAMES[5]],
    'one that is still written': [YOUNG],
    'one with a pin, and the pin': [PINNED, PINNED + PIN_SUFFIX],
    'one without identity, and a foreign file': ['checkpoint-empty.tar', 'notes.txt'],
    all: [...NAMES.slice(0, 10), YOUNG, PINNED + PIN_SUFFIX, 'checkpoint-empty.tar', 'notes.txt'],
  })) {
    it(`of a listing that names ${what} twice counts nothing twice`, async () => {
      const worlds = [[], twice].map((more) => {
        const files = new TwiceListing(more.filter((name) => name !== undefined));
        const bench = new Bench({}, files);
        for (const name of NAMES.slice(0, 10)) bench.put(name);
        bench.put(YOUNG, { ageMs: 10 });
        for (const name of [PINNED + PIN_SUFFIX, 'checkpoint-empty.tar', 'notes.txt']) bench.write(name, '');
        return bench;
      });
      const [once, other] = worlds;
      assert.ok(once && other);
      for (const bench of worlds) assert.equal(await bench.scan(), null);
      assert.deepEqual(seenBy(other), seenBy(once));
      assert.equal(other.told(), once.told());
      assert.equal(once.inventory.totals().archives, 12);
      for (const bench of worlds) {
        bench.now += 10_000;
        bench.files.remove(bench.at(NAMES[0] ?? ''));
        assert.equal(await bench.scan(), null);
      }
      assert.deepEqual(seenBy(other), seenBy(once));
      assert.equal(other.told(), `~checkpoint-empty.tar ~${YOUNG} -${NAMES[0]}`);
      assert.equal(once.inventory.totals().growing, 0);
    });
  }

  for (const [what, names] of Object.entries({
    'archive, and before that a link': ['foreign', 'archive'],
    'link, and before that an archive': ['archive', 'foreign'],
  })) {
    it(`of a listing that names one name twice takes it for the last that it was: an ${what}`, async () => {
      const files = new TwiceListing([ODD]);
      const bench = new Bench({}, files);
      const makes: Readonly<Record<string, () => void>> = {
        archive: () => bench.put(ODD),
        foreign: () => files.symlink('/etc/passwd', bench.at(ODD)),
      };
      const [first, last] = names.map((name) => makes[name]);
      first?.();
      bench.put(NAMES[1] ?? '');
      files.seen = (path) => {
        if (path !== bench.at(NAMES[1] ?? '')) return;
        files.remove(bench.at(ODD));
        last?.();
      };
      assert.equal(await bench.scan(), null);
      const { archives, foreignFiles } = bench.inventory.totals();
      assert.deepEqual([archives, foreignFiles], names[1] === 'archive' ? [2, 0] : [1, 1]);
    });
  }

  it('goes by the time of each look where the disk hangs in their midst', async () => {
    const [slow = '', young = '', touched = ''] = NAMES;
    for (const names of [
      [touched, slow, young],
      [young, touched, slow],
    ]) {
      const { bench, files } = benchOf([]);
      const isLate = names[2] === young;
      const ageMs = isLate ? -29_900 : 100;
      for (const name of names) bench.put(name, { ageMs: name === young ? ageMs : 3_600_000 });
      files.setChanged(bench.at(touched), (bench.now - 10) * 1_000);
      const lstat = files.lstat.bind(files);
      files.lstat = (path) => {
        if (path === bench.at(slow)) bench.now += 30_000;
        return lstat(path);
      };
      const began = bench.now;
      await bench.scan();
      assert.equal(bench.now, began + 30_000);
      // What was seen only then may be in the midst of being written.
      assert.equal(bench.inventory.nextLook(), (isLate ? bench.now : began) + 1_000);
      // What was seen in the tick of its last change is read once more.
      files.calls.open = 0;
      bench.now += 60_000;
      files.lstat = lstat;
      await bench.scan();
      assert.equal(files.calls.open, 2);
    }
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
