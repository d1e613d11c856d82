import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultsPatch, withDefaults } from '../../policy/defaults.ts';
import { isObject, own } from '../../policy/json.ts';

function additions(spec: unknown): string[] {
  return defaultsPatch(spec === undefined ? {} : { spec }).map(
    ({ path, value }) => `${path} ${JSON.stringify(value)}`,
  );
}

const OF_EVERY_SPEC = [
  '/spec/applyPoliciesImmediately false',
  '/spec/orphanGracePeriod "10m"',
  '/spec/tainted "Keep"',
  '/spec/circuitBreaker {"maxShare":"50%","minArchives":100}',
  '/spec/checkpointDirectory "/var/lib/kubelet/checkpoints"',
];

test('what every spec gets', () => {
  assert.deepEqual(additions({}).sort(), [...OF_EVERY_SPEC].sort());
});

test('a resource without a spec gets none', () => {
  assert.deepEqual(defaultsPatch({ kind: 'CheckpointRestoreOperator' }), []);
});

test('what each policy gets', () => {
  const got = additions({
    globalPolicy: {},
    podPolicies: [{ whenFull: 'RejectNew' }, { checkpointing: 'Deny' }],
    circuitBreaker: { minArchives: 5 },
  });
  for (const each of [
    '/spec/globalPolicy/whenFull "EvictOldest"',
    '/spec/globalPolicy/checkpointing "Allow"',
    '/spec/podPolicies/0/checkpointing "Allow"',
    '/spec/podPolicies/1/whenFull "EvictOldest"',
    '/spec/circuitBreaker/maxShare "50%"',
  ])
    assert.ok(got.includes(each), each);
  assert.ok(!got.some((each) => /0\/whenFull|1\/checkpointing|minArchives/.test(each)));
});

test('the directory goes by its older spelling', () => {
  assert.ok(
    additions({ globalPolicy: { checkpointDirectory: '/data' } }).includes(
      '/spec/checkpointDirectory "/data"',
    ),
  );
  assert.ok(
    additions({ globalPolicy: { checkpointDirectory: 5 } }).includes(
      '/spec/checkpointDirectory "/var/lib/kubelet/checkpoints"',
    ),
  );
  assert.ok(
    !additions({ checkpointDirectory: '/x' }).some((each) => each.startsWith('/spec/checkpointDirectory')),
  );
});

test('the low watermark goes by the high one', () => {
  const rows: readonly (readonly [unknown, string | undefined])[] = [
    [{}, '75%'],
    [{ highWatermark: '95%' }, '75%'],
    [{ highWatermark: '80%' }, '70%'],
    [{ highWatermark: '12.3%' }, '6.15%'],
    [{ highWatermark: '79.9%' }, '69.9%'],
    [{ highWatermark: '5%' }, '2.5%'],
    [{ highWatermark: 'much' }, '75%'],
    [{ highWatermark: { toString: 1 } }, '75%'],
    [{ lowWatermark: '10%' }, undefined],
    [[], undefined],
  ];
  for (const [diskPressure, wanted] of rows) {
    const low = additions({ globalPolicy: { diskPressure } }).find((each) => each.includes('lowWatermark'));
    assert.equal(low?.split(' ')[1], wanted && JSON.stringify(wanted), JSON.stringify(diskPressure));
    assert.ok((wanted?.length ?? 0) <= 16, 'as long as the schema allows');
  }
});

test('what is of a wrong type is left for validation to name', () => {
  for (const spec of [null, 5, 'text', [], true]) assert.deepEqual(additions(spec), []);
  const odd = {
    globalPolicy: 'x',
    podPolicies: { a: 1 },
    namespacePolicies: [null, 'x', 5],
    circuitBreaker: 7,
  };
  assert.deepEqual(
    additions(odd)
      .map((each) => each.split(' ')[0])
      .sort(),
    [
      '/spec/applyPoliciesImmediately',
      '/spec/checkpointDirectory',
      '/spec/orphanGracePeriod',
      '/spec/tainted',
    ],
  );
});

test('a given spec is left as it is', () => {
  const spec = { globalPolicy: { diskPressure: {} } };
  const before = structuredClone(spec);
  const complete = withDefaults(spec);
  assert.deepEqual(spec, before);
  const globalPolicy = own(complete, 'globalPolicy');
  assert.ok(isObject(globalPolicy) && own(globalPolicy, 'whenFull') === 'EvictOldest');
});

test('a key of the prototype stays a key', () => {
  const complete = withDefaults(JSON.parse('{"globalPolicy":{"__proto__":{"polluted":true}}}'));
  const globalPolicy = own(complete, 'globalPolicy');
  assert.ok(isObject(globalPolicy) && Object.hasOwn(globalPolicy, '__proto__'));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});
