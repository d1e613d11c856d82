import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorCode, explain, pathOf } from '../../../gc/system/files.ts';
import { fakeWorld, realWorld } from '../worlds.ts';
import { filesContract } from './files-contract.ts';

filesContract('the real ones', () => realWorld());
filesContract('the fake ones', fakeWorld);

describe('files: errors', () => {
  it('are told in words, without paths', () => {
    const error = Object.assign(new Error("EACCES: permission denied, open '/secret/path'"), {
      code: 'EACCES',
    });
    assert.equal(explain(error), 'permission denied (EACCES)');
    assert.equal(explain(Object.assign(new Error('x'), { code: 'EXDEV' })), 'EXDEV');
    assert.equal(explain(new Error('something else')), 'something else');
    assert.equal(explain('a string'), 'a string');
    assert.equal(errorCode(Object.assign(new Error(), { code: 7 })), null);
    assert.equal(errorCode(null), null);
  });

  it('paths are joined with one slash', () => {
    assert.equal(pathOf('/a', 'b'), '/a/b');
    assert.equal(pathOf('/a/', 'b'), '/a/b');
    assert.deepEqual(pathOf('/a', Buffer.from([0xff])), Buffer.from([0x2f, 0x61, 0x2f, 0xff]));
  });
});
