import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { nodeDigits } from '../../kube/node-digits.ts';
import { API_SERVICE_FILE, apiServiceText } from '../../manifests/generate.ts';
import { VERB_OF } from '../../policy/archive-routes.ts';
import { fieldsOf, own } from '../../policy/json.ts';

const FOLDER = new URL('../../manifests/', import.meta.url);

async function documents(file: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return parseAllDocuments(await readFile(new URL(file, FOLDER), 'utf8')).map((each) =>
    fieldsOf(each.toJS()),
  );
}

suite('the manifests of the aggregated API', () => {
  test('the committed registration is what `npm run manifests` writes', async () => {
    assert.equal(await readFile(API_SERVICE_FILE, 'utf8'), apiServiceText(), 'run npm run manifests');
  });

  test('what is applied with the webhook registers nothing: that waits until it serves', async () => {
    for (const part of ['components/api', 'overlays/api', 'overlays/self-signed', 'overlays/cert-manager']) {
      const { resources = [] } = parse(await readFile(new URL(`${part}/kustomization.yaml`, FOLDER), 'utf8'));
      assert.ok(!JSON.stringify(resources).includes('registration'), part);
    }
  });

  test('the registration dials the port that the Service has, and that leads to the API', async () => {
    const component = await readFile(new URL('components/api/kustomization.yaml', FOLDER), 'utf8');
    assert.match(apiServiceText(), /namespace: checkpoint-warden\n +name: webhook\n +port: 6443\n/);
    assert.match(component, /\{ name: api, port: 6443, targetPort: api \}/);
    assert.match(component, /--api=:9445\n(.*\n)+.*\{ name: api, containerPort: 9445 \}/);
  });

  test('the gateway has every verb of the archives, and nobody is aggregated into it', async () => {
    const [role] = await documents('components/api/rights.yaml');
    const [rule] = [own(role ?? {}, 'rules')].flat();
    const { resources, verbs } = fieldsOf(rule);
    assert.deepEqual(resources, ['archives']);
    assert.deepEqual([verbs].flat().sort(), [...new Set(Object.values(VERB_OF))].sort());
    for (const each of await documents('components/api/roles.yaml')) {
      assert.doesNotMatch(JSON.stringify(each), /archives/);
    }
  });
});

test('the digits of a node in a name never change', () => {
  assert.equal(nodeDigits('node1'), 'ca12');
});
