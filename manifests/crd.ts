import { NODE_API_VERSION, NODE_KIND, NODE_PLURAL, NODE_STATUS } from '../policy/node-schema.ts';
import { API_VERSION, GROUP, KIND, PLURAL, type Schema, SPEC, VERSION } from '../policy/schema.ts';
import { POLICY_COLUMNS, POLICY_STATUS } from '../policy/status-schema.ts';

/** A structural schema as the API server takes it. */
export type StructuralSchema = Readonly<Record<string, unknown>>;

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly schema: StructuralSchema;
  readonly columns: readonly object[];
}

/** A resource of the group with one version and a status of its own. */
export function definitionOf({ kind, plural, shortName, scope, schema, columns }: Definition): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

/** The CustomResourceDefinition, generated from `policy/schema.ts`. */
export function customResourceDefinition(): object {
  return definitionOf({
    ...{ kind: KIND, plural: PLURAL, shortName: 'cro', scope: 'Namespaced' },
    ...{ schema: ROOT, columns: POLICY_COLUMNS },
  });
}

/** What each node's collector says of itself, generated from `policy/node-schema.ts`. */
export function nodeResourceDefinition(): object {
  return definitionOf({
    ...{ kind: NODE_KIND, plural: NODE_PLURAL, shortName: 'ckn', scope: 'Cluster' },
    ...{ schema: NODE_ROOT, columns: NODE_COLUMNS },
  });
}

/** @param priority above 0 for what `-o wide` shows only */
export function column(name: string, type: string, jsonPath: string, description?: string, priority = 0) {
  return {
    ...{ name, type, jsonPath },
    ...(description !== undefined && { description }),
    ...(priority > 0 && { priority }),
  };
}

const nodeColumn = (name: string, type: string, jsonPath: string, priority = 0) =>
  column(name, type, jsonPath, undefined, priority);

const NODE_ROOT: StructuralSchema = {
  type: 'object',
  description: 'The checkpoint archives of one node, as its collector sees them.',
  properties: {
    apiVersion: { type: 'string', description: NODE_API_VERSION },
    kind: { type: 'string', description: NODE_KIND },
    metadata: { type: 'object' },
    status: NODE_STATUS,
  },
};

const NODE_COLUMNS = [
  nodeColumn('Archives', 'integer', '.status.archives'),
  nodeColumn('Size', 'string', '.status.size'),
  nodeColumn('Disk', 'string', '.status.disk.used'),
  nodeColumn('Deleted', 'integer', '.status.deletions'),
  nodeColumn('Errors', 'integer', '.status.errors'),
  nodeColumn('Waiting', 'integer', '.status.waiting'),
  nodeColumn('Scanned', 'date', '.status.lastScanTime'),
  nodeColumn('Pinned', 'integer', '.status.pinned', 1),
  nodeColumn('Unidentified', 'integer', '.status.unidentified', 1),
  nodeColumn('Tainted', 'integer', '.status.tainted', 1),
  nodeColumn('Complaint', 'string', '.status.complaints[0]', 1),
];

/**
 * Unknown fields are kept, not pruned: a misspelt limit would vanish without a word where a client does not ask for
 * strict validation. Kept, it reaches the webhook, which refuses it and names the field that was meant.
 */
export const KEEP_UNKNOWN = { 'x-kubernetes-preserve-unknown-fields': true };

export function structural(schema: Schema): StructuralSchema {
  const { properties, items, type, ...rest } = schema;
  return {
    ...(type !== undefined && { type }),
    ...rest,
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, child]) => [name, structural(child)]),
      ),
      ...KEEP_UNKNOWN,
    }),
    ...(items !== undefined && { items: structural(items) }),
  };
}

const ROOT: StructuralSchema = {
  type: 'object',
  required: ['spec'],
  description: `What may be kept of the checkpoint archives on each node, by container, pod and namespace. Sizes are quantities of bytes (500Mi), durations have a unit (40d). A ${KIND} of ${API_VERSION} may always speak of its own namespace; beyond that its author needs the verb govern.`,
  properties: {
    apiVersion: { type: 'string', description: API_VERSION },
    kind: { type: 'string', description: KIND },
    metadata: { type: 'object' },
    spec: structural(SPEC),
    status: POLICY_STATUS,
  },
  ...KEEP_UNKNOWN,
};
