import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Header } from 'tar';
import { Block, headerKind, headerSize, isNamed, plainName } from '../../../gc/archive/tar-header.ts';
import { header, patched, sealed } from '../archives.ts';

const SIZE_AT = 124;

function blockOf(bytes: Buffer): Block {
  const block = new Block(512);
  bytes.copy(block.bytes);
  return block;
}

describe('tar-header: kind', () => {
  const rows: readonly [string, string][] = [
    ['0', 'file'],
    ['\0', 'file'],
    ['7', 'file'],
    ['1', 'bodiless'],
    ['2', 'bodiless'],
    ['5', 'bodiless'],
    ['6', 'bodiless'],
    ['x', 'pax'],
    ['g', 'globalPax'],
    ['L', 'longName'],
    ['K', 'longLink'],
    ['S', 'unknown'],
    ['V', 'unknown'],
    ['8', 'unknown'],
    ['\xff', 'unknown'],
  ];
  for (const [type, kind] of rows) {
    it(`type flag ${JSON.stringify(type)} is ${kind}`, () => {
      assert.equal(headerKind(blockOf(header('name', { type }))), kind);
    });
  }

  it('a block of zeros is no header', () => assert.equal(headerKind(new Block(512)), 'zero'));

  it('sees any changed byte by the checksum', () => {
    const good = header('checkpoint/pages-1.img', { size: 4096 });
    for (let at = 0; at < 512; at++) {
      const block = blockOf(good);
      block.bytes[at] = (block.bytes[at] ?? 0) ^ 0x01;
      // The blank behind the checksum's digits may be a NUL as well, but not what is next to them.
      assert.equal(headerKind(block), 'damaged', `byte ${at}`);
    }
  });

  it('a block of one byte is damaged, not zero', () => {
    for (const at of [0, 147, 148, 155, 156, 511]) {
      const block = new Block(512);
      block.bytes[at] = 1;
      assert.equal(headerKind(block), 'damaged');
    }
  });

  it('sums all bytes of the highest value', () => {
    const block = blockOf(sealed(Buffer.alloc(512, 0xff)));
    assert.equal(headerKind(block), 'unknown');
  });
});

describe('tar-header: size', () => {
  const rows: readonly [string, string | Buffer, number | null][] = [
    ['octal', '00000010000\0', 4096],
    ['octal, all twelve digits', '777777777777', 8 ** 12 - 1],
    ['octal, blanks before', '      10000 ', 4096],
    ['empty', Buffer.alloc(12), 0],
    ['blanks', ' '.repeat(12), 0],
    ['negative', '-0000010000\0', null],
    ['decimal digits', '00000009999\0', null],
    ['hexadecimal', '0x000010000\0', null],
    ['rubbish behind a NUL', '0000010\0abcd', null],
    ['digits behind a blank', '10000 10000 ', null],
    ['base-256', Buffer.from('800000000000000200000000', 'hex'), 2 ** 33],
    ['base-256, the largest exact', Buffer.from('80000000001fffffffffffff', 'hex'), 2 ** 53 - 1],
    ['base-256, one more', Buffer.from('800000000020000000000000', 'hex'), null],
    ['base-256, huge', Buffer.from('80ffffffffffffffffffffff', 'hex'), null],
    ['base-256, bits in the first byte', Buffer.from('810000000000000000000000', 'hex'), null],
    ['base-256, negative', Buffer.from('ffffffffffffffffffffffff', 'hex'), null],
  ];
  for (const [name, field, size] of rows) {
    it(`${name}: ${size}`, () => {
      assert.equal(headerSize(blockOf(patched(header('name'), SIZE_AT, field))), size);
    });
  }

  it('is what the npm package reads out of what it wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (size) => {
        const bytes = header('name', { size });
        assert.equal(headerSize(blockOf(bytes)), size);
        assert.equal(new Header(bytes).size, size);
      }),
    );
  });
});

describe('tar-header: name', () => {
  const long = `${'d'.repeat(80)}/${'e'.repeat(60)}/spec.dump`;
  const rows: readonly [string, Buffer, boolean][] = [
    ['spec.dump', header('spec.dump'), true],
    ['./spec.dump', header('./spec.dump'), true],
    ['.//./spec.dump', header('.//./spec.dump'), true],
    ['/spec.dump', header('/spec.dump'), true],
    ['spec.dump/', header('spec.dump/'), false],
    ['./spec.dump/', header('./spec.dump/'), false],
    ['spec.dump2', header('spec.dump2'), false],
    ['spec.dum', header('spec.dum'), false],
    ['SPEC.DUMP', header('SPEC.DUMP'), false],
    ['checkpoint/spec.dump', header('checkpoint/spec.dump'), false],
    ['../spec.dump', header('../spec.dump'), false],
    ['a directory as prefix', header('spec.dump', { prefix: 'checkpoint' }), false],
    ['a dot as prefix', header('spec.dump', { prefix: '.' }), true],
    ['a long path, split by tar', header(long), false],
    [
      'what GNU keeps where a prefix would be',
      patched(header('spec.dump', { prefix: '1234' }), 257, 'ustar  \0'),
      true,
    ],
    ['no magic at all', patched(header('spec.dump'), 257, Buffer.alloc(8)), true],
    ['a hundred bytes without a NUL', patched(header('x'), 0, 'spec.dump'.padEnd(100, 'x')), false],
  ];
  for (const [name, bytes, expected] of rows) {
    it(`${name}: ${expected}`, () => assert.equal(isNamed(blockOf(bytes), 'spec.dump'), expected));
  }

  it('is told from its other clothes', () => {
    assert.equal(plainName('./a//b/./c'), 'a/b/c');
    assert.equal(plainName('/a/'), 'a/');
    assert.equal(plainName(''), '');
  });
});
