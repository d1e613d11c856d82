import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TOMBSTONE_PREFIX } from '../../gc/archive/names.ts';
import { CollectorBench, DIRECTORY, HOUR, named, policy } from './collector-bench.ts';
import type { FakeFiles } from './fake-files.ts';

const OUTSIDE = '/outside';
const KEEP_TWO = policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 2 }] });
const DOOMED = named(1);
const KEPT = [named(4), named(5)];

/** Archives 1 to 3 are to go; outside lies something under each of their names. */
function filled(): CollectorBench {
  const bench = new CollectorBench([KEEP_TWO]);
  const { real } = bench.files;
  real.mkdir(OUTSIDE);
  for (const number of [1, 2, 3, 4, 5]) {
    bench.put(named(number), { ageMs: (20 - number) * HOUR });
    real.write(`${OUTSIDE}/${named(number)}`, `not ours ${number}`, number);
  }
  return bench;
}

/** Names, files and contents: what must be the same afterwards. */
function stateOf(real: FakeFiles, directory: string): string[] {
  const all: string[] = [];
  for (const name of real.namesIn(directory)) {
    const path = `${directory}/${name}`;
    const { inode, modifiedUs, kind } = real.lstat(path) ?? assert.fail();
    all.push(`${name} ${kind} ${inode} ${modifiedUs} ${real.contentOf(path)?.toString('latin1')}`);
  }
  return all.sort();
}

/** What has the name of an archive, or of its tombstone, at that moment. */
function victims(real: FakeFiles): string[] {
  return stateOf(real, DIRECTORY)
    .map((line) => line.slice(0, line.indexOf(' ')))
    .filter((name) => name === DOOMED || name.startsWith(TOMBSTONE_PREFIX))
    .map((name) => `${DIRECTORY}/${name}`);
}

const SWAPS: Readonly<Record<string, (real: FakeFiles) => void>> = {
  'an archive by a symbolic link to a file outside'(real) {
    for (const path of victims(real)) {
      real.remove(path);
      real.symlink(`${OUTSIDE}/${DOOMED}`, path);
    }
  },
  'an archive by a hard link to a file outside'(real) {
    for (const path of victims(real).slice(0, 1)) {
      real.remove(path);
      void real.link(`${OUTSIDE}/${DOOMED}`, path);
    }
  },
  'an archive by a directory'(real) {
    for (const path of victims(real)) {
      real.remove(path);
      real.mkdir(path);
    }
  },
  'an archive by a FIFO'(real) {
    for (const path of victims(real)) {
      real.remove(path);
      real.special(path, 'fifo');
    }
  },
  'an archive by a device'(real) {
    for (const path of victims(real)) {
      real.remove(path);
      real.special(path, 'device');
    }
  },
  'the directory by a symbolic link to another'(real) {
    void real.rename(DIRECTORY, '/moved');
    real.symlink(OUTSIDE, DIRECTORY);
  },
  'the directory by another'(real) {
    void real.rename(DIRECTORY, '/moved');
    void real.rename(OUTSIDE, DIRECTORY);
  },
};

/** Runs a collector, which is killed by nothing, with something done before its call number `at`. */
async function runWith(bench: CollectorBench, at: number, act: () => void): Promise<number> {
  let calls = 0;
  bench.files.before = () => {
    calls += 1;
    if (calls === at) act();
  };
  await bench.start();
  await bench.clock.advance(70_000);
  await bench.collector.stop();
  bench.files.before = () => {};
  return calls;
}

describe('swapped on purpose, before any call of a collector', () => {
  for (const [what, swap] of Object.entries(SWAPS)) {
    it(`${what}: nothing outside is touched`, async () => {
      // What comes later is the same again and again.
      const calls = Math.min(120, await runWith(filled(), Number.POSITIVE_INFINITY, () => {}));
      assert.ok(calls > 60);
      for (let at = 1; at <= calls; at += 1) {
        const bench = filled();
        const { real } = bench.files;
        const before = stateOf(real, OUTSIDE);
        const outside = () => stateOf(real, real.lstat(OUTSIDE) === null ? DIRECTORY : OUTSIDE);
        let touched: string[] | null = null;
        await runWith(bench, at, () => {
          swap(real);
          // Not even for a moment, until its state is what it was.
          real.onChange = () => {
            touched ??= outside().join() === before.join() ? null : outside();
          };
        });
        assert.deepEqual(touched ?? outside(), before, `swapped at call ${at}`);
        const isMoved = real.lstat('/moved') !== null;
        const inside = stateOf(real, isMoved ? '/moved' : DIRECTORY).map((line) => line.split(' ')[0]);
        for (const file of KEPT) assert.ok(inside.includes(file), `${file} is gone, swapped at call ${at}`);
      }
    });
  }

  it('an archive that has a second name outside goes, and its content stays there', async () => {
    const bench = filled();
    const { real } = bench.files;
    void real.link(`${DIRECTORY}/${DOOMED}`, `${OUTSIDE}/mine`);
    const before = stateOf(real, OUTSIDE);
    await runWith(bench, Number.POSITIVE_INFINITY, () => {});
    assert.deepEqual(bench.names, KEPT);
    assert.deepEqual(stateOf(real, OUTSIDE), before);
  });

  it('what has an archive’s name and is none stays, is not opened, and does not count', async () => {
    const bench = filled();
    const { real } = bench.files;
    real.symlink(`${OUTSIDE}/${DOOMED}`, bench.at('checkpoint-link.tar'));
    real.symlink('/nowhere', bench.at('checkpoint-dangling.tar'));
    real.mkdir(bench.at('checkpoint-directory.tar'));
    for (const kind of ['fifo', 'socket', 'device'] as const)
      real.special(bench.at(`checkpoint-${kind}.tar`), kind);
    const opened: string[] = [];
    bench.files.before = (operation, path) => {
      if (operation === 'open') opened.push(String(path).split('/').at(-1) ?? '');
    };
    await bench.start();
    await bench.clock.advance(5 * 60_000);
    await bench.collector.stop();
    const odd = ['dangling', 'device', 'directory', 'fifo', 'link', 'socket'].map(
      (each) => `checkpoint-${each}.tar`,
    );
    assert.deepEqual(bench.names, [...KEPT, ...odd].sort());
    assert.deepEqual(opened.sort(), [1, 2, 3, 4, 5].map(named));
  });
});
