import { createHash } from 'node:crypto';
import { CHECKPOINT_API, PINNED_LABEL } from '../../../policy/checkpoint-object.ts';

const { group, version, kind, listKind, groupVersion } = CHECKPOINT_API;
const GVK = [{ group, version, kind }];
const NAMESPACED = `/apis/${groupVersion}/namespaces/{namespace}`;
const PREFIX = 'org.criu.checkpoint.v1alpha1';

type Ref = (name: string) => object;

const text = (description: string) => ({ type: 'string', description });
const truth = (description: string) => ({ type: 'boolean', description });

/** The schemas by name. Metadata is written out as far as it is served: so nothing of others is referred to. */
function schemas(ref: Ref): Readonly<Record<string, object>> {
  const kindFields = {
    apiVersion: text('The version of this representation.'),
    kind: text('What the object is.'),
  };
  return {
    [`${PREFIX}.${kind}`]: {
      type: 'object',
      description:
        'A checkpoint archive on a node: the memory of one container at one moment. Nothing of it is stored in the cluster; it is read from the node each time. Its name is given by the node.',
      properties: {
        ...kindFields,
        metadata: ref(`${PREFIX}.ObjectMeta`),
        spec: ref(`${PREFIX}.CheckpointSpec`),
        status: ref(`${PREFIX}.CheckpointStatus`),
      },
      'x-kubernetes-group-version-kind': GVK,
    },
    [`${PREFIX}.${listKind}`]: {
      type: 'object',
      description: 'Checkpoints of all nodes that answered; those that did not are named in a warning.',
      required: ['items'],
      properties: {
        ...kindFields,
        metadata: { type: 'object', description: 'resourceVersion, and continue where there are more.' },
        items: { type: 'array', items: ref(`${PREFIX}.${kind}`), description: 'In a stable order.' },
      },
      'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
    },
    [`${PREFIX}.ObjectMeta`]: {
      type: 'object',
      description: 'What a checkpoint has of the usual metadata.',
      properties: {
        name: text('Unique in the namespace. Made by the node: do not give one.'),
        generateName: text('Accepted, and not used.'),
        namespace: text('The namespace of the pod, as the archive itself names it.'),
        uid: text('Another one for each archive, and for one that was written over.'),
        resourceVersion: text('Changes when the archive does.'),
        creationTimestamp: { ...text('When the archive was written.'), format: 'date-time' },
        labels: {
          type: 'object',
          additionalProperties: { type: 'string' },
          description: `One label is served: ${PINNED_LABEL}: "true" holds the archive against every deletion.`,
        },
      },
    },
    [`${PREFIX}.CheckpointSpec`]: {
      type: 'object',
      description: 'Whose memory it is; of a request, whose is to be taken.',
      required: ['podName', 'containerName'],
      properties: {
        podName: text('The pod.'),
        containerName: text('The container.'),
        nodeName: text('The node that has the archive. A request does not name it.'),
        timeoutSeconds: {
          type: 'integer',
          format: 'int64',
          minimum: 0,
          description: "Of a request: how long the kubelet may take; left out, the kubelet's own time.",
        },
      },
    },
    [`${PREFIX}.CheckpointStatus`]: {
      type: 'object',
      description: 'What the node says of the archive at this moment.',
      properties: {
        archive: text("File name in the node's directory."),
        sizeBytes: { type: 'integer', format: 'int64', description: 'Bytes of the archive.' },
        createdAt: { ...text('When it was last written to.'), format: 'date-time' },
        runtime: text('The container runtime that wrote it, where the archive says so.'),
        policy: text('The policy that governs it, such as namespace/shop; absent when none does.'),
        verdict: ref(`${PREFIX}.CheckpointVerdict`),
        pinned: truth('Held against every deletion.'),
        tainted: truth("It has bytes behind its end, possibly another container's memory."),
      },
    },
    [`${PREFIX}.CheckpointVerdict`]: {
      type: 'object',
      description: "What the node's plan says of the archive now. A watch does not tell when it changes.",
      properties: {
        action: { ...text('What becomes of it.'), enum: ['keep', 'delete'] },
        rule: text(
          'Which rule of the policy decides, such as count, age or pinned; none where no rule does.',
        ),
        reason: text('A sentence.'),
      },
    },
  };
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

const query = (name: string, description: string, type: Parameter['type'] = 'string'): Parameter => ({
  ...{ name, in: 'query', type, description },
});
const inPath = (name: string, description: string): Parameter => ({
  ...{ name, in: 'path', required: true, type: 'string', description },
});
const NAMESPACE = inPath('namespace', "The pod's namespace.");
const LISTS = [
  query('limit', 'Objects of a page.', 'integer'),
  query('continue', 'Where the next page begins.'),
  query('labelSelector', 'A selector of labels.'),
  query(
    'fieldSelector',
    'metadata.name, metadata.namespace, spec.podName, spec.containerName, spec.nodeName.',
  ),
  query('resourceVersion', 'Lists are as of now; a watch goes on behind it, or is answered Expired.'),
  query('watch', 'Tell changes.', 'boolean'),
  query('allowWatchBookmarks', 'Tell versions in between.', 'boolean'),
  query('timeoutSeconds', 'How long a watch lasts.', 'integer'),
];
const WRITES = [
  query('dryRun', 'All: change nothing, and answer as if.'),
  query('fieldManager', 'Accepted, and not used.'),
  query('fieldValidation', 'Unknown fields are always refused.'),
];

interface Operation {
  readonly method: 'get' | 'post' | 'delete' | 'patch';
  readonly action: 'list' | 'get' | 'post' | 'delete' | 'patch';
  readonly id: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly body?: string;
  readonly answer: string;
}

const CHECKPOINT = `${PREFIX}.${kind}`;
const LIST = `${PREFIX}.${listKind}`;

const list = (id: string): Operation => ({
  ...{ method: 'get', action: 'list', id, description: 'Lists or watches checkpoints.' },
  ...{ parameters: LISTS, answer: LIST },
});
const create = (id: string): Operation => ({
  ...{ method: 'post', action: 'post', id, description: 'Takes a checkpoint.' },
  ...{ parameters: WRITES, body: CHECKPOINT, answer: CHECKPOINT },
});
const one = (
  method: 'get' | 'delete' | 'patch',
  description: string,
  parameters: readonly Parameter[],
  body?: string,
): Operation => ({
  ...{ method, action: method, id: `${method}Checkpoint`, description, parameters, answer: CHECKPOINT },
  ...(body !== undefined && { body }),
});

const PATHS: readonly (readonly [path: string, common: readonly Parameter[], operations: Operation[]])[] = [
  [`/apis/${groupVersion}/checkpoints`, [], [list('listCheckpointForAllNamespaces')]],
  [
    `${NAMESPACED}/checkpoints`,
    [NAMESPACE],
    [list('listNamespacedCheckpoint'), create('createNamespacedCheckpoint')],
  ],
  [
    `${NAMESPACED}/checkpoints/{name}`,
    [NAMESPACE, inPath('name', 'Of the checkpoint.')],
    [
      one('get', 'Reads a checkpoint.', []),
      one('delete', 'Deletes an archive, unless it is pinned.', WRITES.slice(0, 1)),
      one('patch', `Sets or takes away the label ${PINNED_LABEL}.`, WRITES, `${PREFIX}.Patch`),
    ],
  ],
  [
    `${NAMESPACED}/pods/{name}/checkpoint`,
    [NAMESPACE, inPath('name', 'Of the pod.')],
    [create('createNamespacedPodCheckpoint')],
  ],
];

const INFO = { title: 'checkpoint-warden', version } as const;
const PATCH_TYPES = [
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/strategic-merge-patch+json',
];

/** OpenAPI 3.0 of the one group and version, as `kubectl explain` reads it. */
export function openApiV3(): object {
  const ref: Ref = (name) => ({ $ref: `#/components/schemas/${name}` });
  const parameterOf = ({ type, ...rest }: Parameter) => ({ ...rest, schema: { type } });
  const operationOf = ({ action, id, description, parameters, body, answer }: Operation) => ({
    operationId: id,
    tags: [`${group}_${version}`],
    description,
    parameters: parameters.map(parameterOf),
    ...(body !== undefined && { requestBody: { content: contentOf(body, ref) } }),
    responses: { 200: { description: 'OK', content: { 'application/json': { schema: ref(answer) } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': GVK[0],
  });
  const paths = PATHS.map(([path, common, operations]) => [
    path,
    {
      ...Object.fromEntries(operations.map((each) => [each.method, operationOf(each)])),
      parameters: common.map(parameterOf),
    },
  ]);
  // Beside a reference nothing else may stand, so a description goes beside the list that holds it.
  const described = schemas((name) => ({ allOf: [ref(name)] }));
  const all = { ...described, [`${PREFIX}.Patch`]: { type: 'object', description: 'A patch.' } };
  return { openapi: '3.0.0', info: INFO, paths: Object.fromEntries(paths), components: { schemas: all } };
}

function contentOf(body: string, ref: Ref): object {
  const types = body.endsWith('.Patch') ? PATCH_TYPES : ['application/json'];
  return Object.fromEntries(types.map((type) => [type, { schema: ref(body) }]));
}

/** The same in OpenAPI 2, which older clients and the API server's own merging read. */
export function openApiV2(): object {
  const ref: Ref = (name) => ({ $ref: `#/definitions/${name}` });
  const operationOf = ({ action, id, description, parameters, body, answer }: Operation) => ({
    operationId: id,
    description,
    consumes: body?.endsWith('.Patch') ? PATCH_TYPES : ['application/json'],
    produces: ['application/json'],
    schemes: ['https'],
    parameters: [
      ...parameters,
      ...(body !== undefined ? [{ name: 'body', in: 'body', required: true, schema: ref(body) }] : []),
    ],
    responses: { 200: { description: 'OK', schema: ref(answer) } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': GVK[0],
  });
  const paths = PATHS.map(([path, common, operations]) => [
    path,
    {
      ...Object.fromEntries(operations.map((each) => [each.method, operationOf(each)])),
      parameters: common,
    },
  ]);
  const definitions = { ...schemas(ref), [`${PREFIX}.Patch`]: { type: 'object', description: 'A patch.' } };
  return { swagger: '2.0', info: INFO, paths: Object.fromEntries(paths), definitions };
}

const V3 = JSON.stringify(openApiV3());
const V3_HASH = createHash('sha256').update(V3).digest('hex').toUpperCase();

/** Documents as they are sent, and the tags by which a client knows that it has them. */
export const OPENAPI = {
  v2: JSON.stringify(openApiV2()),
  v3: V3,
  /** What there is of version 3: one document, whose address changes with its content. */
  index: JSON.stringify({
    paths: {
      [`apis/${groupVersion}`]: {
        serverRelativeURL: `/openapi/v3/apis/${groupVersion}?hash=${V3_HASH}`,
      },
    },
  }),
} as const;

export function tagOf(document: string): string {
  return `"${createHash('sha256').update(document).digest('hex').slice(0, 32).toUpperCase()}"`;
}
