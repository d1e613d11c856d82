import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { AUTHORITY_SECRET, leafSecrets } from '../../certs/authority/names.ts';
import { TRUSTING_OBJECTS } from '../../kube/ca-bundles.ts';
import { fieldsOf, own } from '../../policy/json.ts';

const FILE = new URL('../../manifests/overlays/self-signed/authority-rbac.yaml', import.meta.url);

test('the rights of the own authority are for its own objects by name, and no others', async () => {
  const documents = parseAllDocuments(await readFile(FILE, 'utf8')).map((each): unknown => each.toJS());
  const rules = documents.flatMap((each) => {
    const found = own(fieldsOf(each), 'rules');
    return Array.isArray(found) ? found.map(fieldsOf) : [];
  });
  const named = rules.filter((rule) => own(rule, 'resourceNames') !== undefined);
  assert.deepEqual(
    rules.filter((rule) => !named.includes(rule)),
    [{ apiGroups: [''], resources: ['secrets'], verbs: ['create'] }],
  );
  const allowed = named.flatMap(({ resources, resourceNames }) =>
    [resourceNames].flat().map((name) => `${resources} ${name}`),
  );
  const used = [
    ...[AUTHORITY_SECRET, ...leafSecrets('ns').map(({ name }) => name)].map((name) => `secrets ${name}`),
    ...TRUSTING_OBJECTS.map(({ resource, name }) => `${resource} ${name}`),
  ];
  assert.deepEqual(allowed.sort(), used.sort());
  for (const { verbs } of named) {
    assert.ok([verbs].flat().every((verb) => ['get', 'watch', 'update', 'patch'].includes(String(verb))));
  }
});
