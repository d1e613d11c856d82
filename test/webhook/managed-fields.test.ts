import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutManagedFields } from '../../webhook/managed-fields.ts';
import { holds } from '../policy/cases.ts';

const notes = [{ manager: 'kubectl', fieldsV1: { 'f:spec': { 'k:{"pod":"a\\"]"}': { '.': {} } } } }];
const json = JSON.stringify;

const rest = (text: string) => withoutManagedFields(Buffer.from(text));
const left = (object: object) => rest(json(object));

for (const [name, given, expected] of [
  ['of an object', { metadata: { managedFields: notes } }, { metadata: { managedFields: [] } }],
  [
    'between other fields, with labels in front that look like them',
    {
      object: { metadata: { labels: { a: ',"managedFields":[', b: '\\' }, managedFields: notes, name: 'x' } },
    },
    { object: { metadata: { labels: { a: ',"managedFields":[', b: '\\' }, managedFields: [], name: 'x' } } },
  ],
  [
    'of both versions',
    { object: { metadata: { managedFields: notes } }, oldObject: { metadata: { managedFields: notes } } },
    { object: { metadata: { managedFields: [] } }, oldObject: { metadata: { managedFields: [] } } },
  ],
  ['of a spec: they stay', { metadata: {}, spec: { managedFields: notes } }, null],
  ['of a label: they stay', { metadata: { labels: { managedFields: ['x'] } } }, null],
  [
    'of another mapping behind: they stay',
    { metadata: { name: 'x' }, userInfo: { managedFields: notes } },
    null,
  ],
  ['that are no list: they stay', { metadata: { managedFields: { a: [1] } } }, null],
  ['whose key only ends so: they stay', { metadata: { 'x"managedFields': [1] } }, null],
] as const) {
  test(`notes ${name}`, () => assert.equal(left(given), json(expected ?? given)));
}

for (const [name, text] of [
  ['that end in their midst', '{"metadata":{"managedFields":[{"a":"b'],
  ['that end within an escape', '{"metadata":{"managedFields":["\\'],
  ['that are closed by another bracket', '{"metadata":{"managedFields":[1}}'],
  ['behind a text that is none', '{"a":"b,"managedFields":[1]}'],
] as const) {
  test(`notes ${name} are as little JSON as before`, () => {
    assert.throws(() => JSON.parse(rest(text)), SyntaxError);
  });
}

test('many that look like notes are not each looked at', () => {
  // Each look would go back to the beginning: minutes in all.
  const text = `{"metadata":{"a":{${',"managedFields":[1]'.repeat(200_000)}`;
  assert.equal(rest(text), text);
});

/** What it means, said of the value. */
function emptied(value: unknown, isMetadata = false): unknown {
  if (Array.isArray(value)) return value.map((each) => emptied(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      isMetadata && key === 'managedFields' && Array.isArray(each) ? [] : emptied(each, key === 'metadata'),
    ]),
  );
}

// No key is a backslash alone: where like objects have one, Node 24.21 reads the key of a quotation mark as it.
const key = fc.constantFrom('metadata', 'managedFields', 'spec', 'a"', '\\b', ',"managedFields":[', 'ü');
const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium' },
    key,
    fc.integer(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));

holds('whatever a document holds, only such notes go', anything, (value) => {
  const found: unknown = JSON.parse(rest(json(value)));
  // Beyond the first few it may leave some in place: leaving out twice is leaving out once.
  assert.deepEqual(emptied(found), emptied(value));
});
