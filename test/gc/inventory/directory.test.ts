import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lookAtDirectory, replacement } from '../../../gc/inventory/directory.ts';
import { FakeFiles } from '../fake-files.ts';

const PATH = '/checkpoints';

describe('directory', () => {
  it('is there, also behind a link', () => {
    const files = new FakeFiles();
    files.mkdir('/real');
    files.symlink('/real', PATH);
    const facts = files.stat('/real') ?? assert.fail();
    const identity = { device: facts.device, inode: facts.inode };
    assert.deepEqual(lookAtDirectory(files, PATH), { kind: 'there', identity });
  });

  it('is gone when nothing is there, or something else', () => {
    const files = new FakeFiles();
    assert.deepEqual(lookAtDirectory(files, PATH), { kind: 'gone', reason: `${PATH} does not exist` });
    files.write(PATH, '');
    assert.deepEqual(lookAtDirectory(files, PATH), { kind: 'gone', reason: `${PATH} is not a directory` });
  });

  it('is unreadable when nobody may say', () => {
    const files = new FakeFiles();
    files.fault('stat', PATH, 'EACCES');
    const reason = `${PATH} cannot be looked at: permission denied (EACCES)`;
    assert.deepEqual(lookAtDirectory(files, PATH), { kind: 'unreadable', reason });
  });

  it('another one is told from the same', () => {
    const before = { device: 1, inode: 2 };
    assert.equal(replacement(PATH, before, { ...before }), null);
    assert.equal(
      replacement(PATH, before, { device: 1, inode: 3 }),
      `${PATH} was replaced by another directory`,
    );
    assert.equal(
      replacement(PATH, before, { device: 9, inode: 2 }),
      `${PATH} now lies on another file system`,
    );
  });
});
