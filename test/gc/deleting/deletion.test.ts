import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deleteArchive, finishTombstone, type Outcome } from '../../../gc/deleting/deletion.ts';
import { readTombstone, tombstoneName } from '../../../gc/deleting/tombstones.ts';
import type { FileSystem, Stamp } from '../../../gc/system/files.ts';
import { microseconds } from '../../../gc/system/stats.ts';
import { HookedFiles } from '../collector-bench.ts';
import type { FakeFiles } from '../fake-files.ts';

const DIRECTORY = '/d';
const FILE = 'checkpoint-a.tar';
const PATH = `${DIRECTORY}/${FILE}`;
const NOW = 1_000;

function world(file = FILE): {
  files: HookedFiles;
  stamp: () => ReturnType<typeof stampOf>;
  contents(): string[];
} {
  const files = new HookedFiles();
  files.real.mkdir(DIRECTORY);
  files.real.write(`${DIRECTORY}/${file}`, 'old', 5);
  return {
    files,
    stamp: () => stampOf(files, `${DIRECTORY}/${file}`),
    contents() {
      const names = namesIn(files);
      return names.map((name) => {
        const open = files.real.open(`${DIRECTORY}/${name}`);
        const into = Buffer.alloc(64);
        const text = into.toString('utf8', 0, open.read(into, into.length, 0));
        return `${readTombstone(name) ? '†' : name}: ${text}`;
      });
    },
  };
}

function stampOf(files: HookedFiles, path: string) {
  const facts = files.real.lstat(path);
  if (facts === null) throw new Error(`nothing at ${path}`);
  return facts;
}

function namesIn(files: HookedFiles): string[] {
  return files.real.namesIn(DIRECTORY).map(String).sort();
}

function tombstoneIn(files: HookedFiles): string {
  const name = namesIn(files).find((each) => readTombstone(each) !== null);
  if (name === undefined) throw new Error('no tombstone');
  return name;
}

/** Does something once, right before a call. */
function once(files: HookedFiles, operation: keyof FileSystem, nth: number, act: () => void): void {
  let calls = 0;
  files.before = (each) => {
    if (each === operation && ++calls === nth) act();
  };
}

const fails = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

function shown(outcome: Outcome): string {
  if (outcome.kind === 'deleted') return 'deleted';
  if (outcome.kind === 'spared') return outcome.reason;
  return `${outcome.operation} failed${outcome.tombstone ? ', tombstone' : ''}`;
}

