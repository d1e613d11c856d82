import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';

const folder = fileURLToPath(new URL('../../manifests/base/', import.meta.url));

async function rulesOf(file: string, role: string): Promise<unknown> {
  const documents = parseAllDocuments(await readFile(folder + file, 'utf8')).map((each): unknown =>
    each.toJS(),
  );
  const found = documents.find(
    (each) =>
      typeof each === 'object' &&
      each !== null &&
      'rules' in each &&
      JSON.stringify(each).includes(`"${role}"`),
  );
  return found && typeof found === 'object' && 'rules' in found ? found.rules : undefined;
}

test('the kustomizations name every file', async () => {
  for (const each of [folder, fileURLToPath(new URL('../webhook/', `file://${folder}`))]) {
    const { resources } = parse(await readFile(`${each}kustomization.yaml`, 'utf8'));
    const files = (await readdir(each)).filter((name) => name !== 'kustomization.yaml');
    assert.deepEqual(resources.filter((name: string) => !name.startsWith('..')).sort(), files.sort());
  }
});

test('the programs have the rights that they use, and no others', async () => {
  const policies = {
    apiGroups: ['criu.org'],
    resources: ['checkpointrestoreoperators'],
    verbs: ['list', 'watch'],
  };
  const events = { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] };
  assert.deepEqual(await rulesOf('webhook-rbac.yaml', 'checkpoint-warden-webhook'), [
    { ...policies, resources: [...policies.resources, 'checkpointschedules'] },
    { apiGroups: ['criu.org'], resources: ['checkpointrestoreoperators/status'], verbs: ['patch'] },
    { apiGroups: ['criu.org'], resources: ['checkpointnodes'], verbs: ['list', 'watch'] },
    events,
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
  ]);
  assert.deepEqual(await rulesOf('collector-rbac.yaml', 'checkpoint-warden-collector'), [
    policies,
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['criu.org'], resources: ['checkpointschedules'], verbs: ['list', 'watch'] },
    { apiGroups: ['criu.org'], resources: ['checkpointschedules/status'], verbs: ['patch'] },
    { apiGroups: [''], resources: ['nodes/stats'], verbs: ['get'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    { apiGroups: [''], resources: ['nodes/checkpoint'], verbs: ['create'] },
    { apiGroups: ['criu.org'], resources: ['checkpointnodes'], verbs: ['create', 'patch'] },
    { apiGroups: ['criu.org'], resources: ['checkpointnodes/status'], verbs: ['patch'] },
    { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
    events,
  ]);
});
