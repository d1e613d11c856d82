import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { customResourceDefinition } from '../../manifests/crd.ts';
import { scheduleResourceDefinition } from '../../manifests/crd-schedule.ts';
import {
  CRD_FILE,
  crdText,
  NODE_CRD_FILE,
  nodeCrdText,
  SCHEDULE_CRD_FILE,
  scheduleCrdText,
} from '../../manifests/generate.ts';
import { isObject, own } from '../../policy/json.ts';
import { SCHEDULE_SPEC } from '../../policy/schedule/schema.ts';
import { SPEC } from '../../policy/schema.ts';

const DEFINITIONS = [
  [customResourceDefinition(), SPEC, 8],
  [scheduleResourceDefinition(), SCHEDULE_SPEC, 8],
] as const;

const specPath = ['spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'spec'] as const;

function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>((each, key) => {
    if (Array.isArray(each)) return each[Number(key)];
    return isObject(each) ? own(each, String(key)) : undefined;
  }, value);
}

/** Every schema with properties, and every property, with its path. */
function* schemas(schema: unknown, path: string): Generator<readonly [path: string, schema: object]> {
  if (!isObject(schema)) return;
  yield [path, schema];
  const properties = own(schema, 'properties');
  if (isObject(properties)) {
    for (const [name, child] of Object.entries(properties)) yield* schemas(child, `${path}.${name}`);
  }
  yield* schemas(own(schema, 'items'), `${path}[]`);
}

test('the committed file is what `npm run manifests` writes', async () => {
  assert.equal(await readFile(CRD_FILE, 'utf8'), crdText(), 'run npm run manifests');
  assert.deepEqual(parse(crdText()), JSON.parse(JSON.stringify(customResourceDefinition())));
  assert.equal(await readFile(NODE_CRD_FILE, 'utf8'), nodeCrdText(), 'run npm run manifests');
  assert.equal(await readFile(SCHEDULE_CRD_FILE, 'utf8'), scheduleCrdText(), 'run npm run manifests');
});

for (const [definition, schema, least] of DEFINITIONS) {
  const name = String(at(definition, 'metadata', 'name'));

  test(`${name}: every object of the spec keeps unknown fields, so that the webhook can name them`, () => {
    const spec = at(definition, ...specPath);
    const objects = [...schemas(spec, 'spec')].filter(([, each]) => 'properties' in each);
    assert.ok(objects.length >= least, String(objects.length));
    for (const [path, each] of objects) {
      assert.equal(at(each, 'x-kubernetes-preserve-unknown-fields'), true, path);
    }
    const root = at(definition, ...specPath.slice(0, -2));
    assert.equal(at(root, 'x-kubernetes-preserve-unknown-fields'), true, 'root');
  });

  test(`${name}: every field has a description for kubectl explain`, () => {
    for (const [path, each] of schemas(at(definition, ...specPath.slice(0, -2)), '')) {
      if (path === '.metadata' || path.endsWith('[]')) continue;
      assert.match(String(at(each, 'description')), /^\S.*[.\w]$/, path);
    }
  });

  test(`${name}: nothing of the schema is lost on the way`, () => {
    const names = (each: unknown) => [...schemas(each, 'spec')].map(([path]) => path);
    assert.deepEqual(names(at(definition, ...specPath)), names(schema));
  });
}
