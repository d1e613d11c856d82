import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { essenceOf, type NodeSight, nodeStatus } from '../../../gc/telling/node-status.ts';
import { isObject } from '../../../policy/json.ts';
import { NODE_STATUS } from '../../../policy/node-schema.ts';

const GIB = 2 ** 30;

function sight(parts: Partial<NodeSight> = {}): NodeSight {
  const counts = { growing: 0, pinned: 1, unidentified: 0, tainted: 0 };
  const rest = { foreignFiles: 0, foreignBytes: 0, tombstones: 0, tombstoneBytes: 0 };
  return {
    totals: { archives: 3, bytes: 3 * GIB, ...counts, ...rest },
    namespaces: [],
    disk: { totalBytes: 100 * GIB, freeBytes: 57 * GIB, totalInodes: 1, freeInodes: 1 },
    reservedBytes: 0,
    deletions: 7,
    evictions: 2,
    errors: 0,
    waiting: 0,
    complaints: [],
    scannedAt: Date.parse('2026-11-21T10:00:00.500Z'),
    policies: { seen: '00ff', policies: [] },
    ...parts,
  };
}

test('what a node says is what the schema describes', () => {
  const status = nodeStatus(
    sight({ namespaces: [{ namespace: 'shop', archives: 1, bytes: 5 }], complaints: ['the disk is full'] }),
  );
  const validate = new Ajv({ strict: false }).compile(NODE_STATUS);
  assert.ok(validate(status), JSON.stringify(validate.errors));
  assert.deepEqual(Object.keys(status).sort(), Object.keys(NODE_STATUS.properties ?? {}).sort());
  assert.equal(status.size, '3Gi');
  assert.ok(isObject(status.disk));
  assert.equal(status.disk.used, '43%');
  assert.equal(status.lastScanTime, '2026-11-21T10:00:00Z');
});

test('of many namespaces the largest ten are named, of many complaints five', () => {
  const namespaces = Array.from({ length: 15 }, (_, index) => ({
    namespace: `n${index}`,
    archives: 2,
    bytes: 2 * index + 15,
  }));
  const { topNamespaces, complaints } = nodeStatus(
    sight({ namespaces, complaints: Array.from({ length: 9 }, () => 'x'.repeat(1_000)) }),
  );
  assert.ok(Array.isArray(topNamespaces) && Array.isArray(complaints));
  assert.equal(topNamespaces.length, 10);
  assert.deepEqual(topNamespaces[0], { namespace: 'n14', archives: 2, bytes: 14 + 29 });
  assert.deepEqual(
    complaints.map((each) => each.length),
    [256, 256, 256, 256, 256],
  );
});

test('before the first look, and where the disk cannot be measured, that is left out', () => {
  const status = nodeStatus(sight({ disk: null, scannedAt: null }));
  assert.ok(!('disk' in status) && !('lastScanTime' in status));
});

const disk = { totalBytes: 100 * GIB, freeBytes: 57 * GIB, totalInodes: 1, freeInodes: 1 };
for (const [name, parts, isNews] of [
  ['another look', { scannedAt: 5 }, false],
  ['a few bytes more on the disk', { disk: { ...disk, freeBytes: 57 * GIB - 4_096 } }, false],
  ['a hundredth of the disk', { disk: { ...disk, freeBytes: 56 * GIB } }, true],
  ['a deletion', { deletions: 8 }, true],
  ['a complaint', { complaints: ['x'] }, true],
] as const) {
  test(`${name} is ${isNews ? '' : 'not '}worth a write`, () => {
    const news = essenceOf(nodeStatus(sight(parts))) !== essenceOf(nodeStatus(sight()));
    assert.equal(news, isNews);
  });
}
