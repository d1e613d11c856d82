import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { formatFinding } from '../../policy/findings.ts';
import { PolicySet } from '../../policy/govern.ts';
import { readPolicyFiles } from '../../source/files.ts';
import { policy, scratch } from './scratch.ts';

async function read(folder: string, ...paths: readonly string[]) {
  const { resources, problems } = await readPolicyFiles(paths.map((path) => join(folder, path)));
  return {
    resources: resources.map(({ reference }) => `${reference.name} in ${nameOf(folder, reference.file)}`),
    errors: problems
      .filter(({ finding }) => finding.severity === 'error')
      .map(
        (each) =>
          `${nameOf(folder, each.file)} ${each.resource} ${each.finding.code} ${formatFinding(each.finding)}`,
      ),
  };
}

function nameOf(folder: string, file = ''): string {
  return relative(folder, file);
}

suite('folders', () => {
  test('*.yaml, *.yml and *.json by name; no dot files, no folders within, no other kinds', async (t) => {
    const folder = await scratch(t, {
      'b.yaml': policy('b', 'b'),
      'a.yml': policy('a', 'a'),
      'c.json': JSON.stringify({
        apiVersion: 'criu.org/v1',
        kind: 'CheckpointRestoreOperator',
        metadata: { name: 'c' },
        spec: {},
      }),
      '.hidden.yaml': policy('hidden', 'h'),
      'README.md': '# nothing',
      'map.yaml': 'apiVersion: v1\nkind: ConfigMap\n',
    });
    await mkdir(join(folder, 'inner.yaml'));
    await writeFile(join(folder, 'inner.yaml', 'd.yaml'), policy('d', 'd'));
    assert.deepEqual(await read(folder, ''), {
      resources: ['a in a.yml', 'b in b.yaml', 'c in c.json'],
      errors: [],
    });
  });

  test('a mounted ConfigMap', async (t) => {
    const folder = await scratch(t);
    await mkdir(join(folder, '..2026_11_21'));
    await writeFile(join(folder, '..2026_11_21', 'quotas.yaml'), policy('quotas', 'a'));
    await symlink('..2026_11_21', join(folder, '..data'));
    await symlink(join('..data', 'quotas.yaml'), join(folder, 'quotas.yaml'));
    assert.deepEqual((await read(folder, '')).resources, ['quotas in quotas.yaml']);
    assert.deepEqual((await read(folder, 'quotas.yaml')).resources, ['quotas in quotas.yaml']);
  });

  test('a file that two paths lead to is read once', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a') });
    assert.deepEqual(await read(folder, '', 'a.yaml', './a.yaml'), {
      resources: ['a in a.yaml'],
      errors: [],
    });
  });
});

suite('each resource is judged beside those before it', () => {
  test('a target twice is told with the other file', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'shop'), 'b.yaml': policy('b', 'shop') });
    const { resources, errors } = await read(folder, '');
    assert.equal(resources.length, 2);
    assert.match(errors.join('\n'), /^b.yaml quotas\/b duplicateTarget .*quotas\/a \(.*a.yaml\)/);
  });

  test('a resource twice is there twice, and both are held', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'shop', 3), 'b.yaml': policy('a', 'shop', 4) });
    const { resources, errors } = await read(folder, '');
    assert.deepEqual(resources, ['a in a.yaml', 'a#2 in b.yaml']);
    assert.equal(errors.length, 1);
    assert.match(
      errors[0] ?? '',
      /^b.yaml quotas\/a duplicateTarget metadata.name = "a": .*a.yaml has already/,
    );
  });

  test('the file that comes first is senior, unless the resources know better', async (t) => {
    const stamp = (text: string, time: string) =>
      text.replace('name: ', `creationTimestamp: ${time}, name: `);
    const folder = await scratch(t, { '1.yaml': policy('z', 'shop', 1), '2.yaml': policy('a', 'shop', 2) });
    const governing = async () => {
      const { resources } = await readPolicyFiles([folder]);
      return new PolicySet(resources).governing({ namespace: 'shop', pod: 'p', container: 'c' }).administrator
        ?.resource.reference.name;
    };
    assert.equal(await governing(), 'z');
    await writeFile(join(folder, '1.yaml'), stamp(policy('z', 'shop', 1), '"2026-02-02T00:00:00Z"'));
    await writeFile(join(folder, '2.yaml'), stamp(policy('a', 'shop', 2), '"2026-01-01T00:00:00Z"'));
    assert.equal(await governing(), 'a');
  });

  test('a resource without a name is told', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('""', 'shop') });
    assert.match(
      (await read(folder, '')).errors.join(),
      /^a.yaml quotas\/ required metadata.name: is missing/,
    );
  });

  test('a resource with errors is there to hold its targets', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'shop', -1) });
    const { resources } = await readPolicyFiles([folder]);
    assert.deepEqual(
      resources.map(({ sound }) => sound),
      [false],
    );
  });
});

