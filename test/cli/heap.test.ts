import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { beginYoung } from '../../cli/heap.ts';
import { COMMANDS } from '../../cli/program.ts';

const ROOT = join(import.meta.dirname, '../..');
const SETTERS = ['cli/heap.ts', 'gc/system/memory.ts'];

test('V8 knows the flags that are set while it runs: of one that it does not know it would say nothing', async () => {
  const { stdout: known } = await promisify(execFile)(process.execPath, ['--v8-options']);
  for (const file of SETTERS) {
    const source = await readFile(join(ROOT, file), 'utf8');
    const flags = [...source.matchAll(/setFlagsFromString\(['`]--(?:no-)?([\w-]+)/g)].map(([, flag]) => flag);
    assert.ok(flags.length > 0, `${file} sets no flag`);
    for (const flag of flags) assert.match(known, new RegExp(`^ *--${flag} `, 'm'), `${file}: ${flag}`);
  }
});

test('the webhook begins its objects young', () => {
  const webhook = COMMANDS.find(({ name }) => name === 'webhook');
  assert.equal(webhook?.prepare, beginYoung);
});
