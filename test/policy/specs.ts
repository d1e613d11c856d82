import fc from 'fast-check';
import { API_VERSION, KIND, type Schema, SPEC } from '../../policy/schema.ts';

const NAMES = ['team', 'team-prod', 'a', 'a-b', 'b-c', 'c'] as const;
const SIZES = ['10Mi', '1Gi', '20Mi', '1e9', 4096, '1536Ki'] as const;
/** Values that people write in the wrong place, or wrongly. */
const MISTAKES = [
  0,
  1,
  -1,
  1.5,
  2 ** 53,
  true,
  null,
  '',
  '0',
  '10',
  '100',
  '500m',
  '10MB',
  '40',
  '-5m',
  '0s',
  '40 days',
  '101%',
  '85',
  'delete',
  'Never',
  'A',
  'team*',
  '/x/../y',
  '///',
  'checkpoints',
] as const;
const RUBBISH = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    JSON.parse('{"__proto__":{"polluted":1}}'),
    JSON.parse('{"toString":1,"valueOf":2}'),
    { constructor: null },
  ),
);
const UNKNOWN_KEYS = [
  'maxCheckpoint',
  '__proto__',
  'constructor',
  'toString',
  'nonsense',
  'a\nb',
  'namepsace',
] as const;

/** What belongs into a field. */
function rightFor(key: string, schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer') return fc.integer({ min: 0, max: 12 });
  if (['namespace', 'pod', 'container'].includes(key)) return fc.constantFrom(...NAMES);
  if (key === 'checkpointDirectory')
    return fc.constantFrom('/var/lib/kubelet/checkpoints', '/data/checkpoints/');
  if (/Watermark|Share|minFree/.test(key)) return fc.constantFrom('85%', '75%', '50%', '90.5%');
  if (/Size|Bytes/.test(key)) return fc.constantFrom(...SIZES);
  return fc.constantFrom('40d', '30d12h', '10m', '30s', '1w');
}

/** @param slips of a hundred values, how many are wrong */
function valueFor(key: string, schema: Schema, slips: number): fc.Arbitrary<unknown> {
  const { properties, items } = schema;
  const right =
    properties !== undefined
      ? mappingFor(properties, schema.required ?? [], slips)
      : items !== undefined
        ? fc.array(valueFor(key, items, slips), { maxLength: 3, depthIdentifier: 'none' })
        : rightFor(key, schema);
  return fc.oneof(
    { weight: 100 - slips, arbitrary: right },
    { weight: slips, arbitrary: fc.oneof(fc.constantFrom<unknown>(...MISTAKES), RUBBISH) },
  );
}

function mappingFor(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  slips: number,
): fc.Arbitrary<unknown> {
  const fields = Object.entries(properties).map(([key, schema]) =>
    fc
      .tuple(fc.nat(99), valueFor(key, schema, slips))
      .map(([chance, value]): [string, unknown][] =>
        chance < (required.includes(key) ? 100 - slips : 30) ? [[key, value]] : [],
      ),
  );
  const unknown = fc
    .tuple(fc.nat(99), fc.constantFrom(...UNKNOWN_KEYS), RUBBISH)
    .map(([chance, key, value]): [string, unknown][] => (chance < slips ? [[key, value]] : []));
  return fc.tuple(...fields, unknown).map((entries) => Object.fromEntries(entries.flat()));
}

/** Specs of careful and of careless authors. */
export const specs = fc.oneof(...[0, 1, 12].map((slips) => valueFor('spec', SPEC, slips)));

/** Resources of careful and of careless authors. */
export const documents = fc
  .tuple(fc.constantFrom('team', 'ops', undefined), specs)
  .map(([namespace, spec]) => ({
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { ...(namespace !== undefined && { namespace }), name: 'quotas' },
    spec,
  }));
