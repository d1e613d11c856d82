import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResource } from '../../policy/read.ts';
import { needsGovern, trespassFindings } from '../../policy/validate.ts';
import { codes, DAY, document, GI, HOUR, MI, MINUTE, resource } from './build.ts';

test('a whole resource, parsed once', () => {
  const read = resource(
    {
      checkpointDirectory: '/data/checkpoints//',
      applyPoliciesImmediately: true,
      orphanGracePeriod: '1h30m',
      tainted: 'Delete',
      unidentified: { timeThreshold: '2d', maxTotalSize: '5Gi' },
      deletionBudget: { maxArchivesPerPass: 50, maxBytesPerPass: '10Gi' },
      circuitBreaker: { maxShare: '12.5%', minArchives: 0 },
      globalPolicy: {
        retainOrphan: false,
        maxCheckpointsPerContainer: 10,
        maxTotalSizePerNamespace: '1.5Gi',
        diskPressure: { highWatermark: '90%', minFree: '50Gi', minFreeInodes: '5%' },
      },
      containerPolicies: [
        {
          namespace: 'shop',
          pod: 'cart.v2',
          container: 'main',
          maxCheckpoints: 3,
          maxTotalSize: 1_048_576,
          maxCheckpointSize: '1e5',
          timeThreshold: '40d',
          keepLast: 2,
          whenFull: 'RejectNew',
          minInterval: '90s',
          maxConcurrent: 1,
          checkpointing: 'Deny',
        },
      ],
    },
    { createdAt: 5_000, file: 'quotas.yaml' },
  );
  const { rules, canonicalSpec, ...rest } = read;
  assert.ok(canonicalSpec.startsWith('{"applyPoliciesImmediately":true'));
  assert.deepEqual(rest, {
    reference: { namespace: 'ops', name: 'quotas', file: 'quotas.yaml' },
    authority: 'administrator',
    createdAt: 5_000,
    directory: '/data/checkpoints',
    applyImmediately: true,
    orphanGraceMs: HOUR + 30 * MINUTE,
    tainted: 'Delete',
    unidentified: { maxAgeMs: 2 * DAY, maxTotalBytes: BigInt(5 * GI) },
    budget: { maxArchives: 50, maxBytes: BigInt(10 * GI) },
    breaker: { maxShare: 0.125, minArchives: 0 },
    pressure: {
      high: 0.9,
      low: 0.75,
      minFree: { absolute: BigInt(50 * GI) },
      minFreeInodes: { share: 0.05 },
    },
    sound: true,
    confirmed: [],
  });
  assert.ok(rules.every((rule) => rule.resource === read));
  const [global, container] = rules.map(({ resource: _, orphanField: __, ...rule }) => rule);
  assert.deepEqual(global, {
    scope: { kind: 'global' },
    field: 'spec.globalPolicy',
    retainOrphan: false,
    keepLast: 0,
    whenFull: 'EvictOldest',
    checkpointing: 'Allow',
    buckets: [
      {
        level: 'container',
        countField: 'maxCheckpointsPerContainer',
        totalField: 'maxTotalSizePerContainer',
        maxCount: 10,
      },
      { level: 'pod', countField: 'maxCheckpointsPerPod', totalField: 'maxTotalSizePerPod' },
      {
        level: 'namespace',
        countField: 'maxCheckpointsPerNamespace',
        totalField: 'maxTotalSizePerNamespace',
        maxTotalBytes: BigInt(1536 * MI),
      },
    ],
  });
  assert.deepEqual(container, {
    scope: { kind: 'container', namespace: 'shop', pod: 'cart.v2', container: 'main' },
    field: 'spec.containerPolicies[0]',
    retainOrphan: true,
    maxArchiveBytes: 100_000n,
    maxAgeMs: 40 * DAY,
    keepLast: 2,
    whenFull: 'RejectNew',
    minIntervalMs: 90_000,
    maxConcurrent: 1,
    checkpointing: 'Deny',
    buckets: [
      {
        level: 'container',
        countField: 'maxCheckpoints',
        totalField: 'maxTotalSize',
        maxCount: 3,
        maxTotalBytes: 1_048_576n,
      },
    ],
  });
});

test("the public operator's own sample, with the one size that it gets wrong", () => {
  const sample = {
    checkpointDirectory: '/var/lib/kubelet/checkpoints',
    applyPoliciesImmediately: true,
    globalPolicy: {
      retainOrphan: true,
      maxCheckpointsPerNamespace: 50,
      maxCheckpointsPerPod: 30,
      maxCheckpointsPerContainer: 10,
      maxCheckpointSize: 10,
    },
  };
  assert.deepEqual(codes(readResource(document(sample)).findings), [
    'sizeTooSmall spec.globalPolicy.maxCheckpointSize',
  ]);
});

test("the proposal's spellings", () => {
  const { rules, directory } = resource({
    globalPolicy: { checkpointDirectory: '/data', timeThreshold: '40d', deleteOrphanedCheckpoint: true },
  });
  assert.deepEqual([directory, rules[0]?.maxAgeMs, rules[0]?.retainOrphan], ['/data', 40 * DAY, false]);
});

