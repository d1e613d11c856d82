import { type PolicyRow, row } from './row.ts';

/** Policies that are let in, with what their authors are told. */
export const SOUND: readonly PolicyRow[] = [
  row('a count for the own namespace', 'namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]'),
  row(
    'every field of this project',
    `
checkpointDirectory: /data/checkpoints
applyPoliciesImmediately: true
orphanGracePeriod: 30m
tainted: Delete
unidentified: {timeThreshold: 7d, maxTotalSize: 10Gi}
deletionBudget: {maxArchivesPerPass: 100, maxBytesPerPass: 50Gi}
circuitBreaker: {maxShare: 25%, minArchives: 10}
globalPolicy:
  maxCheckpointsPerContainer: 10
  maxCheckpointsPerPod: 20
  maxCheckpointsPerNamespace: 30
  timeThreshold: 40d
  keepLast: 1
  whenFull: RejectNew
  minInterval: 1m
  maxConcurrent: 2
  checkpointing: Allow
  diskPressure: {highWatermark: 90%, lowWatermark: 80%, minFree: 10%, minFreeInodes: 100000}
`,
  ),
  row(
    'all suffixes of a quantity',
    `
namespacePolicies:
  - {namespace: a, maxTotalSize: 1Ki}
  - {namespace: b, maxTotalSize: 2M}
  - {namespace: c, maxTotalSize: 1.5Gi}
  - {namespace: d, maxTotalSize: 1e9}
  - {namespace: e, maxTotalSize: 123456789}
  - {namespace: f, maxTotalSize: "3E"}
  - {namespace: h, maxTotalSize: "9007199254740993"}
  - {namespace: i, maxTotalSize: "9223372036854775808"}
  - {namespace: g, maxTotalSize: 2048000m}
`,
  ),
  row(
    'all units of a duration',
    `
namespacePolicies:
  - {namespace: a, timeThreshold: 40d}
  - {namespace: b, timeThreshold: 30d12h}
  - {namespace: c, timeThreshold: 90m}
  - {namespace: d, timeThreshold: 1w}
  - {namespace: e, timeThreshold: 1h30m0.5s}
  - {namespace: f, timeThreshold: 1.5h}
  - {namespace: g, timeThreshold: +5d}
`,
  ),
  row(
    'a pod with dots in its name',
    'podPolicies: [{namespace: team-a, pod: web-0.example, maxCheckpoints: 1}]',
  ),
  row(
    'checkpointing refused',
    'namespacePolicies: [{namespace: team-a, checkpointing: Deny, maxCheckpoints: 1}]',
  ),
  row(
    'a directory with a slash behind',
    'checkpointDirectory: /data/\nglobalPolicy: {maxCheckpointsPerPod: 2}',
  ),
  row(
    'the directory twice, the same',
    'checkpointDirectory: /data\nglobalPolicy: {checkpointDirectory: /data/, maxCheckpointsPerPod: 2}',
  ),
  row(
    'both spellings for orphans, in agreement',
    'namespacePolicies: [{namespace: team-a, retainOrphan: false, deleteOrphanedCheckpoint: true}]',
  ),
  row(
    'keepLast as large as the count',
    'namespacePolicies: [{namespace: team-a, maxCheckpoints: 3, keepLast: 3}]',
  ),
  row(
    'a size as large as its total',
    'namespacePolicies: [{namespace: team-a, maxCheckpointSize: 1Gi, maxTotalSize: 1Gi}]',
  ),
  row(
    'the same pod name in two namespaces',
    'podPolicies: [{namespace: a, pod: web, maxCheckpoints: 1}, {namespace: b, pod: web, maxCheckpoints: 1}]',
  ),
  row(
    'a high watermark alone',
    'globalPolicy: {maxCheckpointsPerPod: 2, diskPressure: {highWatermark: 60%}}',
  ),
  row('a high watermark of 5%', 'globalPolicy: {maxCheckpointsPerPod: 2, diskPressure: {highWatermark: 5%}}'),
  row('disk pressure by defaults', 'globalPolicy: {maxCheckpointsPerPod: 2, diskPressure: {}}'),
  row(
    'a narrow policy that repeats the limits of the broader one',
    `
globalPolicy: {maxCheckpointsPerContainer: 5, timeThreshold: 40d}
namespacePolicies: [{namespace: team-a, maxCheckpoints: 9, timeThreshold: 20d}]
`,
  ),
  row('a count of 0', 'namespacePolicies: [{namespace: team-a, maxCheckpoints: 0, timeThreshold: 1d}]', {
    warnings: ['zeroNotEnforced spec.namespacePolicies[0].maxCheckpoints'],
  }),
  row(
    'global counts of 0',
    'globalPolicy: {maxCheckpointsPerContainer: 0, maxCheckpointsPerPod: 0, maxCheckpointsPerNamespace: 0}',
    {
      warnings: [
        'zeroNotEnforced spec.globalPolicy.maxCheckpointsPerContainer',
        'zeroNotEnforced spec.globalPolicy.maxCheckpointsPerPod',
        'zeroNotEnforced spec.globalPolicy.maxCheckpointsPerNamespace',
      ],
    },
  ),
  row('nothing at all', '{}', { warnings: ['nothingLimited spec'] }),
  row('empty lists', 'namespacePolicies: []\npodPolicies: []\ncontainerPolicies: []'),
  row('an empty global policy', 'globalPolicy: {}', { warnings: ['noBuiltInCounts spec.globalPolicy'] }),
  row(
    'a grace period of seconds',
    'orphanGracePeriod: 30s\nnamespacePolicies: [{namespace: team-a, retainOrphan: false}]',
    { warnings: ['shortGrace spec.orphanGracePeriod'] },
  ),
  row(
    'a total that a count and a size keep from acting',
    'namespacePolicies: [{namespace: team-a, maxCheckpoints: 2, maxCheckpointSize: 1Gi, maxTotalSize: 4Gi}]',
    { warnings: ['neverBinds spec.namespacePolicies[0].maxTotalSize'] },
  ),
  row(
    'a count for containers that the one for pods keeps from acting',
    'globalPolicy: {maxCheckpointsPerContainer: 30, maxCheckpointsPerPod: 20, maxCheckpointsPerNamespace: 40}',
    { warnings: ['neverBinds spec.globalPolicy.maxCheckpointsPerContainer'] },
  ),
  row(
    'a narrow policy that leaves out what a broader one limits',
    `
globalPolicy: {maxCheckpointsPerContainer: 5, timeThreshold: 40d, maxCheckpointSize: 1Gi}
namespacePolicies: [{namespace: team-a, maxCheckpoints: 9}]
containerPolicies: [{namespace: team-a, pod: web, container: main, timeThreshold: 1d}]
`,
    {
      warnings: [
        'broaderLimitDropped spec.namespacePolicies[0]',
        'broaderLimitDropped spec.containerPolicies[0]',
      ],
    },
  ),
];
