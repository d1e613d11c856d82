import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { demoPicture } from '../../../docs/terminal.ts';

test('the picture of the terminal is what the demonstration shows: if not, run npm run docs', async () => {
  const committed = await readFile(new URL('../../../docs/pictures/demo.svg', import.meta.url), 'utf8');
  assert.equal(committed, await demoPicture());
});