test('a resource with errors holds its targets, and only these', () => {
  const { resource: read } = readResource(
    document({
      tainted: 'Delete',
      unidentified: { timeThreshold: '1d' },
      globalPolicy: { maxCheckpointsPerPod: 1, retainOrphan: false, diskPressure: {} },
      namespacePolicies: [
        { namespace: 'shop', maxCheckpoints: -1, maxConcurrent: 2, minInterval: '1m' },
        { namespace: 'Not a name' },
      ],
    }),
  );
  assert.ok(read && !read.sound);
  assert.deepEqual([read.tainted, read.unidentified, read.pressure], ['Keep', {}, undefined]);
  assert.deepEqual(
    read.rules.map((rule) => rule.scope.kind),
    ['global', 'namespace'],
  );
  assert.deepEqual(
    read.rules.map((rule) => [rule.retainOrphan, rule.buckets]),
    [
      [true, []],
      [true, []],
    ],
  );
  // What stands in the way of requests goes on standing there.
  assert.deepEqual([read.rules[1]?.maxConcurrent, read.rules[1]?.minIntervalMs], [2, MINUTE]);
});

test('on whose word', () => {
  const own = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] };
  const stamped = (value: string) => {
    const plain = document(own, { namespace: 'shop' });
    return {
      ...plain,
      metadata: { namespace: 'shop', name: 'x', annotations: { 'checkpoint.criu.org/authority': value } },
    };
  };
  const rows: readonly (readonly [string, unknown, string, boolean])[] = [
    ['its own namespace', document(own, { namespace: 'shop' }), 'tenant', false],
    ['another namespace', document(own, { namespace: 'ops' }), 'administrator', true],
    [
      'the default namespace, unsaid',
      { ...document({ namespacePolicies: [{ namespace: 'default' }] }), metadata: { name: 'x' } },
      'tenant',
      false,
    ],
    ['a global policy', document({ globalPolicy: {} }, { namespace: 'shop' }), 'administrator', true],
    ['unidentified archives', document({ unidentified: {} }, { namespace: 'shop' }), 'administrator', true],
    ['its own, by an administrator', stamped('administrator'), 'administrator', true],
    ['stamped with something else', stamped('root'), 'tenant', true],
    [
      'an entry without a namespace',
      document({ podPolicies: [{ pod: 'x' }] }, { namespace: 'shop' }),
      'administrator',
      true,
    ],
    ['nothing', document({}, { namespace: 'shop' }), 'tenant', false],
  ];
  for (const [name, written, authority, govern] of rows) {
    assert.equal(readResource(written).resource?.authority, authority, name);
    assert.equal(needsGovern(written), govern, name);
  }
  assert.equal(
    readResource(document(own, { namespace: 'shop' }), { authority: 'administrator' }).resource?.authority,
    'administrator',
  );
  assert.deepEqual(
    codes(
      trespassFindings(
        document({ podPolicies: [{ namespace: 'shop' }, { namespace: 'x' }] }, { namespace: 'shop' }),
        'jane',
      ),
    ),
    ['notYours spec.podPolicies[1].namespace'],
  );
});

test('confirmed plans, out of the annotation', () => {
  const written = {
    ...document({ globalPolicy: {} }),
    metadata: { name: 'x', annotations: { 'checkpoint.criu.org/confirm': ' abc,def\n  123 ,' } },
  };
  assert.deepEqual(readResource(written).resource?.confirmed, ['abc', 'def', '123']);
});

test('what says the same has one canonical form', () => {
  const one = resource({ globalPolicy: { maxCheckpointsPerPod: 1, keepLast: 1 }, tainted: 'Keep' });
  const other = resource({
    tainted: 'Keep',
    globalPolicy: { keepLast: 1, maxCheckpointsPerPod: 1, whenFull: 'EvictOldest' },
  });
  assert.equal(one.canonicalSpec, other.canonicalSpec);
});

test('what is deeper or larger than any resource is refused, not walked through', () => {
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const laughs = Array.from({ length: 12 }).reduce<unknown>(
    (inner) => Array.from({ length: 10 }, () => inner),
    'ha',
  );
  for (const spec of [deep, cyclic, laughs]) {
    const began = performance.now();
    const { resource: read, findings } = readResource(document(spec));
    assert.deepEqual([read, codes(findings)], [null, ['wrongType ']]);
    assert.ok(performance.now() - began < 1_000);
  }
});

test('text that would keep a regular expression busy', () => {
  const began = performance.now();
  const many = '/'.repeat(200_000);
  readResource(
    document({
      checkpointDirectory: `${many}x`,
      globalPolicy: { checkpointDirectory: `${many}y` },
      namespacePolicies: [{ namespace: `${'a-'.repeat(100_000)}!` }],
    }),
  );
  readResource(
    document({
      podPolicies: [
        {
          namespace: 'a',
          pod: `${'a.'.repeat(100_000)}!`,
          timeThreshold: '1'.repeat(200_000),
          maxTotalSize: `${'1'.repeat(200_000)}MB`,
        },
      ],
    }),
  );
  readResource(document({ [`max${'x'.repeat(200_000)}`]: 1 }));
  assert.ok(performance.now() - began < 1_000);
});

test('resources have one getter between them', () => {
  // One of its own would be a hidden class of its own, each time a policy is read.
  const [one, other] = [resource({}), resource({})].map(
    (each) => Object.getOwnPropertyDescriptor(each, 'canonicalSpec')?.get,
  );
  assert.ok(one);
  assert.equal(one, other);
});
