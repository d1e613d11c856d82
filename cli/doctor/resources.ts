import type { KubeClient } from '../../kube/client.ts';
import { at, getObject, getObjectIfAny, objectsAt, textAt } from '../../kube/objects.ts';
import { fieldsOf, own } from '../../policy/json.ts';
import { NODE_PLURAL } from '../../policy/node-schema.ts';
import { SCHEDULE_PLURAL } from '../../policy/schedule/schema.ts';
import { API_VERSION, KIND, PLURAL, type Schema, SPEC } from '../../policy/schema.ts';
import { type Check, fail, ok, type Patient, some, unknown } from './check.ts';

const NAME = 'resources';
const INSTALL = 'kubectl apply -k manifests/overlays/self-signed (or overlays/cert-manager)';

/** Whether the API server serves our resources, with all their fields: the public operator's definition has fewer. */
export async function checkResources({ client }: Patient): Promise<Check> {
  try {
    const served = await getObjectIfAny(client, `/apis/${API_VERSION}`);
    const names = objectsAt(served, 'resources').map((each) => textAt(each, 'name'));
    const missing = [PLURAL, NODE_PLURAL, SCHEDULE_PLURAL].filter((each) => !names.includes(each));
    if (missing.length > 0) {
      return fail(NAME, `${API_VERSION} is served without ${missing.join(' and ')}`, INSTALL);
    }
    const schema = await publishedSpec(client);
    const absent = [...pathsIn('spec', SPEC)].filter((path) => !has(schema, path));
    if (absent.length === 0) return ok(NAME, `${API_VERSION} is served with all its fields`);
    const message = `the definition of ${PLURAL} lacks ${some(absent)}, so the API server drops them: it is of another version, or the public operator's`;
    return fail(NAME, message, INSTALL, absent);
  } catch (error) {
    return unknown(NAME, error, 'get /apis and /openapi (ClusterRole system:discovery)');
  }
}

/** What the API server publishes of the resource's `spec`, which every user may read. */
async function publishedSpec(client: KubeClient): Promise<unknown> {
  const document = await getObject(client, `/openapi/v3/apis/${API_VERSION}`);
  for (const schema of Object.values(fieldsOf(at(document, 'components', 'schemas')))) {
    const [kind] = objectsAt(schema, 'x-kubernetes-group-version-kind');
    if (textAt(kind, 'kind') === KIND) return at(schema, 'properties', 'spec');
  }
  throw new Error(`the API server publishes no schema of ${KIND} yet`);
}

/** The fields of a schema, as people write them: `spec.podPolicies[].keepLast`. */
function* pathsIn(path: string, schema: Schema): Generator<string> {
  if (schema.items !== undefined) yield* pathsIn(`${path}[]`, schema.items);
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    yield `${path}.${key}`;
    yield* pathsIn(`${path}.${key}`, child);
  }
}

function has(published: unknown, path: string): boolean {
  let schema = published;
  for (const segment of path.split('.').slice(1)) {
    const isList = segment.endsWith('[]');
    schema = own(fieldsOf(at(schema, 'properties')), isList ? segment.slice(0, -2) : segment);
    if (isList) schema = at(schema, 'items');
    // Several references of one schema are each written as the only member of allOf.
    schema = objectsAt(schema, 'allOf')[0] ?? schema;
  }
  return schema !== undefined;
}
