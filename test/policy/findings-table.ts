/** One resource that wants a word; what is said of it stands in golden/findings.txt. */
export interface Row {
  readonly name: string;
  readonly spec?: unknown;
  /** In the place of a sound envelope around `spec`. */
  readonly document?: unknown;
}

const global = (globalPolicy: object) => ({ globalPolicy: { maxCheckpointsPerPod: 20, ...globalPolicy } });
const team = (policy: object) => ({
  namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 5, ...policy }],
});

export const ROWS: readonly Row[] = [
  { name: 'text in the place of a resource', document: 'hello' },
  {
    name: 'a kind misspelt',
    document: {
      apiVersion: 'criu.org/v1',
      kind: 'CheckpointRestoreOperater',
      metadata: { name: 'x' },
      data: {},
    },
  },
  { name: 'another kind', document: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } } },
  {
    name: 'no name',
    document: { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator', spec: global({}) },
  },
  {
    name: 'a field beside spec',
    document: {
      apiVersion: 'criu.org/v1',
      kind: 'CheckpointRestoreOperator',
      metadata: { name: 'x' },
      Spec: {},
      spec: global({}),
    },
  },
  { name: 'nothing in it', spec: {} },
  { name: 'no spec', spec: null },
  { name: 'a list in the place of spec', spec: [] },
  { name: 'a policy without a limit', spec: { namespacePolicies: [{ namespace: 'shop', keepLast: 3 }] } },
  {
    name: 'a list too long',
    spec: {
      namespacePolicies: Array.from({ length: 10_001 }, (_, index) => ({
        namespace: `n${index}`,
        maxCheckpoints: 1,
      })),
    },
  },
  { name: 'a global policy without counts', spec: { globalPolicy: { maxCheckpointSize: '1Gi' } } },
  { name: 'a typing error', spec: global({ maxCheckpointSze: '10Mi' }) },
  { name: 'a field of another level', spec: global({ maxCheckpoints: 5 }) },
  { name: 'a field like nothing', spec: global({ colour: 'red' }) },
  { name: 'a key that would garble a terminal', spec: { ...global({}), 'a\u001b[31m\nb': 1 } },
  {
    name: 'a key of the prototype',
    spec: JSON.parse('{"globalPolicy":{"maxCheckpointsPerPod":1,"__proto__":{"x":1}}}'),
  },
  { name: 'a number in quotes', spec: team({ maxCheckpoints: '5' }) },
  { name: 'a fraction of a count', spec: team({ maxCheckpoints: 1.5 }) },
  { name: 'a boolean in quotes', spec: team({ retainOrphan: 'false' }) },
  { name: 'a value left out', spec: team({ timeThreshold: null }) },
  { name: 'a duration without quotes', spec: team({ timeThreshold: 40 }) },
  { name: 'a list that is a mapping', spec: { namespacePolicies: { namespace: 'shop' } } },
  { name: 'a mapping that is a list', spec: { globalPolicy: ['x'] } },
  { name: 'an entry that is text', spec: { namespacePolicies: ['shop'] } },
  { name: 'a size that is a list', spec: team({ maxTotalSize: ['1Gi'] }) },
  {
    name: 'names left out',
    spec: { containerPolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] },
  },
  { name: 'an empty name', spec: { namespacePolicies: [{ namespace: '', maxCheckpoints: 1 }] } },
  {
    name: 'a wildcard',
    spec: { podPolicies: [{ namespace: 'shop', pod: 'cart-*', maxCheckpoints: 1 }] },
  },
  {
    name: 'names that Kubernetes would not take',
    spec: {
      containerPolicies: [{ namespace: 'Shop', pod: 'cart_1', container: 'main.1', maxCheckpoints: 1 }],
    },
  },
  { name: 'a value misspelt', spec: team({ whenFull: 'RejectsNew' }) },
  { name: 'a value that is none', spec: { ...global({}), tainted: 'Maybe' } },
  { name: 'a negative count', spec: team({ maxCheckpoints: -1 }) },
  { name: 'a count beyond 32 bits', spec: team({ maxCheckpoints: 3_000_000_000 }) },
  {
    name: 'a budget of nothing',
    spec: { ...global({}), deletionBudget: { maxArchivesPerPass: 0 } },
  },
  { name: 'a count of 0', spec: team({ maxCheckpoints: 0, maxConcurrent: 0 }) },
  {
    name: 'counts of 0 at the global levels',
    spec: {
      globalPolicy: { maxCheckpointsPerContainer: 0, maxCheckpointsPerPod: 0, maxCheckpointsPerNamespace: 0 },
    },
  },
  { name: 'a size of 10, as the public sample has it', spec: global({ maxCheckpointSize: 10 }) },
  { name: 'a size of 0', spec: global({ maxCheckpointSize: 0 }) },
  { name: 'a size of one byte', spec: global({ maxCheckpointSize: '1' }) },
  { name: 'a size with a B', spec: global({ maxCheckpointSize: '10MB' }) },
  { name: 'a size with a space', spec: global({ maxCheckpointSize: '10 GiB' }) },
  { name: 'a size with a large K', spec: global({ maxCheckpointSize: '100K' }) },
  { name: 'thousandths of a byte', spec: global({ maxCheckpointSize: '1500m' }) },
  { name: 'a fraction of a byte', spec: global({ maxCheckpointSize: '1024.5' }) },
  { name: 'a negative size', spec: global({ maxCheckpointSize: '-10Mi' }) },
  { name: 'a size that is a fraction of JSON', spec: global({ maxCheckpointSize: 1.5 }) },
  { name: 'a number beyond what JSON carries', spec: global({ maxCheckpointSize: 2 ** 60 }) },
  { name: 'a size that is a word', spec: global({ maxCheckpointSize: 'large' }) },
  { name: 'a duration without a unit', spec: global({ timeThreshold: '40' }) },
  { name: 'a duration in words', spec: global({ timeThreshold: '40 days' }) },
  { name: 'a negative duration', spec: global({ minInterval: '-5m' }) },
  { name: 'an age that deletes all', spec: global({ timeThreshold: '0s' }) },
  { name: 'an age in the wrong unit', spec: global({ timeThreshold: '40ms' }) },
  { name: 'a short grace', spec: { ...global({}), orphanGracePeriod: '30s' } },
  { name: 'a percentage without %', spec: global({ diskPressure: { highWatermark: '85' } }) },
  { name: 'a percentage over 100', spec: global({ diskPressure: { highWatermark: '185%' } }) },
  { name: 'an amount that is none', spec: global({ diskPressure: { minFree: 'some' } }) },
  { name: 'a high watermark of nothing', spec: global({ diskPressure: { highWatermark: '0%' } }) },
  {
    name: 'low above high',
    spec: global({ diskPressure: { highWatermark: '70%', lowWatermark: '80%' } }),
  },
  { name: 'a relative directory', spec: { ...global({}), checkpointDirectory: 'checkpoints' } },
  { name: 'a directory with ..', spec: { ...global({}), checkpointDirectory: '/var/lib/../etc' } },
  { name: 'the root', spec: { ...global({}), checkpointDirectory: '///' } },
  { name: 'a directory in its older place', spec: global({ checkpointDirectory: 'checkpoints' }) },
  {
    name: 'two directories',
    spec: { ...global({ checkpointDirectory: '/b' }), checkpointDirectory: '/a' },
  },
  {
    name: 'one directory in two spellings',
    spec: { ...global({ checkpointDirectory: '/a/' }), checkpointDirectory: '/a' },
  },
  {
    name: 'orphans in two spellings that disagree',
    spec: team({ retainOrphan: true, deleteOrphanedCheckpoint: true }),
  },
  {
    name: 'orphans in two spellings that agree',
    spec: team({ retainOrphan: false, deleteOrphanedCheckpoint: true }),
  },
  { name: 'one archive over all', spec: team({ maxCheckpointSize: '2Gi', maxTotalSize: '1Gi' }) },
  { name: 'a floor over the count', spec: team({ keepLast: 6 }) },
  {
    name: 'a total that never acts',
    spec: team({ maxCheckpointSize: '10Mi', maxTotalSize: '1Gi' }),
  },
  {
    name: 'a wider level that is narrower',
    spec: {
      globalPolicy: {
        maxCheckpointsPerContainer: 20,
        maxCheckpointsPerPod: 10,
        maxTotalSizePerPod: '2Gi',
        maxTotalSizePerNamespace: '1Gi',
      },
    },
  },
  {
    name: 'a level between that is left out',
    spec: { globalPolicy: { maxCheckpointsPerContainer: 50, maxCheckpointsPerNamespace: 30 } },
  },
  {
    name: 'the same namespace twice',
    spec: {
      namespacePolicies: [
        { namespace: 'shop', maxCheckpoints: 1 },
        { namespace: 'shop', maxCheckpoints: 2 },
      ],
    },
  },
  {
    name: 'a narrower policy that drops limits',
    spec: {
      globalPolicy: {
        maxCheckpointsPerContainer: 5,
        maxTotalSizePerNamespace: '5Gi',
        timeThreshold: '40d',
        retainOrphan: false,
      },
      podPolicies: [{ namespace: 'shop', pod: 'cart', maxCheckpoints: 50 }],
    },
  },
];
