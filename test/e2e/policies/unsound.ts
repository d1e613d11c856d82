import { type PolicyRow, resource, row } from './row.ts';

const inNamespace = (fields: string) => `namespacePolicies: [{namespace: team-a, ${fields}}]`;

/** Policies that are wrong by themselves. */
export const UNSOUND: readonly PolicyRow[] = [
  row('a negative count', inNamespace('maxCheckpoints: -1'), {
    errors: ['outOfRange spec.namespacePolicies[0].maxCheckpoints'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a count as a text', inNamespace('maxCheckpoints: "3"'), {
    errors: ['wrongType spec.namespacePolicies[0].maxCheckpoints'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('half a count', inNamespace('maxCheckpoints: 2.5'), {
    errors: ['wrongType spec.namespacePolicies[0].maxCheckpoints'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a count beyond 32 bits', inNamespace('maxCheckpoints: 3000000000'), {
    errors: ['outOfRange spec.namespacePolicies[0].maxCheckpoints'],
  }),
  row('a boolean as a text', inNamespace('retainOrphan: "false"'), {
    errors: ['wrongType spec.namespacePolicies[0].retainOrphan'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a list as a mapping', 'namespacePolicies: {}', { errors: ['wrongType spec.namespacePolicies'] }),
  row('a list as a text', 'namespacePolicies: team-a', { errors: ['wrongType spec.namespacePolicies'] }),
  row(
    'a limit without a value',
    'namespacePolicies: [{namespace: team-a, maxCheckpoints: , maxTotalSize: 1Gi}]',
    {
      errors: ['wrongType spec.namespacePolicies[0].maxCheckpoints'],
      // The API server drops a null where the schema has no default, as if the line were not there.
      atApply: 'accepted',
    },
  ),
  row('a mapping as a list', 'globalPolicy: [{maxCheckpointsPerPod: 3}]', {
    errors: ['wrongType spec.globalPolicy'],
  }),
  row('an entry that is a text', 'namespacePolicies: [team-a]', {
    errors: ['wrongType spec.namespacePolicies[0]'],
  }),
  row('a spec that is a text', '"all"', { errors: ['wrongType spec'] }),
  {
    name: 'a resource without a spec',
    document: resource('{}').replace(/spec:\n.*\n/, ''),
    errors: ['required spec'],
    warnings: [],
  },
  row('tenths of a byte', inNamespace('maxTotalSize: 100m'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxTotalSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('bytes with a B', inNamespace('maxTotalSize: 500MB'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxTotalSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a size beyond 2^53 that is not in quotes', inNamespace('maxCheckpointSize: 9007199254740993'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
    says: 'write it in quotes',
  }),
  row('a size beyond 2^63 that is not in quotes', inNamespace('maxCheckpointSize: 9223372036854775808'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
    says: 'write it in quotes',
  }),
  row('a size with an exponent that is not in quotes', inNamespace('maxCheckpointSize: 1e18'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
    says: 'write it in quotes',
  }),
  row(
    'a free amount beyond 2^53 that is not in quotes',
    'globalPolicy: {diskPressure: {highWatermark: 90%, minFree: 9223372036854775808}}',
    {
      errors: ['badQuantity spec.globalPolicy.diskPressure.minFree'],
      warnings: ['noBuiltInCounts spec.globalPolicy'],
      says: 'write it in quotes',
    },
  ),
  row('a size of zero', inNamespace('maxCheckpointSize: 0'), {
    errors: ['sizeTooSmall spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a size below zero', inNamespace('maxCheckpointSize: "-5Gi"'), {
    errors: ['outOfRange spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a size in words', inNamespace('maxCheckpointSize: five gigabytes'), {
    errors: ['badQuantity spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a duration without a unit', inNamespace('timeThreshold: "40"'), {
    errors: ['badDuration spec.namespacePolicies[0].timeThreshold'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a duration as a number', inNamespace('timeThreshold: 40'), {
    errors: ['wrongType spec.namespacePolicies[0].timeThreshold'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a duration below zero', inNamespace('timeThreshold: -1d'), {
    errors: ['outOfRange spec.namespacePolicies[0].timeThreshold'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a duration of months', inNamespace('timeThreshold: 2mo'), {
    errors: ['badDuration spec.namespacePolicies[0].timeThreshold'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a duration of a thousand years', inNamespace('timeThreshold: 365000d'), {
    errors: ['badDuration spec.namespacePolicies[0].timeThreshold'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a value that is none of those', inNamespace('whenFull: evict'), {
    errors: ['notAllowed spec.namespacePolicies[0].whenFull'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('tainted in small letters', `tainted: delete\n${inNamespace('maxCheckpoints: 1')}`, {
    errors: ['notAllowed spec.tainted'],
  }),
  row('a typing error in a limit', inNamespace('maxCheckpoint: 3'), {
    errors: ['unknownField spec.namespacePolicies[0].maxCheckpoint'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('a limit at the wrong level', 'maxCheckpointsPerPod: 3', {
    errors: ['unknownField spec.maxCheckpointsPerPod'],
    warnings: ['nothingLimited spec'],
  }),
  row('a global limit in a namespace policy', inNamespace('maxCheckpointsPerContainer: 3'), {
    errors: ['unknownField spec.namespacePolicies[0].maxCheckpointsPerContainer'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row('no namespace', 'namespacePolicies: [{maxCheckpoints: 3}]', {
    errors: ['required spec.namespacePolicies[0].namespace'],
  }),
  row('an empty namespace', 'namespacePolicies: [{namespace: "", maxCheckpoints: 3}]', {
    errors: ['required spec.namespacePolicies[0].namespace'],
  }),
  row('no container', 'containerPolicies: [{namespace: team-a, pod: web, maxCheckpoints: 3}]', {
    errors: ['required spec.containerPolicies[0].container'],
  }),
  row('a pattern for a namespace', 'namespacePolicies: [{namespace: "team-*", maxCheckpoints: 3}]', {
    errors: ['badName spec.namespacePolicies[0].namespace'],
  }),
  row('a namespace with a capital letter', 'namespacePolicies: [{namespace: Team-A, maxCheckpoints: 3}]', {
    errors: ['badName spec.namespacePolicies[0].namespace'],
  }),
  row('a namespace of 64 letters', `namespacePolicies: [{namespace: ${'a'.repeat(64)}, maxCheckpoints: 3}]`, {
    errors: ['badName spec.namespacePolicies[0].namespace'],
  }),
  row(
    'a directory that is not absolute',
    `checkpointDirectory: checkpoints\n${inNamespace('maxCheckpoints: 1')}`,
    { errors: ['badDirectory spec.checkpointDirectory'] },
  ),
  row('a directory with dots', `checkpointDirectory: /var/lib/../etc\n${inNamespace('maxCheckpoints: 1')}`, {
    errors: ['badDirectory spec.checkpointDirectory'],
  }),
  row('the root directory', `checkpointDirectory: /\n${inNamespace('maxCheckpoints: 1')}`, {
    errors: ['badDirectory spec.checkpointDirectory'],
  }),
  row(
    'two directories',
    'checkpointDirectory: /a\nglobalPolicy: {checkpointDirectory: /b, maxCheckpointsPerPod: 1}',
    { errors: ['spellingsDisagree spec.globalPolicy.checkpointDirectory'] },
  ),
  row(
    'two spellings for orphans that disagree',
    inNamespace('retainOrphan: true, deleteOrphanedCheckpoint: true'),
    {
      errors: ['spellingsDisagree spec.namespacePolicies[0].deleteOrphanedCheckpoint'],
      warnings: ['nothingLimited spec.namespacePolicies[0]'],
    },
  ),
  row('a size over its total', inNamespace('maxCheckpointSize: 2Gi, maxTotalSize: 1Gi'), {
    errors: ['limitsContradict spec.namespacePolicies[0].maxCheckpointSize'],
  }),
  row('a global size over its totals', 'globalPolicy: {maxCheckpointSize: 2Gi, maxTotalSizePerPod: 1Gi}', {
    errors: ['limitsContradict spec.globalPolicy.maxCheckpointSize'],
    warnings: ['noBuiltInCounts spec.globalPolicy'],
  }),
  row('keepLast over the count', inNamespace('keepLast: 5, maxCheckpoints: 3'), {
    errors: ['limitsContradict spec.namespacePolicies[0].keepLast'],
  }),
  row(
    'a low watermark over the high',
    'globalPolicy: {diskPressure: {highWatermark: 70%, lowWatermark: 80%}}',
    {
      errors: ['limitsContradict spec.globalPolicy.diskPressure.lowWatermark'],
      warnings: ['noBuiltInCounts spec.globalPolicy'],
    },
  ),
  row('a high watermark of 0%', 'globalPolicy: {diskPressure: {highWatermark: 0%}}', {
    errors: ['outOfRange spec.globalPolicy.diskPressure.highWatermark'],
    warnings: ['noBuiltInCounts spec.globalPolicy'],
  }),
  row('a watermark without %', 'globalPolicy: {diskPressure: {highWatermark: "85"}}', {
    errors: ['badShare spec.globalPolicy.diskPressure.highWatermark'],
    warnings: ['noBuiltInCounts spec.globalPolicy'],
  }),
  row('a watermark of 185%', 'globalPolicy: {diskPressure: {highWatermark: 185%}}', {
    errors: ['badShare spec.globalPolicy.diskPressure.highWatermark'],
    warnings: ['noBuiltInCounts spec.globalPolicy'],
  }),
  row(
    'a budget of no archives',
    `deletionBudget: {maxArchivesPerPass: 0}\n${inNamespace('maxCheckpoints: 1')}`,
    {
      errors: ['outOfRange spec.deletionBudget.maxArchivesPerPass'],
    },
  ),
  row('a share of 150%', `circuitBreaker: {maxShare: 150%}\n${inNamespace('maxCheckpoints: 1')}`, {
    errors: ['badShare spec.circuitBreaker.maxShare'],
  }),
  row(
    'one namespace twice',
    'namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}, {namespace: team-a, maxCheckpoints: 5}]',
    { errors: ['duplicateTarget spec.namespacePolicies[1]'] },
  ),
  row(
    'one container twice',
    `
containerPolicies:
  - {namespace: team-a, pod: web, container: main, maxCheckpoints: 3}
  - {namespace: team-a, pod: web, container: side, maxCheckpoints: 3}
  - {namespace: team-a, pod: web, container: main, maxCheckpoints: 3}
`,
    { errors: ['duplicateTarget spec.containerPolicies[2]'] },
  ),
  row(
    'seven mistakes in one',
    `
orphanGracePeriod: 10
taintd: Keep
globalPolicy: {maxCheckpointsPerPod: -1, maxCheckpointSize: 10, timeThreshold: 40, whenFull: Reject}
namespacePolicies: [{namespace: Team, maxCheckpoints: 1}]
`,
    {
      errors: [
        'unknownField spec.taintd',
        'wrongType spec.globalPolicy.timeThreshold',
        'notAllowed spec.globalPolicy.whenFull',
        'outOfRange spec.globalPolicy.maxCheckpointsPerPod',
        'wrongType spec.orphanGracePeriod',
        'sizeTooSmall spec.globalPolicy.maxCheckpointSize',
        'badName spec.namespacePolicies[0].namespace',
      ],
    },
  ),
  {
    name: 'a field beside the spec',
    document: resource('{}').replace('spec:\n  {}', 'specs: {}'),
    errors: ['unknownField specs', 'required spec'],
    warnings: [],
  },
];
