import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDocuments } from '../../policy/documents.ts';
import { SEED } from './cases.ts';

const numRuns = Number(process.env.CASES ?? 0) / 50 || 500;
const head = { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator' };

test('every JSON value is read as JSON reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2, '\t'), (spec, indent) => {
      const text = JSON.stringify({ ...head, spec }, null, indent);
      const { documents, findings } = readDocuments(text, 'a.json');
      assert.deepEqual(findings, []);
      assert.equal(JSON.stringify(documents[0]?.value), JSON.stringify({ ...head, spec }));
    }),
    { numRuns, seed: SEED },
  );
});

test('no text and no bytes make it throw', () => {
  const sample = `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: a, namespace: b}
spec:
  x: &x {maxCheckpoints: 3, timeThreshold: 40d}
  namespacePolicies:
    - <<: *x
      namespace: "a"
    - namespace: |
        b
---
{"apiVersion": "v1", "kind": "List", "items": [1, {}]}
`;
  const edited = fc
    .array(
      fc.tuple(fc.nat(sample.length), fc.nat(3), fc.constantFrom(...'{}[]:,&*!|>%@`#?-"\'\t\n \0<~x0')),
      {
        maxLength: 6,
      },
    )
    .map((edits) =>
      edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), sample),
    );
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(fc.oneof(edited, edited, fc.string({ unit: 'binary' }), bytes), (text) => {
      const { documents, findings } = readDocuments(text, 'a.yaml');
      for (const { finding, line } of findings) {
        assert.ok(finding.message !== '' && finding.remedy !== '');
        assert.ok(line === undefined || line >= 1);
      }
      for (const { value } of documents) assert.equal(typeof value, 'object');
    }),
    { numRuns, seed: SEED },
  );
});