describe('deletion', () => {
  it('unlinks the file that was meant', async () => {
    const { files, stamp, contents } = world();
    assert.equal(shown(await deleteArchive(files, DIRECTORY, FILE, stamp(), NOW)), 'deleted');
    assert.deepEqual(contents(), []);
  });

  const races: readonly {
    name: string;
    at: readonly [keyof FileSystem, number];
    act: (files: HookedFiles) => void;
    outcome: string;
    left: readonly string[];
  }[] = [
    {
      name: 'it was written over before the look',
      at: ['lstat', 1],
      act: ({ real }) => real.write(PATH, 'newer', 6),
      outcome: 'changed',
      left: [`${FILE}: newer`],
    },
    {
      name: 'it was written over in the same millisecond, with the same length',
      at: ['lstat', 1],
      act: ({ real }) => {
        real.remove(PATH);
        real.write(PATH, 'new', 5);
      },
      outcome: 'changed',
      left: [`${FILE}: new`],
    },
    {
      name: 'it went before the look',
      at: ['lstat', 1],
      act: ({ real }) => real.remove(PATH),
      outcome: 'gone',
      left: [],
    },
    {
      name: 'it went between look and rename',
      at: ['rename', 1],
      act: ({ real }) => real.remove(PATH),
      outcome: 'gone',
      left: [],
    },
    {
      name: 'a link has its name',
      at: ['lstat', 1],
      act: ({ real }) => {
        real.remove(PATH);
        real.symlink('/etc/passwd', PATH);
      },
      outcome: 'changed',
      left: [],
    },
    {
      name: 'it was replaced between look and rename',
      at: ['rename', 1],
      act: ({ real }) => {
        real.remove(PATH);
        real.write(PATH, 'other', 7);
      },
      outcome: 'changed',
      left: [`${FILE}: other`],
    },
    {
      name: 'somebody wrote on through an open descriptor between rename and look',
      at: ['lstat', 2],
      act: (files) => files.real.write(`${DIRECTORY}/${tombstoneIn(files)}`, 'grown', 9),
      outcome: 'changed',
      left: [`${FILE}: grown`],
    },
    {
      name: 'it was pinned before the look',
      at: ['lstat', 1],
      act: ({ real }) => real.write(`${PATH}.keep`, ''),
      outcome: 'pinned',
      left: [`${FILE}: old`, `${FILE}.keep: `],
    },
    {
      name: 'it was pinned between look and rename',
      at: ['rename', 1],
      act: ({ real }) => real.write(`${PATH}.keep`, ''),
      outcome: 'pinned',
      left: [`${FILE}: old`, `${FILE}.keep: `],
    },
    {
      name: 'it was pinned after the rename',
      at: ['lstat', 2],
      act: ({ real }) => real.write(`${PATH}.keep`, ''),
      outcome: 'pinned',
      left: [`${FILE}: old`, `${FILE}.keep: `],
    },
    {
      name: 'another checkpoint took its name after the rename',
      at: ['lstat', 2],
      act: ({ real }) => real.write(PATH, 'next', 9),
      outcome: 'deleted',
      left: [`${FILE}: next`],
    },
    {
      name: 'it was replaced, and replaced again after the rename: neither is lost',
      at: ['rename', 1],
      act(files) {
        files.real.remove(PATH);
        files.real.write(PATH, 'second', 7);
        once(files, 'link', 1, () => files.real.write(PATH, 'third', 8));
      },
      outcome: 'restore failed, tombstone',
      left: ['†: second', `${FILE}: third`],
    },
    {
      name: 'the directory was swapped before the rename',
      at: ['rename', 1],
      act({ real }) {
        real.remove(DIRECTORY);
        real.mkdir(DIRECTORY);
        real.write(PATH, 'of another directory', 5);
      },
      // The one that was meant, where it is now.
      outcome: 'deleted',
      left: [`${FILE}: of another directory`],
    },
    {
      name: 'the directory went away before the rename',
      at: ['rename', 1],
      act({ real }) {
        real.remove(DIRECTORY);
        real.mkdir(DIRECTORY);
      },
      outcome: 'deleted',
      left: [],
    },
    {
      name: 'the look fails',
      at: ['lstat', 1],
      act: fails('EIO'),
      outcome: 'look failed',
      left: [`${FILE}: old`],
    },
    {
      name: 'the look for a pin fails',
      at: ['exists', 1],
      act: fails('EIO'),
      outcome: 'look failed',
      left: [`${FILE}: old`],
    },
    {
      name: 'the rename fails',
      at: ['rename', 1],
      act: fails('EROFS'),
      outcome: 'rename failed',
      left: [`${FILE}: old`],
    },
    {
      name: 'the look after the rename fails: it gets its name back',
      at: ['lstat', 2],
      act: fails('EIO'),
      outcome: 'look failed',
      left: [`${FILE}: old`],
    },
    {
      name: 'the look for a pin after the rename fails: it gets its name back',
      at: ['exists', 2],
      act: fails('EIO'),
      outcome: 'look failed',
      left: [`${FILE}: old`],
    },
    {
      name: 'the unlink fails',
      at: ['unlink', 1],
      act: fails('EPERM'),
      outcome: 'unlink failed, tombstone',
      left: ['†: old'],
    },
    {
      name: 'somebody else unlinks the tombstone',
      at: ['unlink', 1],
      act: (files) => files.real.remove(`${DIRECTORY}/${tombstoneIn(files)}`),
      outcome: 'gone',
      left: [],
    },
  ];
  for (const { name, at, act, outcome, left } of races) {
    it(name, async () => {
      const { files, stamp, contents } = world();
      const meant = stamp();
      once(files, at[0], at[1], () => act(files));
      assert.equal(shown(await deleteArchive(files, DIRECTORY, FILE, meant, NOW)), outcome);
      files.before = () => {};
      if (name !== 'a link has its name') assert.deepEqual(contents(), left);
    });
  }

  for (const code of ['ENOSPC', 'EDQUOT']) {
    it(`unlinks it at once where there is no room for a tombstone (${code})`, async () => {
      const { files, stamp, contents } = world();
      files.real.fault('rename', PATH, code);
      assert.equal(shown(await deleteArchive(files, DIRECTORY, FILE, stamp(), NOW)), 'deleted');
      assert.deepEqual(contents(), []);
    });
  }

  for (const [name, act, outcome, left] of [
    ['was written over', (files) => files.write(PATH, 'newer', 6), 'changed', [`${FILE}: newer`]],
    ['was pinned', (files) => files.write(`${PATH}.keep`, ''), 'pinned', [`${FILE}: old`, `${FILE}.keep: `]],
    ['has gone', (files) => files.remove(PATH), 'gone', []],
  ] as readonly (readonly [string, (files: FakeFiles) => void, string, readonly string[]])[]) {
    it(`but not what ${name} since the first look`, async () => {
      const { files, stamp, contents } = world();
      const meant = stamp();
      files.real.fault('rename', PATH, 'ENOSPC');
      once(files, 'rename', 1, () => act(files.real));
      assert.equal(shown(await deleteArchive(files, DIRECTORY, FILE, meant, NOW)), outcome);
      files.before = () => {};
      assert.deepEqual(contents(), left);
    });
  }

  it('does not touch another name of the same file', async () => {
    const { files, stamp, contents } = world();
    await files.real.link(PATH, `${DIRECTORY}/copy`);
    assert.equal(shown(await deleteArchive(files, DIRECTORY, FILE, stamp(), NOW)), 'deleted');
    assert.deepEqual(contents(), ['copy: old']);
  });
});

