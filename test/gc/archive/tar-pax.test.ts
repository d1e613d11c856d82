import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parsePax } from '../../../gc/archive/tar-pax.ts';
import { pax, record } from '../archives.ts';

describe('tar-pax', () => {
  const rows: readonly [string, string, { size: number | null; path: string | null } | null][] = [
    ['nothing', '', { size: null, path: null }],
    ['a size', record('size', '8589934592'), { size: 8_589_934_592, path: null }],
    ['a path', record('path', 'spec.dump'), { size: null, path: 'spec.dump' }],
    [
      'other keys',
      record('mtime', '1.5') + record('SCHILY.xattr.user.x', 'a=b\nc'),
      { size: null, path: null },
    ],
    [
      'a value with newlines',
      record('comment', 'a\n12 size=99\n') + record('size', '7'),
      { size: 7, path: null },
    ],
    ['the last of two', record('size', '1') + record('size', '2'), { size: 2, path: null }],
    ['a key like one of ours', record('mysize', '1'), { size: null, path: null }],
    ['a negative size', record('size', '-1'), null],
    ['a size with a sign', record('size', '+1'), null],
    ['a hexadecimal size', record('size', '0x10'), null],
    ['a fraction', record('size', '1.5'), null],
    ['an exponent', record('size', '1e3'), null],
    ['an empty size', record('size', ''), null],
    ['a size beyond 2^53', record('size', '9007199254740992'), null],
    ['a size of forty digits', record('size', '1'.repeat(40)), null],
    ['an empty path', record('path', ''), null],
    ['a path with a NUL', record('path', 'spec.dump\0x'), null],
    ['a sparse file', record('GNU.sparse.realsize', '1'), null],
    ['a length too short', '10 size=100\n', null],
    ['a length too long', '99 size=1\n', null],
    ['no length', 'size=1\n', null],
    ['a length of zero', '0 size=1\n', null],
    ['a length with a leading zero', '010 size=1\n', null],
    ['a negative length', '-9 size=1\n', null],
    ['no newline', '9 size=12', null],
    ['no equals sign', '7 size\n', null],
    ['no key', '5 =1\n', null],
    ['rubbish behind', `${record('size', '1')}\0\0\0`, null],
  ];
  for (const [name, body, expected] of rows) {
    it(name, () => assert.deepEqual(parsePax(body), expected));
  }

  it('reads what the npm package writes', () => {
    const name = fc.stringMatching(/^[a-z./]{1,200}$/);
    fc.assert(
      fc.property(name, fc.nat(), (path, size) => {
        const bytes = pax({ path, size });
        const length = Number.parseInt(bytes.toString('latin1', 124, 135), 8);
        assert.deepEqual(parsePax(bytes.toString('latin1', 512, 512 + length)), { path, size });
      }),
    );
  });

  it('never throws, and ends', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (body) => void parsePax(body)));
    fc.assert(fc.property(fc.stringMatching(/^[0-9 =a-c\n]{0,60}$/), (body) => void parsePax(body)));
  });
});
