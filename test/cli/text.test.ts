import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { printable, printableName, widthOf, wrap } from '../../cli/text.ts';

suite('names that a terminal would obey', () => {
  const table: readonly (readonly [string, string | Buffer, string])[] = [
    ['an ordinary name', 'checkpoint-a_b-c-2026.tar', 'checkpoint-a_b-c-2026.tar'],
    ['a newline', 'a\nb.tar', 'a\\nb.tar'],
    ['a colour', '\u001b[31mred', '\\x1b[31mred'],
    ['a backspace', 'a\b\b', 'a\\x08\\x08'],
    ['a forged escape', 'a\\n', 'a\\\\n'],
    ['turned round', 'a\u202erat.exe', 'a\\u{202e}rat.exe'],
    ['without width', 'a\u200bb', 'a\\u{200b}b'],
    ['a C1 control', 'a\u009b31m', 'a\\x9b31m'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['blanks, which would forge columns', 'a   b', 'a\\x20\\x20\\x20b'],
    ['a lone surrogate', 'a\ud800', 'a\\u{d800}'],
    ['letters of the world', 'größe-名前', 'größe-名前'],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xfe, 0x20, 0x5c]), 'a\\xff\\xfe\\x20\\x5c'],
  ];
  for (const [name, given, shown] of table) {
    test(name, () => assert.equal(printableName(given), shown));
  }
  test('sentences keep their blanks', () => assert.equal(printable('a  b\nc'), 'a  b\\nc'));
});

suite('widths', () => {
  const table: readonly (readonly [string, number])[] = [
    ['abc', 3],
    ['名前', 4],
    ['\u001b[1mbold\u001b[22m', 4],
    ['e\u0301', 1],
    ['✗', 1],
  ];
  for (const [text, width] of table) test(JSON.stringify(text), () => assert.equal(widthOf(text), width));
  test('words stay whole', () => {
    assert.deepEqual(wrap('the oldest go first', 10), ['the oldest', 'go first']);
    assert.deepEqual(wrap('a-very-long-word here', 5), ['a-very-long-word', 'here']);
  });
});
