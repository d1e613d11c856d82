import { DEFAULT_DIRECTORY, type Schema } from './schema.ts';

/** Digests that a status names; with more nodes that wait, the others come when these are confirmed. */
export const MOST_DIGESTS = 200;

/** What a policy's conditions say, in this order. */
export const CONDITION_TYPES = ['Accepted', 'Conflicted', 'Enforced', 'Confirming'] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const generation = (description: string): Schema => ({ ...count(description), format: 'int64' });

const CONDITION: Schema = {
  type: 'object',
  description: 'One aspect of the resource.',
  required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
  properties: {
    type: { type: 'string', description: `Which aspect: ${CONDITION_TYPES.join(', ')}.`, maxLength: 316 },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'], description: 'Whether it is so.' },
    observedGeneration: generation('The metadata.generation that it was judged by.'),
    lastTransitionTime: { type: 'string', format: 'date-time', description: 'When status last changed.' },
    reason: { type: 'string', minLength: 1, maxLength: 1024, description: 'The reason in one word.' },
    message: { type: 'string', maxLength: 32768, description: 'The reason in a sentence.' },
  },
};

/** What has become of a resource, for `kubectl get cro`. */
export const POLICY_STATUS: Schema = {
  type: 'object',
  description: 'What has become of the policies; written by the webhook, out of what the nodes say.',
  properties: {
    observedGeneration: generation('The metadata.generation that the rest of the status is about.'),
    conditions: {
      type: 'array',
      description: 'What there is to say of the resource, one entry for each aspect.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: CONDITION,
    },
    archives: count('Archives that the resource governs, on all nodes.'),
    bytes: { ...count('Their length together.'), format: 'int64' },
    size: { type: 'string', description: 'The same for people, as 12.5Gi.' },
    nodes: { type: 'string', description: 'Nodes that go by this version, of all that there are, as 4/5.' },
    confirming: {
      type: 'object',
      description: 'What waits for confirmation; absent while nothing does.',
      properties: {
        digests: {
          type: 'string',
          description: `The plans, for the annotation checkpoint.criu.org/confirm; up to ${MOST_DIGESTS}.`,
        },
        nodes: count('Nodes that wait.'),
        deletions: count('Archives that would go.'),
        archives: count('Archives on those nodes when they were held.'),
        bytes: { ...count('The length of those that would go.'), format: 'int64' },
      },
    },
  },
};

/** Where `kubectl get cro` finds its columns, the wide ones last. */
export const POLICY_COLUMNS: readonly {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  readonly priority?: 1;
}[] = [
  condition('Accepted', 'Whether the policy is sound.'),
  condition('Conflicted', 'Whether an older resource says something else about the same archives.'),
  condition('Enforced', 'Whether all nodes go by this version.'),
  condition('Confirming', 'Whether a plan waits for confirmation.'),
  {
    name: 'Archives',
    type: 'integer',
    jsonPath: '.status.archives',
    description: 'Archives that it governs.',
  },
  { name: 'Size', type: 'string', jsonPath: '.status.size', description: 'Their length together.' },
  {
    ...{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    description: 'How long ago it was made.',
  },
  wide('Nodes', 'string', '.status.nodes', 'Nodes that go by this version, of all.'),
  wide(
    'Directory',
    'string',
    '.spec.checkpointDirectory',
    `Where on each node; absent: ${DEFAULT_DIRECTORY}.`,
  ),
  wide(
    ...(['Per-Container', 'integer', '.spec.globalPolicy.maxCheckpointsPerContainer'] as const),
    'Archives that the global policy keeps of one container.',
  ),
  wide(
    ...(['Older-Than', 'string', '.spec.globalPolicy.timeThreshold'] as const),
    'Age at which the global policy deletes archives.',
  ),
];

function condition(type: ConditionType, description: string) {
  const jsonPath = `.status.conditions[?(@.type=="${type}")].status`;
  return { name: type, type: 'string', jsonPath, description } as const;
}

function wide<T extends 'string' | 'integer'>(name: string, type: T, jsonPath: string, description: string) {
  return { name, type, jsonPath, description, priority: 1 } as const;
}
