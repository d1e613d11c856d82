import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OtherFiles } from '../../../gc/inventory/other-files.ts';

const FOREIGN = { role: 'foreign', bytes: 1, reason: 'why' } as const;

describe('other-files', () => {
  it('keeps one for a name, and forgets it', () => {
    const others = new OtherFiles();
    others.add('a', FOREIGN, 1);
    others.add('a', { ...FOREIGN, bytes: 2 }, 2);
    assert.deepEqual(
      Array.from(others.values(), ({ name, bytes }) => [name, bytes]),
      [['a', 2]],
    );
    others.remove('a');
    assert.deepEqual([...others.values()], []);
  });

  it('names that are not UTF-8 are shown escaped, and taken for no other', () => {
    const others = new OtherFiles();
    const name = Buffer.from([0x61, 0xff]);
    others.add(name, FOREIGN, 1);
    others.add('a\\xff', FOREIGN, 1);
    others.add('aÿ', FOREIGN, 1);
    assert.deepEqual(
      Array.from(others.values(), (other) => other.name),
      ['a\\xff', 'a\\xff', 'aÿ'],
    );
    others.remove(Buffer.from(name));
    assert.equal([...others.values()].length, 2);
  });

  it('tells pins by their name and role', () => {
    const others = new OtherFiles();
    others.add('a.tar.keep', { ...FOREIGN, role: 'pin' }, 1);
    others.add('b.tar.keep', FOREIGN, 1);
    assert.equal(others.hasPin('a.tar'), true);
    assert.equal(others.hasPin('b.tar'), false);
    assert.equal(others.hasPin('a.tar.keep'), false);
  });

  it('tells what a scan has not seen', () => {
    const others = new OtherFiles();
    const odd = Buffer.from([0xfe]);
    others.add('old', FOREIGN, 1);
    others.add(odd, FOREIGN, 1);
    others.add('new', FOREIGN, 2);
    assert.deepEqual(others.unseen(2), ['old', odd]);
    assert.deepEqual(others.unseen(1), []);
  });
});
