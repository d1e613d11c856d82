import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { realPath } from '../../source/real-path.ts';
import { scratch } from './scratch.ts';

test('where links lead, also of what does not exist yet', async (t) => {
  const folder = realPath(await scratch(t));
  await mkdir(join(folder, 'real'));
  await symlink('real', join(folder, 'link'));
  await symlink('circle', join(folder, 'circle'));
  const rows: readonly (readonly [path: string, expected: string])[] = [
    ['real', 'real'],
    ['link', 'real'],
    ['link/checkpoints', 'real/checkpoints'],
    ['link/a/b', 'real/a/b'],
    ['circle', 'circle'],
  ];
  for (const [path, expected] of rows)
    assert.equal(realPath(join(folder, path)), join(folder, expected), path);
  assert.equal(realPath('/'), '/');
});