describe('a tombstone that was found', () => {
  const LONG = `checkpoint-${'x'.repeat(230)}.tar`;
  const DEVICE = 1;

  async function dying(file = FILE): Promise<ReturnType<typeof world> & { name: string }> {
    const made = world(file);
    const stamp = made.stamp();
    once(made.files, 'unlink', 1, fails('EIO'));
    await deleteArchive(made.files, DIRECTORY, file, stamp, NOW);
    made.files.before = () => {};
    return { ...made, name: tombstoneIn(made.files) };
  }

  for (const file of [FILE, LONG]) {
    const what = file === FILE ? '' : ' of a name too long for it';
    it(`is unlinked${what}`, async () => {
      const { files, name, contents } = await dying(file);
      const outcome = await finishTombstone(files, DIRECTORY, name, DEVICE);
      assert.equal(outcome && shown(outcome), 'deleted');
      assert.deepEqual(contents(), []);
    });

    it(`gets its name back when it was pinned meanwhile${what}`, async () => {
      const { files, name } = await dying(file);
      files.real.write(`${DIRECTORY}/${file}.keep`, '');
      const outcome = await finishTombstone(files, DIRECTORY, name, DEVICE);
      assert.equal(outcome && shown(outcome), 'pinned');
      assert.deepEqual(namesIn(files), [file, `${file}.keep`].sort());
    });
  }

  it('gets its name back when it holds another file than was meant', async () => {
    const { files, name, contents } = await dying();
    files.real.write(`${DIRECTORY}/${name}`, 'what a runtime still wrote', 99);
    const outcome = await finishTombstone(files, DIRECTORY, name, DEVICE);
    assert.equal(outcome && shown(outcome), 'changed');
    assert.deepEqual(contents(), [`${FILE}: what a runtime still wrote`]);
  });

  it('is only removed when its file has its name back already', async () => {
    const { files, name, contents } = await dying();
    files.real.write(`${PATH}.keep`, '');
    once(files, 'unlink', 1, fails('EIO'));
    const first = await finishTombstone(files, DIRECTORY, name, DEVICE);
    assert.equal(first && shown(first), 'restore failed, tombstone');
    files.before = () => {};
    const second = await finishTombstone(files, DIRECTORY, name, DEVICE);
    assert.equal(second && shown(second), 'pinned');
    assert.deepEqual(contents(), [`${FILE}: old`, `${FILE}.keep: `]);
  });

  it('waits while another archive has its name, and gets it later', async () => {
    const { files, name, contents } = await dying();
    files.real.write(`${PATH}.keep`, '');
    files.real.write(PATH, 'next', 9);
    const first = await finishTombstone(files, DIRECTORY, name, DEVICE);
    assert.equal(first && shown(first), 'restore failed, tombstone');
    assert.deepEqual(contents(), ['†: old', `${FILE}: next`, `${FILE}.keep: `]);
    files.real.remove(PATH);
    await finishTombstone(files, DIRECTORY, name, DEVICE);
    assert.deepEqual(contents(), [`${FILE}: old`, `${FILE}.keep: `]);
  });

  const PRECISE = 1_795_000_000_123_456_789n;
  const TIMES: readonly (readonly [name: string, changeBy: number, end: string])[] = [
    ['is unlinked', 0, 'deleted'],
    ['gets its name back when it was written since', 1, 'changed'],
  ];
  for (const [name, changeBy, end] of TIMES) {
    it(`of an earlier version, with a time to the nanosecond, ${name}`, async () => {
      const { files } = world();
      files.real.setModified(PATH, microseconds(PRECISE) + changeBy);
      const inode = Number(files.real.lstat(PATH)?.inode).toString(36);
      const tombstone = `.checkpoint-warden-tombstone-${inode}-3-${PRECISE.toString(36)}-rs-${FILE}`;
      await files.real.rename(PATH, `${DIRECTORY}/${tombstone}`);
      const outcome = await finishTombstone(files, DIRECTORY, tombstone, DEVICE);
      assert.equal(outcome && shown(outcome), end);
      assert.deepEqual(namesIn(files), end === 'deleted' ? [] : [FILE]);
    });
  }

  it('is left alone when it was not made here', async () => {
    const { files } = world();
    const name = '.checkpoint-warden-tombstone-1';
    files.real.write(`${DIRECTORY}/${name}`, 'whose?');
    assert.equal(await finishTombstone(files, DIRECTORY, name, DEVICE), null);
    assert.deepEqual(namesIn(files), [name, FILE]);
  });
});

