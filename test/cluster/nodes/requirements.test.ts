import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Host, requireForNodes } from './requirements.ts';

const programs = ['ip', 'nsenter', 'unshare'];

test('is content where everything is there', async (t) => {
  const host = await hostWith(t, programs);
  await requireForNodes(programs, host);
  assert.deepEqual(host.installed, []);
});

test('installs the packages of what is missing, each once', async (t) => {
  const host = await hostWith(t, ['apt-get']);
  await requireForNodes(programs, host);
  assert.deepEqual(host.installed, [
    ['update'],
    ['install', '--yes', '--no-install-recommends', 'iproute2', 'util-linux'],
  ]);
});

const refusals = [
  {
    name: 'no root',
    there: programs,
    isRoot: false,
    message: 'Nodes need namespaces and mounts, which only root may make: run this as root.',
  },
  {
    name: 'neither root nor programs',
    there: ['apt-get', 'ip'],
    isRoot: false,
    message:
      'Nodes need namespaces and mounts, which only root may make: run this as root, and install util-linux.',
  },
  {
    name: 'another system than Debian',
    there: ['nsenter', 'unshare'],
    isRoot: true,
    message: 'Install iproute2: nodes need that, and there is no apt-get here.',
  },
];

for (const { name, there, isRoot, message } of refusals) {
  test(`says what to do: ${name}`, async (t) => {
    const host = await hostWith(t, there);
    await assert.rejects(requireForNodes(programs, { ...host, isRoot }), { message });
    assert.deepEqual(host.installed, []);
  });
}

async function hostWith(
  t: TestContext,
  there: readonly string[],
): Promise<Host & { installed: (readonly string[])[] }> {
  const path = await mkdtemp(join(tmpdir(), 'requirements-'));
  t.after(() => rm(path, { recursive: true }));
  for (const program of there) {
    await writeFile(join(path, program), '');
    await chmod(join(path, program), 0o755);
  }
  const installed: (readonly string[])[] = [];
  const install = async (args: readonly string[]) => installed.push(args);
  return { isRoot: true, path, lockFile: join(path, 'lock'), install, installed };
}
