import { type PolicyRow, resource, row } from './row.ts';

const global = (fields: string, directory = '/var/lib/kubelet/checkpoints') =>
  resource(`checkpointDirectory: ${directory}\nglobalPolicy: {${fields}}`, 'ops/base');
const team = (fields: string) => resource(`namespacePolicies: [{namespace: team-a, ${fields}}]`, 'ops/base');
const COUNTS = 'maxCheckpointsPerContainer: 5, maxCheckpointsPerPod: 5, maxCheckpointsPerNamespace: 5';

/** Policies beside others. */
export const BESIDE: readonly PolicyRow[] = [
  row('a second global policy', `globalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS)],
    errors: ['duplicateGlobal spec.globalPolicy'],
  }),
  row('a global policy for another directory', `checkpointDirectory: /data\nglobalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS)],
  }),
  row('the same directory in its older place', `globalPolicy: {checkpointDirectory: /data, ${COUNTS}}`, {
    before: [global(COUNTS, '/data')],
    errors: ['duplicateGlobal spec.globalPolicy'],
  }),
  row('the same directory with a slash behind', `checkpointDirectory: /data/\nglobalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS, '/data')],
    errors: ['duplicateGlobal spec.globalPolicy'],
  }),
  row('a directory inside another', `checkpointDirectory: /data/shop\nglobalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS, '/data')],
    errors: ['overlappingDirectories spec.checkpointDirectory'],
  }),
  row('a directory around another', `checkpointDirectory: /data\nglobalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS, '/data/shop')],
    errors: ['overlappingDirectories spec.checkpointDirectory'],
  }),
  row('a directory whose name begins alike', `checkpointDirectory: /data2\nglobalPolicy: {${COUNTS}}`, {
    before: [global(COUNTS, '/data')],
  }),
  row('the same namespace', 'namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]', {
    before: [team('maxCheckpoints: 5')],
    errors: ['duplicateTarget spec.namespacePolicies[0]'],
  }),
  row(
    'the same namespace for another directory',
    'checkpointDirectory: /data\nnamespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]',
    {
      before: [team('maxCheckpoints: 5')],
    },
  ),
  row(
    'a namespace whose name begins alike',
    'namespacePolicies: [{namespace: team-a-prod, maxCheckpoints: 3}]',
    {
      before: [team('maxCheckpoints: 5')],
    },
  ),
  row('the same pod', 'podPolicies: [{namespace: shop, pod: web, maxCheckpoints: 3}]', {
    before: [resource('podPolicies: [{namespace: shop, pod: web, maxCheckpoints: 3}]', 'ops/base')],
    errors: ['duplicateTarget spec.podPolicies[0]'],
  }),
  row(
    'pod and namespace that read alike when joined',
    'podPolicies: [{namespace: a, pod: b-c, maxCheckpoints: 3}]',
    {
      before: [resource('podPolicies: [{namespace: a-b, pod: c, maxCheckpoints: 3}]', 'ops/base')],
    },
  ),
  row(
    'the same container',
    'containerPolicies: [{namespace: shop, pod: web, container: main, maxCheckpoints: 3}]',
    {
      before: [
        resource(
          'containerPolicies: [{namespace: shop, pod: web, container: main, keepLast: 1}]',
          'ops/base',
        ),
      ],
      errors: ['duplicateTarget spec.containerPolicies[0]'],
    },
  ),
  row('a second rule for the unidentified', 'unidentified: {timeThreshold: 1d}', {
    before: [resource('unidentified: {timeThreshold: 7d}', 'ops/base')],
    errors: ['duplicateGlobal spec.unidentified'],
  }),
  row(
    'three conflicts with two others',
    `
globalPolicy: {${COUNTS}}
namespacePolicies: [{namespace: team-a, maxCheckpoints: 1}, {namespace: team-c, maxCheckpoints: 1}]
unidentified: {timeThreshold: 1d}
`,
    {
      before: [
        resource(`globalPolicy: {${COUNTS}}\nunidentified: {timeThreshold: 7d}`, 'ops/base'),
        resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 1}]', 'ops/teams'),
      ],
      errors: [
        'duplicateGlobal spec.globalPolicy',
        'duplicateTarget spec.namespacePolicies[0]',
        'duplicateGlobal spec.unidentified',
      ],
    },
  ),
  row('a conflict and a mistake', `globalPolicy: {${COUNTS}, maxCheckpointSize: 10}`, {
    before: [global(COUNTS)],
    errors: ['sizeTooSmall spec.globalPolicy.maxCheckpointSize', 'duplicateGlobal spec.globalPolicy'],
  }),
  row(
    'a namespace policy that drops what the global one of another has',
    'namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]',
    {
      before: [global(`${COUNTS}, timeThreshold: 40d, retainOrphan: false`)],
      warnings: ['broaderLimitDropped spec.namespacePolicies[0]'],
    },
  ),
  row('the same resource again, changed', 'namespacePolicies: [{namespace: team-a, maxCheckpoints: 4}]', {
    former: resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]'),
  }),
  row('a sound resource made unsound', 'namespacePolicies: [{namespace: team-a, maxCheckpointSize: 10}]', {
    former: resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]'),
    says: 'did you mean 10Mi?',
    errors: ['sizeTooSmall spec.namespacePolicies[0].maxCheckpointSize'],
    warnings: ['nothingLimited spec.namespacePolicies[0]'],
  }),
  row(
    'a resource that moves to a target that is taken',
    'namespacePolicies: [{namespace: team-b, maxCheckpoints: 4}]',
    {
      former: resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 3}]'),
      before: [resource('namespacePolicies: [{namespace: team-b, maxCheckpoints: 3}]', 'ops/base')],
      errors: ['duplicateTarget spec.namespacePolicies[0]'],
    },
  ),
];
