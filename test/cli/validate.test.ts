import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { call, ROOT, scratch } from './call.ts';

const HEAD = 'apiVersion: criu.org/v1\nkind: CheckpointRestoreOperator\nmetadata: {name: p}\n';
const SOUND = `${HEAD}spec:\n  namespacePolicies:\n    - {namespace: shop, maxCheckpoints: 5}\n`;
const WARNED = `${HEAD}spec:\n  namespacePolicies:\n    - {namespace: shop, maxCheckpoints: 0, timeThreshold: 7d}\n`;
const REFUSED = `${HEAD}spec:\n  namespacePolicies:\n    - {namespace: shop, maxCheckpoints: -1, maxCheckpoint: 5}\n`;

suite('validate', () => {
  const table: readonly (readonly [name: string, content: string, code: number, out: RegExp])[] = [
    ['sound', SOUND, 0, /default\/p is sound\n1 resource, 0 errors, 0 warnings: sound\n$/],
    [
      'a warning is let in',
      WARNED,
      0,
      /! spec\.namespacePolicies\[0]\.maxCheckpoints = 0: is not enforced.*\n.*: sound\n$/,
    ],
    [
      'errors, all of them',
      REFUSED,
      1,
      /✗ .*maxCheckpoint: .*did you mean .*maxCheckpoints\?\n.*✗ .*maxCheckpoints = -1/s,
    ],
    [
      'two documents that conflict',
      `${SOUND}---\n${SOUND.replace('name: p', 'name: q')}`,
      1,
      /✗ spec\.namespacePolicies\[0]: .* of default\/p /,
    ],
    ['another kind', 'apiVersion: v1\nkind: Pod\n', 1, /✗ kind = "Pod"/],
    ['tabs', 'a:\n\t- b\n', 1, /✗ /],
    ['an empty file', '', 1, /holds no resource/],
    ['no text', '\u0000\u0001\u0002', 1, /✗ /],
  ];
  for (const [name, content, code, out] of table) {
    test(name, async (context) => {
      const file = join(await scratch(context), 'policy.yaml');
      await writeFile(file, content);
      const outcome = await call(['validate', file]);
      assert.match(outcome.out, out);
      assert.deepEqual([outcome.code, outcome.err], [code, '']);
    });
  }

  test('a folder is its files, and their conflicts are found', async (context) => {
    const directory = await scratch(context);
    await writeFile(join(directory, 'a.yaml'), SOUND);
    await writeFile(join(directory, 'b.yaml'), SOUND.replace('name: p', 'name: q'));
    const { code, out } = await call(['validate', directory]);
    assert.equal(code, 1);
    assert.match(out, /of default\/p \(.*a\.yaml\)/);
  });

  test('a folder without policy files is not called sound', async (context) => {
    const directory = await scratch(context);
    await mkdir(join(directory, 'sub.yaml'));
    await writeFile(join(directory, 'README'), SOUND);
    const err = `checkpoint-warden: no policy files in ${directory}\n`;
    assert.deepEqual(await call(['validate', directory]), { code: 0, out: '', err });
    const file = join(await scratch(context), 'policy.yaml');
    await writeFile(file, SOUND);
    const both = await call(['validate', directory, file]);
    assert.deepEqual([both.code, both.err], [0, err]);
    assert.match(both.out, /: sound\n$/);
    const planned = await call(['plan', '--directory', directory, '--policies', directory]);
    assert.ok(planned.err.startsWith(err), planned.err);
  });

  test('at most fifty errors of a resource are shown, and the JSON has all', async (context) => {
    const file = join(await scratch(context), 'many.yaml');
    await writeFile(
      file,
      `${HEAD}spec:\n  namespacePolicies:\n${'    - {namespace: shop, maxCheckpoints: 5}\n'.repeat(1_200)}`,
    );
    const { code, out } = await call(['validate', file]);
    assert.equal(code, 1);
    assert.equal(out.match(/✗/g)?.length, 50);
    assert.match(out, /\n {4}… and 1,149 more errors; -o json shows all\n.* 1,199 errors, .*: refused\n$/);
    const { findings } = JSON.parse((await call(['validate', '-o', 'json', file])).out);
    assert.equal(findings.length, 1_199);
  });

  test('-o json has the form that programs hold on to', async (context) => {
    const file = join(await scratch(context), 'policy.yaml');
    await writeFile(file, REFUSED);
    const { code, out } = await call(['validate', '-o', 'json', file]);
    assert.equal(code, 1);
    const { findings, ...rest } = JSON.parse(out);
    assert.deepEqual(rest, {});
    assert.deepEqual(
      findings
        .filter(({ severity }: Record<string, string>) => severity === 'error')
        .map(({ code }: Record<string, string>) => code),
      ['unknownField', 'outOfRange'],
    );
    for (const finding of findings) {
      assert.deepEqual(Object.keys(finding), [
        'file',
        'resource',
        'severity',
        'code',
        'field',
        'message',
        'remedy',
      ]);
    }
    assert.deepEqual(
      [findings[0].file, findings[0].resource, findings[0].severity],
      [file, 'default/p', 'error'],
    );
    assert.match(findings[0].field, /^spec\./);
  });

  test('-o json of what is sound', async (context) => {
    const file = join(await scratch(context), 'policy.yaml');
    await writeFile(file, SOUND);
    assert.deepEqual(JSON.parse((await call(['validate', '-o', 'json', file])).out), { findings: [] });
  });

  test('a name cannot forge a line', async (context) => {
    const file = join(await scratch(context), 'policy.yaml');
    await writeFile(file, `${HEAD}spec:\n  "x\\n✗ forged\\e[31m": 1\n`);
    const { out } = await call(['validate', file]);
    assert.doesNotMatch(out, /[^\P{Cc}\n]/u);
    assert.equal(out.split('\n').filter((line) => line.trimStart().startsWith('✗ forged')).length, 0);
  });

  for (const [name, args, err] of [
    [
      'without a file',
      ['validate'],
      "missing required argument 'file'; see checkpoint-warden validate --help",
    ],
    [
      'a missing file',
      ['validate', '/nowhere.yaml'],
      '/nowhere.yaml cannot be read: it does not exist (ENOENT)',
    ],
    [
      'an unknown form',
      ['validate', '-o', 'xml', '/dev/null'],
      "option '-o, --output FORMAT' argument 'xml' is invalid. Write text or json; see checkpoint-warden validate --help",
    ],
  ] as const) {
    test(`a wrong call: ${name}`, async () => {
      assert.deepEqual(await call(args), { code: 2, out: '', err: `checkpoint-warden: ${err}\n` });
    });
  }
});

suite('the examples', () => {
  const directory = join(ROOT, 'examples');
  for (const name of readdirSync(directory)) {
    const isRefused = name === 'refused.yaml';
    test(`${name} is ${isRefused ? 'refused' : 'sound'} by itself`, async () => {
      const { code, out } = await call(['validate', join(directory, name)]);
      assert.equal(code, isRefused ? 1 : 0, out);
      assert.match(out, isRefused ? /, 5 errors, / : /, 0 errors, 0 warnings: sound\n$/);
    });
  }

  test('those of one cluster stand beside one another', async (context) => {
    const cluster = join(await scratch(context), 'cluster');
    await mkdir(cluster);
    const files = ['default.yaml', 'team-quota.yaml', 'forensics.yaml'].map((name) => join(directory, name));
    assert.equal((await call(['validate', ...files])).code, 0);
  });
});
