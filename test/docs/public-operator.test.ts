import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readResource } from '../../policy/read.ts';
import { type Schema, SPEC } from '../../policy/schema.ts';

const PAGE = new URL('../../docs/guide/public-operator.md', import.meta.url);
const GUIDE = readFileSync(PAGE, 'utf8');

const NARROW = {
  retainOrphan: false,
  maxCheckpoints: 3,
  maxCheckpointSize: '10Mi',
  maxTotalSize: '20Mi',
};

/** Every field that the public operator 0.1.0 has. */
const THEIRS = {
  checkpointDirectory: '/var/lib/kubelet/checkpoints',
  applyPoliciesImmediately: true,
  globalPolicy: {
    retainOrphan: false,
    maxCheckpointsPerContainer: 10,
    maxCheckpointsPerPod: 20,
    maxCheckpointsPerNamespace: 30,
    maxCheckpointSize: '10Mi',
    maxTotalSizePerContainer: '50Mi',
    maxTotalSizePerPod: '100Mi',
    maxTotalSizePerNamespace: '200Mi',
  },
  containerPolicies: [{ namespace: 'shop', pod: 'cart', container: 'main', ...NARROW }],
  podPolicies: [{ namespace: 'shop', pod: 'cart', ...NARROW }],
  namespacePolicies: [{ namespace: 'shop', ...NARROW }],
};

function read(spec: object) {
  const metadata = { name: 'sample', namespace: 'default' };
  const resource = { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator', metadata, spec };
  return readResource(resource, { authority: 'administrator' });
}

/** `spec.globalPolicy.retainOrphan` */
function isField(path: string): boolean {
  let schema: Schema | undefined = SPEC;
  for (const name of path.split('.').slice(1)) schema = (schema?.items ?? schema)?.properties?.[name];
  return schema !== undefined;
}

test('the page names every field of the public operator, and each is one here', () => {
  const named = [...GUIDE.matchAll(/`(spec\.[\w.]+)`/g)].map(([, path = '']) => path);
  for (const path of named) assert.ok(isField(path), path);
  const theirs = Object.entries(THEIRS).flatMap(([name, value]) =>
    name === 'globalPolicy' ? Object.keys(value).map((field) => `${name}.${field}`) : [name],
  );
  for (const field of Object.keys(NARROW)) theirs.push(`namespacePolicies.${field}`);
  for (const field of theirs) assert.ok(named.includes(`spec.${field}`), field);
});

test('a policy with all of them is sound, and means what it says', () => {
  const { resource, findings } = read(THEIRS);
  assert.deepEqual(
    findings.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.deepEqual(resource?.rules.map(({ scope, retainOrphan }) => `${scope.kind} ${retainOrphan}`).sort(), [
    'container false',
    'global false',
    'namespace false',
    'pod false',
  ]);
});

for (const [row, spec, severity, says] of [
  ['`maxCheckpointSize: 10`', { globalPolicy: { maxCheckpointSize: 10 } }, 'error', 'did you mean 10Mi'],
  ['a count of 0', { globalPolicy: { maxCheckpointsPerPod: 0 } }, 'warning', 'is not enforced'],
  ['no counts given', { globalPolicy: { retainOrphan: true } }, 'warning', 'limit'],
] as const) {
  test(`what the page says of it is so: ${row}`, () => {
    assert.ok(GUIDE.includes(`\n| ${row} `), 'no such row');
    const told = read(spec).findings.filter((finding) => finding.severity === severity);
    assert.ok(
      told.some(({ message, remedy }) => `${message} ${remedy}`.includes(says)),
      JSON.stringify(told),
    );
  });
}

test('its links lead somewhere', () => {
  for (const [, target = ''] of GUIDE.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
    assert.ok(readFileSync(new URL(target, PAGE)).length > 0, target);
  }
});
