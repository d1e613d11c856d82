import { stringify } from 'yaml';

const QUANTITY = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
};
const COUNT = { type: 'integer' };
const TEXT = { type: 'string' };

function policies(...names: readonly string[]): object {
  const limits = {
    retainOrphan: { type: 'boolean' },
    maxCheckpoints: COUNT,
    maxCheckpointSize: QUANTITY,
    maxTotalSize: QUANTITY,
  };
  const properties = { ...Object.fromEntries(names.map((name) => [name, TEXT])), ...limits };
  return { type: 'array', items: { type: 'object', properties } };
}

/**
 * The resource as version 0.1.0 of the public operator defines it: the same names, and types alone. YAML.
 */
export function theirDefinition(): string {
  const spec = {
    type: 'object',
    properties: {
      checkpointDirectory: TEXT,
      applyPoliciesImmediately: { type: 'boolean' },
      globalPolicy: {
        type: 'object',
        properties: {
          retainOrphan: { type: 'boolean' },
          maxCheckpointSize: QUANTITY,
          ...Object.fromEntries(
            ['Container', 'Pod', 'Namespace'].flatMap((level) => [
              [`maxCheckpointsPer${level}`, COUNT],
              [`maxTotalSizePer${level}`, QUANTITY],
            ]),
          ),
        },
      },
      containerPolicies: policies('namespace', 'pod', 'container'),
      podPolicies: policies('namespace', 'pod'),
      namespacePolicies: policies('namespace'),
    },
  };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: { openAPIV3Schema: { type: 'object', properties: { spec, status: { type: 'object' } } } },
  };
  return stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'checkpointrestoreoperators.criu.org' },
    spec: {
      group: 'criu.org',
      scope: 'Namespaced',
      names: {
        kind: 'CheckpointRestoreOperator',
        listKind: 'CheckpointRestoreOperatorList',
        plural: 'checkpointrestoreoperators',
        singular: 'checkpointrestoreoperator',
      },
      versions: [version],
    },
  });
}
