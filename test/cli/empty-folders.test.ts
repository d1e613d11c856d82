import assert from 'node:assert/strict';
import { mkdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { emptyFolders, warningOfEmptyFolders } from '../../cli/empty-folders.ts';
import { FakeLog, FakeSource } from '../gc/collector-bench.ts';
import { scratch } from './call.ts';

suite('folders without policy files', () => {
  test('are told from those with one, from files and from what is not there', async (context) => {
    const directory = await scratch(context);
    const [empty, other, full] = ['empty', 'other', 'full'].map((name) => join(directory, name));
    assert.ok(empty && other && full);
    for (const folder of [empty, other, full, join(other, 'folder.yaml')]) await mkdir(folder);
    for (const file of [join(other, 'README.md'), join(other, '.hidden.yaml'), join(full, 'a.yml')])
      await writeFile(file, '');
    const paths = [empty, other, full, join(full, 'a.yml'), join(directory, 'absent')];
    assert.deepEqual(await emptyFolders(paths), [empty, other]);
  });

  test('are warned of once, and again when one becomes so', async (context) => {
    const directory = await scratch(context);
    const log = new FakeLog();
    const behind = new FakeSource();
    const source = warningOfEmptyFolders(behind, [directory], log);
    const warnings = async () => {
      behind.set();
      // The looks that were asked for are over when it is stopped; here one more look is as good.
      await source.stop();
      return log.matching(/no policy files in/).length;
    };
    await source.start();
    assert.equal(await warnings(), 1);
    await source.start();
    assert.equal(await warnings(), 1);
    const file = join(directory, 'a.yaml');
    await writeFile(file, '');
    await source.start();
    await unlink(file);
    assert.equal(await warnings(), 2);
    assert.equal(log.lines[0]?.level, 'warn');
  });
});
