import { NODE_API_VERSION, NODE_KIND, NODE_PLURAL, NODE_STATUS } from '../policy/node-schema.ts';
import { API_VERSION, GROUP, KIND, PLURAL, type Schema, SPEC, VERSION } from '../policy/schema.ts';
import { POLICY_COLUMNS, POLICY_STATUS } from '../policy/status-schema.ts';

/** A structural schema as the API server takes it. */
export type StructuralSchema = Readonly<Record<string, unknown>>;

/** The CustomResourceDefinition, generated from `policy/schema.ts`. */
export function customResourceDefinition(): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: ['cro'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: ROOT },
          subresources: { status: {} },
          additionalPrinterColumns: POLICY_COLUMNS,
        },
      ],
    },
  };
}

/** What each node's collector says of itself, generated from `policy/node-schema.ts`. */
export function nodeResourceDefinition(): object {
  const column = (name: string, type: string, jsonPath: string, priority = 0) => ({
    ...{ name, type, jsonPath },
    ...(priority > 0 && { priority }),
  });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${NODE_PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Cluster',
      names: {
        kind: NODE_KIND,
        listKind: `${NODE_KIND}List`,
        plural: NODE_PLURAL,
        singular: NODE_KIND.toLowerCase(),
        shortNames: ['ckn'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'The checkpoint archives of one node, as its collector sees them.',
              properties: {
                apiVersion: { type: 'string', description: NODE_API_VERSION },
                kind: { type: 'string', description: NODE_KIND },
                metadata: { type: 'object' },
                status: NODE_STATUS,
              },
            },
          },
          subresources: { status: {} },
          additionalPrinterColumns: [
            column('Archives', 'integer', '.status.archives'),
            column('Size', 'string', '.status.size'),
            column('Disk', 'string', '.status.disk.used'),
            column('Deleted', 'integer', '.status.deletions'),
            column('Errors', 'integer', '.status.errors'),
            column('Waiting', 'integer', '.status.waiting'),
            column('Scanned', 'date', '.status.lastScanTime'),
            column('Pinned', 'integer', '.status.pinned', 1),
            column('Unidentified', 'integer', '.status.unidentified', 1),
            column('Tainted', 'integer', '.status.tainted', 1),
            column('Complaint', 'string', '.status.complaints[0]', 1),
          ],
        },
      ],
    },
  };
}

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
