import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findPrograms } from './programs.ts';
import { certManagerRecipe, controlPlaneRecipe, recipeHash } from './recipe.ts';

const names = Object.keys(controlPlaneRecipe.packages);

// Stands in for Go: notes each build, takes its time, and writes the program that -o names.
const fakeGo = `#!/bin/sh
[ "$1" = version ] && exit 0
[ "$1" = list ] && { echo "$GO_MODULE"; exit 0; }
echo build >> "$GO_LOG"
[ -n "$GO_FAILS" ] && { echo 'no such package' >&2; exit 1; }
/bin/sleep 0.1
while [ "$1" != -o ]; do shift; done
: > "$2"
/bin/chmod +x "$2"
`;

test('takes KUBEBUILDER_ASSETS if it holds every program', async (t) => {
  const { root, env } = await scratch(t);
  await writePrograms(root, names);
  assert.equal(await findPrograms(controlPlaneRecipe, { ...env, KUBEBUILDER_ASSETS: root }), root);
});

test('takes the cache if KUBEBUILDER_ASSETS lacks a program', async (t) => {
  const { root, env } = await scratch(t);
  await writePrograms(root, names.slice(1));
  const cache = join(root, 'checkpoint-warden', 'cluster', await recipeHash(controlPlaneRecipe));
  await writePrograms(cache, names);
  assert.equal(await findPrograms(controlPlaneRecipe, { ...env, KUBEBUILDER_ASSETS: root }), cache);
});

test('says what to install where there is no Go', async (t) => {
  const { env } = await scratch(t);
  await assert.rejects(findPrograms(controlPlaneRecipe, env), {
    message:
      'Install Go 1.26.0 or newer (needed to build etcd, kube-apiserver, kubectl), or set KUBEBUILDER_ASSETS to a directory that holds them.',
  });
  await assert.rejects(findPrograms(certManagerRecipe, env), {
    message:
      /^Install Go 1\.26\.0 or newer \(needed to build cert-manager-cainjector, cert-manager-controller\)/,
  });
});

test('builds each program once, whoever asks at the same time', async (t) => {
  const { root, env } = await scratch(t);
  await writeProgram(join(root, 'go'), fakeGo);
  const asked = [1, 2, 3].map(() => findPrograms(controlPlaneRecipe, env));
  const [directory, ...others] = await Promise.all(asked);
  assert.ok(directory);
  assert.deepEqual(others, [directory, directory]);
  assert.deepEqual((await readdir(directory)).sort(), [...names].sort());
  assert.equal(await readFile(env.GO_LOG, 'utf8'), 'build\n'.repeat(names.length));
});

test('builds anew where the cache has lost a program', async (t) => {
  const { root, env } = await scratch(t);
  await writeProgram(join(root, 'go'), fakeGo);
  const directory = await findPrograms(controlPlaneRecipe, env);
  await rm(join(directory, 'kubectl'));
  assert.equal(await findPrograms(controlPlaneRecipe, env), directory);
  assert.deepEqual((await readdir(directory)).sort(), [...names].sort());
});

test('puts folders of a module beside the programs, once they are built', async (t) => {
  const { root, env } = await scratch(t);
  await writeProgram(join(root, 'go'), fakeGo);
  await mkdir(join(root, 'module/deploy/crds'), { recursive: true });
  await writeFile(join(root, 'module/deploy/crds/one.yaml'), 'kind: One\n');
  const recipe = { ...controlPlaneRecipe, folders: { definitions: 'example.org/module//deploy/crds' } };
  const directory = await findPrograms(recipe, { ...env, GO_MODULE: join(root, 'module') });
  assert.equal(await readFile(join(directory, 'definitions/one.yaml'), 'utf8'), 'kind: One\n');
  assert.notEqual(directory, await findPrograms(controlPlaneRecipe, env));
});

test('shows why a build failed and leaves nothing of it', async (t) => {
  const { root, env } = await scratch(t);
  await writeProgram(join(root, 'go'), fakeGo);
  await assert.rejects(findPrograms(controlPlaneRecipe, { ...env, GO_FAILS: 'yes' }), {
    message: 'go build of etcd failed:\nno such package',
  });
  const left = await readdir(join(root, 'checkpoint-warden', 'cluster'));
  assert.deepEqual(left, [`${await recipeHash(controlPlaneRecipe)}.lock`]);
});

/** A directory that is both the cache and the only place on the path. */
async function scratch(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'programs-'));
  t.after(() => rm(root, { recursive: true }));
  return { root, env: { XDG_CACHE_HOME: root, PATH: root, GO_LOG: join(root, 'go.log') } };
}

async function writePrograms(directory: string, programs: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of programs) await writeProgram(join(directory, name), '');
}

async function writeProgram(file: string, content: string): Promise<void> {
  await writeFile(file, content);
  await chmod(file, 0o755);
}