suite('what cannot be read', () => {
  const missing = /^\S+ {2}unreadableFile does not exist; check the path$/;
  test('a missing file, a missing folder, a link to nothing, a circle of links', async (t) => {
    const folder = await scratch(t);
    await symlink('nothing', join(folder, 'to-nothing.yaml'));
    await symlink('circle.yaml', join(folder, 'circle.yaml'));
    assert.match((await read(folder, 'quotas.yaml')).errors.join(), missing);
    assert.match((await read(folder, 'no/quotas.yaml')).errors.join(), missing);
    assert.match((await read(folder, 'to-nothing.yaml')).errors.join(), missing);
    const { errors } = await read(folder, '');
    assert.match(
      errors[0] ?? '',
      /^circle.yaml {2}unreadableFile is a link that leads in a circle; mend the link/,
    );
    assert.match(errors[1] ?? '', missing);
  });

  test('a file in a folder that holds nothing is told, one of other kinds is not', async (t) => {
    const list = (items: string) => `apiVersion: v1\nkind: List\nitems: ${items}\n`;
    const nothing = { 'c.yaml': '# nothing yet\n', 'd.yaml': '---\n---\n', 'e.yaml': list('[]') };
    const others = { 'f.yaml': list('[{apiVersion: v1, kind: ConfigMap}]') };
    const folder = await scratch(t, { 'a.yaml': '', 'b.yaml': ' \n', ...nothing, ...others });
    const { errors } = await read(folder, '');
    assert.deepEqual(
      errors.map((each) => each.split(' ').slice(0, 3).join(' ')),
      ['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml', 'e.yaml'].map((file) => `${file}  wrongKind`),
    );
  });

  test('a FIFO does not hold us', async (t) => {
    const folder = await scratch(t);
    await promisify(execFile)('mkfifo', [join(folder, 'a.yaml')]);
    assert.match((await read(folder, 'a.yaml')).errors.join(), /is not a regular file/);
    assert.match((await read(folder, '')).errors.join(), /is not a regular file/);
  });

  test('a file that is too large, not text, empty, or of another kind', async (t) => {
    const folder = await scratch(t, {
      'large.yaml': '#'.repeat(5 * 1024 * 1024),
      'zero.yaml': 'a\0b',
      'empty.yaml': '# nothing yet\n',
      'map.yaml': 'apiVersion: v1\nkind: ConfigMap\n',
    });
    assert.match((await read(folder, 'large.yaml')).errors.join(), /badYaml has more than 4 MiB/);
    assert.match((await read(folder, 'zero.yaml')).errors.join(), /badYaml line 1: holds a NUL/);
    assert.match((await read(folder, 'empty.yaml')).errors.join(), /wrongKind holds no resource/);
    assert.match((await read(folder, 'map.yaml')).errors.join(), /wrongKind kind = "ConfigMap"/);
  });

  test('one bad file does not hide the others', async (t) => {
    const folder = await scratch(t, { 'a.yaml': 'a: [', 'b.yaml': policy('b', 'b') });
    const { resources, errors } = await read(folder, '', 'missing.yaml');
    assert.deepEqual(resources, ['b in b.yaml']);
    assert.equal(errors.length, 2);
  });
});