describe('the name of a tombstone', () => {
  const stamp: Stamp = {
    device: 1,
    inode: 2n ** 63n + 5n,
    bytes: 2 ** 40,
    modifiedUs: 1_795_000_000_123_457,
  };
  const names = [FILE, 'a-b~0123456789abcdef', 'with\nnewline and ünïcode.tar', `${'é'.repeat(120)}.tar`];
  for (const file of names) {
    it(`tells what was meant: ${JSON.stringify(file.slice(0, 30))}`, () => {
      const name = tombstoneName(file, stamp, NOW);
      assert.ok(Buffer.byteLength(name) <= 255);
      const { device: _, ...rest } = stamp;
      const read = readTombstone(name);
      assert.deepEqual(read?.stamp, rest);
      if (read?.file !== null) assert.equal(read?.file, file);
      else assert.match(read.digest ?? '', /^[0-9a-f]{16}$/);
    });
  }

  it('gives back an inode as it is compared', () => {
    for (const inode of [7, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n])
      assert.equal(readTombstone(tombstoneName(FILE, { ...stamp, inode }, NOW))?.stamp.inode, inode);
  });

  it('knows a time before 1970', () => {
    const name = tombstoneName(FILE, { ...stamp, modifiedUs: -5 }, NOW);
    assert.equal(readTombstone(name)?.stamp.modifiedUs, -5);
  });

  it('is never the same twice', () => {
    const names = new Set(Array.from({ length: 500 }, () => tombstoneName(FILE, stamp, NOW)));
    assert.equal(names.size, 500);
  });
});
