import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSpec } from '../../../gc/archive/annotations.ts';
import { readSpecOnce } from '../../../gc/archive/spec-memo.ts';
import { CONTAINERD_ANNOTATIONS, spec } from '../archives.ts';

function specOf(namespace: string, padding = 0): Buffer {
  const annotations = { ...CONTAINERD_ANNOTATIONS, 'io.kubernetes.cri.sandbox-namespace': namespace };
  return Buffer.from(spec(annotations) + ' '.repeat(padding));
}

describe('spec memo', () => {
  const rows: [string, Buffer[]][] = [
    ['the same again', [specOf('shop'), specOf('shop')]],
    ['another of the same length', [specOf('shop'), specOf('shod'), specOf('shop')]],
    ['the beginning of the one before', [specOf('shop', 9), specOf('shop'), specOf('shop').subarray(0, -1)]],
    ['one that is no JSON, twice', [Buffer.from('{'), Buffer.from('{'), specOf('shop')]],
    ['an empty one', [Buffer.alloc(0), specOf('shop'), Buffer.alloc(0)]],
    ['longer than is remembered', [specOf('shop'), specOf('long', 70_000), specOf('shop'), specOf('long')]],
  ];
  for (const [name, specs] of rows) {
    it(`says what a reading says: ${name}`, () => {
      for (const each of specs) assert.deepEqual(readSpecOnce(each), readSpec(each));
    });
  }

  it('does not go by memory that was written over since', () => {
    const buffer = specOf('shop');
    assert.equal(readSpecOnce(buffer).identity?.namespace, 'shop');
    specOf('shod').copy(buffer);
    assert.equal(readSpecOnce(buffer).identity?.namespace, 'shod');
  });

  it('reads the same one once', () => {
    assert.equal(readSpecOnce(specOf('once')), readSpecOnce(specOf('once')));
  });
});
