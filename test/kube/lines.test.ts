import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLines } from '../../kube/lines.ts';

async function* chunks(...texts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const each of texts) yield typeof each === 'string' ? Buffer.from(each) : each;
}

async function linesOf(...texts: readonly (string | Uint8Array)[]): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const line of jsonLines(chunks(...texts))) lines.push(line);
  return lines;
}

test('lines, however they are cut', async () => {
  const text = '{"a":1}\n\n{"b":"ä€"}\n{"c":3}\n';
  const expected = [{ a: 1 }, { b: 'ä€' }, { c: 3 }];
  assert.deepEqual(await linesOf(text), expected);
  const bytes = Buffer.from(text);
  for (let size = 1; size < 9; size += 1) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    assert.deepEqual(await linesOf(...pieces), expected);
  }
});

test('a line that is cut short, is no JSON, or has no end', async () => {
  await assert.rejects(linesOf('{"a":1}\n{"b"'), { message: 'the answer ended within a line' });
  await assert.rejects(linesOf('<html>\n'), SyntaxError);
  const endless = Array(9).fill('x'.repeat(1024 * 1024));
  await assert.rejects(linesOf(...endless), { message: /a line of the answer has more than \d+ bytes/ });
});
