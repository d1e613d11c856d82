import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeFolder } from '../../observe/folder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-folder-'));
after(() => rmSync(scratch, { recursive: true }));

describe('making a folder', () => {
  it('makes those above it, too, and leaves what is there', () => {
    const folder = join(scratch, 'a/b/c');
    makeFolder(folder, 0o700);
    makeFolder(folder, 0o755);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    makeFolder('/', 0o700);
  });

  it('throws where a file is in the way', () => {
    writeFileSync(join(scratch, 'file'), '');
    assert.throws(() => makeFolder(join(scratch, 'file/b/c'), 0o700), { code: 'ENOTDIR' });
  });

  it(
    'throws where nothing can be made, and does not go on for ever',
    {
      skip: !existsSync('/proc/self') && 'it takes /proc',
    },
    () => assert.throws(() => makeFolder('/proc/nowhere/b', 0o700), { code: 'ENOENT' }),
  );
});
