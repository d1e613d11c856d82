import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NameRules } from '../../../gc/archive/names.ts';
import { sight } from '../../../gc/inventory/sight.ts';
import type { FileName } from '../../../gc/system/files.ts';
import { FakeFiles } from '../fake-files.ts';

const RULES = new NameRules();

function see(prepare: (files: FakeFiles) => void, name: FileName) {
  const files = new FakeFiles();
  files.mkdir('/d');
  prepare(files);
  return sight(files, '/d', name, 1, RULES);
}

describe('sight', () => {
  it('sees an archive with its facts', () => {
    const seen = see((files) => files.write('/d/checkpoint-a.tar', 'abc'), 'checkpoint-a.tar');
    assert.equal(seen?.role, 'archive');
    assert.equal(seen?.role === 'archive' && seen.facts.bytes, 3);
  });

  it('sees nothing where nothing is', () =>
    assert.equal(
      see(() => {}, 'checkpoint-a.tar'),
      null,
    ));

  const name = 'checkpoint-a.tar';
  const rows: readonly [string, FileName, (files: FakeFiles) => void, string, number][] = [
    [
      'another name',
      'notes.txt',
      (files) => files.write('/d/notes.txt', 'abcd'),
      'its name is not that of an archive',
      4,
    ],
    [
      'a pin being written',
      `${name}.keep.tmp`,
      (files) => files.write(`/d/${name}.keep.tmp`, ''),
      'it is a pin that is being written',
      0,
    ],
    ['a link', name, (files) => files.symlink('/d/x', `/d/${name}`), 'it is a symbolic link', 0],
    ['a directory', name, (files) => files.mkdir(`/d/${name}`), 'it is a directory', 0],
    ['a FIFO', name, (files) => files.special(`/d/${name}`, 'fifo'), 'it is a FIFO', 0],
    ['a socket', name, (files) => files.special(`/d/${name}`, 'socket'), 'it is a socket', 0],
    ['a device', name, (files) => files.special(`/d/${name}`, 'device'), 'it is a device', 0],
    [
      'a mounted file',
      name,
      (files) => files.mount(`/d/${name}`, Buffer.alloc(9), 7),
      'it is mounted from another file system',
      9,
    ],
    [
      'a tombstone that is a link',
      '.checkpoint-warden-tombstone-1',
      (files) => files.symlink('/x', '/d/.checkpoint-warden-tombstone-1'),
      'it is a symbolic link',
      0,
    ],
    [
      'bytes that are not UTF-8',
      Buffer.from([0xff]),
      (files) => files.write(Buffer.from([0x2f, 0x64, 0x2f, 0xff]), 'abc'),
      'its name is not valid UTF-8',
      3,
    ],
    [
      'what cannot be looked at',
      name,
      (files) => files.fault('lstat', `/d/${name}`, 'EIO'),
      'it cannot be looked at: input/output error of the disk (EIO)',
      0,
    ],
  ];
  for (const [what, file, prepare, reason, bytes] of rows) {
    it(`${what} is foreign`, () => {
      const files = new FakeFiles();
      files.mkdir('/d');
      prepare(files);
      assert.deepEqual(sight(files, '/d', file, 1, RULES), { role: 'foreign', bytes, reason });
      assert.equal(files.calls.open, 0, 'nothing is opened');
    });
  }

  it('a pin is one whatever it is', () => {
    const pin = `${name}.keep`;
    assert.deepEqual(
      see((files) => files.write(`/d/${pin}`, 'note'), pin),
      { role: 'pin', bytes: 4 },
    );
    assert.deepEqual(
      see((files) => files.symlink('/nowhere', `/d/${pin}`), pin),
      { role: 'pin', bytes: 0 },
    );
    assert.deepEqual(
      see((files) => files.mkdir(`/d/${pin}`), pin),
      { role: 'pin', bytes: 0 },
    );
  });

  it('a tombstone is a file', () => {
    const tombstone = '.checkpoint-warden-tombstone-1';
    assert.deepEqual(
      see((files) => files.write(`/d/${tombstone}`, 'x'), tombstone),
      { role: 'tombstone', bytes: 1 },
    );
  });
});
