import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  archiveOfPin,
  isEntryName,
  type NameRole,
  NameRules,
  seriesOf,
  TOMBSTONE_PREFIX,
} from '../../../gc/archive/names.ts';

const NAME = 'checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar';

describe('names: roles', () => {
  const rows: readonly [string, NameRole][] = [
    [NAME, 'archive'],
    ['checkpoint-.tar', 'archive'],
    ['checkpoint-two\nlines.tar', 'archive'],
    [`checkpoint-${'x'.repeat(240)}.tar`, 'archive'],
    ['checkpoint-a.tar.tar', 'archive'],
    ['checkpoint.tar', 'other'],
    ['checkpoint-a.tar.gz', 'other'],
    ['Checkpoint-a.tar', 'other'],
    [' checkpoint-a.tar', 'other'],
    ['.checkpoint-a.tar', 'other'],
    ['counter.tar', 'other'],
    [`${NAME}.keep`, 'pin'],
    [`${NAME}.keep.keep`, 'other'],
    [`${NAME}.keep.tmp`, 'other'],
    ['counter.tar.keep', 'other'],
    ['.keep', 'other'],
    [`${TOMBSTONE_PREFIX}x-${NAME}`, 'tombstone'],
    [TOMBSTONE_PREFIX, 'tombstone'],
    [`${TOMBSTONE_PREFIX}x.keep`, 'tombstone'],
  ];
  for (const [name, role] of rows) {
    it(`${JSON.stringify(name)} is ${role}`, () => assert.equal(new NameRules().roleOf(name), role));
  }

  it('a pattern never takes a pin or a tombstone for an archive', () => {
    const rules = new NameRules(['*', '.*']);
    assert.equal(rules.roleOf('a.keep'), 'pin');
    assert.equal(rules.roleOf('a.keep.tmp'), 'other');
    assert.equal(rules.roleOf(`${TOMBSTONE_PREFIX}a`), 'tombstone');
    assert.equal(rules.roleOf('a.keep.x'), 'archive');
  });

  it('a pin’s archive is what its name says', () => assert.equal(archiveOfPin(`${NAME}.keep`), NAME));
});

describe('names: patterns', () => {
  const rows: readonly [string, string, boolean][] = [
    ['*.tar.gz', 'counter.tar.gz', true],
    ['*.tar.gz', '.hidden.tar.gz', false],
    ['.*.tar', '.hidden.tar', true],
    ['a*b*c', 'axxbxxbc', true],
    ['a*b*c', 'axxbxxbcd', false],
    ['a**c', 'ac', true],
    ['?.tar', 'a.tar', true],
    ['?.tar', 'ab.tar', false],
    ['?.tar', '.tar', false],
    ['a?c*', 'abc', true],
    ['*?', 'a', true],
    ['a.b', 'axb', false],
    ['[ab]', 'a', false],
    ['[ab]', '[ab]', true],
    ['a+(b)|c', 'a+(b)|c', true],
    ['*', 'two\nlines', true],
    ['exact', 'exact', true],
    ['exact', 'exact ', false],
  ];
  for (const [pattern, name, expected] of rows) {
    it(`${pattern} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(name)}`, () => {
      assert.equal(new NameRules([pattern]).roleOf(name) === 'archive', expected);
    });
  }

  it('several of them add up', () => {
    const rules = new NameRules(['*.tar', '*.tar.zst']);
    assert.deepEqual(
      ['a.tar', 'a.tar.zst', 'a.zst'].map((name) => rules.roleOf(name)),
      ['archive', 'archive', 'other'],
    );
  });

  it('is refused when it cannot match a name', () => {
    for (const pattern of ['', 'a/b', '/', '..', 'a\0'])
      assert.throws(() => new NameRules([pattern]), RangeError);
  });

  it('matches what the like regular expression matches', () => {
    const pattern = fc.stringMatching(/^[ab*?]{1,8}$/);
    const name = fc.stringMatching(/^[ab]{0,10}$/);
    fc.assert(
      fc.property(pattern, name, (glob, text) => {
        const like = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        assert.equal(new NameRules([glob]).roleOf(text) === 'archive', like.test(text));
      }),
    );
  });

  it('takes no time with a hostile pair', () => {
    const started = performance.now();
    new NameRules([`${'a*'.repeat(100)}b`]).roleOf('a'.repeat(255));
    assert.ok(performance.now() - started < 100);
  });
});

describe('names: of entries', () => {
  it('do not lead out of a directory', () => {
    for (const name of ['', '.', '..', 'a/b', '/', '../x', 'a\0b'])
      assert.equal(isEntryName(name), false, name);
    for (const name of ['a', '...', 'a\nb', ' ']) assert.equal(isEntryName(name), true, name);
  });
});

describe('names: which are of one container', () => {
  const rows: [string, string][] = [
    ['checkpoint-cart_shop-main-2026-11-21T00:00:00Z.tar', 'checkpoint-cart_shop-main'],
    ['checkpoint-edge-node3_shop-main-2026-11-21T06:00:21+05:30.tar', 'checkpoint-edge-node3_shop-main'],
    ['export.tar', 'export.tar'],
  ];
  for (const [name, series] of rows) it(`${name}: ${series}`, () => assert.equal(seriesOf(name), series));
});
