import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type FilePolicySourceOptions, filePolicySource } from '../../source/files.ts';
import type { PolicySource, Problem } from '../../source/source.ts';
import { policy, scratch } from './scratch.ts';

const NEVER = 3_600_000;

interface Started {
  readonly source: PolicySource;
  /** Names of the resources with their counts. */
  readonly now: () => string;
  /** Resolves at the next change of the resources. */
  readonly changed: () => Promise<unknown>;
  readonly logged: string[];
}

async function start(
  t: TestContext,
  paths: readonly string[],
  options: Partial<FilePolicySourceOptions> = {},
): Promise<Started> {
  const logged: string[] = [];
  const write = (fields: object, message: string) => logged.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: write, warn: write, error: write };
  const source = filePolicySource({ paths, log, settleMs: 20, pollMs: 40, ...options });
  t.after(() => source.stop());
  await source.start();
  const changes = new EventEmitter();
  source.onChange(() => changes.emit('change'));
  const now = () =>
    source
      .resources()
      .map((each) => `${each.reference.name}=${each.rules[0]?.buckets[0]?.maxCount}`)
      .join();
  return { source, now, changed: () => once(changes, 'change', { signal: t.signal }), logged };
}

function errors(source: PolicySource): readonly Problem[] {
  return source.problems().filter(({ finding }) => finding.severity === 'error');
}

/** Resolves when that holds; the test's own time limit ends it otherwise. */
async function until(t: TestContext, holds: () => boolean): Promise<void> {
  await t.waitFor(() => assert.ok(holds()), { interval: 5, timeout: 5_000 });
}

suite('changes', () => {
  test('an edit, a new file and a removed one, found by the poll', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', 1) });
    const { now, changed, source } = await start(t, [folder]);
    assert.equal(now(), 'a=1');
    assert.equal(source.isFresh(), true);
    const edits: readonly (readonly [edit: () => Promise<void>, expected: string])[] = [
      [() => writeFile(join(folder, 'a.yaml'), policy('a', 'a', 2)), 'a=2'],
      [() => writeFile(join(folder, 'b.yaml'), policy('b', 'b', 3)), 'a=2,b=3'],
      [() => unlink(join(folder, 'a.yaml')), 'b=3'],
    ];
    for (const [edit, expected] of edits) {
      await Promise.all([changed(), edit()]);
      assert.equal(now(), expected);
    }
  });

  test('found by the watch, in a folder and in a file that was named', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', 1) });
    for (const path of [folder, join(folder, 'a.yaml')]) {
      await writeFile(join(folder, 'a.yaml'), policy('a', 'a', 1));
      const { now, changed, source } = await start(t, [path], { pollMs: NEVER });
      await Promise.all([changed(), writeFile(join(folder, 'a.yaml'), policy('a', 'a', 2))]);
      assert.equal(now(), 'a=2');
      await writeFile(join(folder, 'new.tmp'), policy('a', 'a', 4));
      await Promise.all([changed(), rename(join(folder, 'new.tmp'), join(folder, 'a.yaml'))]);
      assert.equal(now(), 'a=4');
      await source.stop();
    }
  });

  test('a mounted ConfigMap that is swapped, again and again, found by the watch', async (t) => {
    const folder = await scratch(t);
    const swap = async (version: number) => {
      await mkdir(join(folder, `..v${version}`));
      await writeFile(join(folder, `..v${version}`, 'quotas.yaml'), policy('quotas', 'a', version));
      await symlink(`..v${version}`, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
      await rm(join(folder, `..v${version - 1}`), { recursive: true, force: true });
    };
    await swap(1);
    await symlink(join('..data', 'quotas.yaml'), join(folder, 'quotas.yaml'));
    const inFolder = await start(t, [folder], { pollMs: NEVER });
    const named = await start(t, [join(folder, 'quotas.yaml')], { pollMs: NEVER });
    for (const version of [2, 3, 4]) {
      await Promise.all([inFolder.changed(), named.changed(), swap(version)]);
      assert.equal(inFolder.now(), `quotas=${version}`);
      assert.equal(named.now(), `quotas=${version}`);
    }
  });

  test('nothing is told when a file is written anew with the same content', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', 1), 'b.yaml': policy('b', 'b', 1) });
    const { source, changed, now } = await start(t, [folder]);
    let told = 0;
    source.onChange(() => {
      told += 1;
    });
    await writeFile(join(folder, 'a.yaml'), policy('a', 'a', 1));
    await Promise.all([changed(), writeFile(join(folder, 'b.yaml'), policy('b', 'b', 2))]);
    assert.equal(now(), 'a=1,b=2');
    assert.equal(told, 1);
  });

  test('a file that is away for a moment does not count as gone', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', 1), 'b.yaml': policy('b', 'b', 1) });
    const { changed, now, source } = await start(t, [folder], { settleMs: 600 });
    const seen = new Set<string>();
    source.onChange(() => seen.add(now()));
    await unlink(join(folder, 'a.yaml'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await writeFile(join(folder, 'a.yaml'), policy('a', 'a', 7));
    await changed();
    assert.deepEqual([...seen], ['a=7,b=1']);
  });
});

test('what a folder holds beside is told once', async (t) => {
  const folder = await scratch(t, {
    'a.yaml': policy('a', 'a', 1),
    'b.yaml.bak': policy('b', 'b', 1),
    '.b.yaml.swp': '',
  });
  await mkdir(join(folder, 'team-b'));
  const { changed, logged } = await start(t, [folder]);
  const passedOver = () => logged.filter((line) => line.startsWith('passed over: '));
  const [first = '', ...more] = passedOver();
  assert.ok(first.startsWith(`passed over: ${join(folder, 'b.yaml.bak')}, ${join(folder, 'team-b')}; only `));
  assert.deepEqual(more, []);
  await Promise.all([changed(), writeFile(join(folder, 'a.yaml'), policy('a', 'a', 2))]);
  assert.equal(passedOver().length, 1);
  await writeFile(join(folder, 'c.txt'), '');
  await until(t, () => passedOver().length > 1);
  assert.ok(passedOver()[1]?.startsWith(`passed over: ${join(folder, 'c.txt')}; only `));
});

suite('a bad edit', () => {
  const bad: readonly (readonly [name: string, content: string, problem: RegExp])[] = [
    ['that is no YAML', 'a: [', /badYaml/],
    ['that leaves it empty', '', /wrongKind/],
    ['that leaves a comment', '# moved\n', /wrongKind/],
    ['that leaves a separator', '---\n', /wrongKind/],
    ['that leaves a list of nothing', 'apiVersion: v1\nkind: List\nitems: []\n', /wrongKind/],
    ['that is cut behind the metadata', policy('a', 'a', 1).replace(/spec:.*/s, ''), /required/],
    ['that is cut behind the word spec', policy('a', 'a', 1).replace(/(?<=spec:).*/s, ''), /required/],
    ['with an error in the resource', policy('a', 'a', -1), /outOfRange/],
    ['with a misspelt field', policy('a', 'a', 5).replace('maxCheckpoints', 'maxCheckpoint'), /unknownField/],
    ['with a key twice', policy('a', 'a', '5, maxCheckpoints: 6'), /duplicateKey/],
    ['that conflicts with the resource before it', policy('a', 'senior', 9), /duplicateTarget/],
  ];
  for (const [name, content, problem] of bad) {
    test(`${name} leaves the last good version in force and is a problem, told once`, async (t) => {
      const folder = await scratch(t, {
        '0.yaml': policy('senior', 'senior', 8),
        'a.yaml': policy('a', 'a', 1),
      });
      const { source, now, changed, logged } = await start(t, [folder]);
      await writeFile(join(folder, 'a.yaml'), content);
      await until(t, () => source.problems().length > 0);
      assert.equal(now(), 'senior=8,a=1');
      assert.match(
        source
          .problems()
          .map(({ finding }) => finding.code)
          .join(),
        problem,
      );
      // Another change, after which the same problem stands.
      await Promise.all([changed(), writeFile(join(folder, '0.yaml'), policy('senior', 'senior', 9))]);
      assert.equal(now(), 'senior=9,a=1');
      assert.equal(logged.filter((line) => /last good version/.test(line)).length, errors(source).length);
      await Promise.all([changed(), writeFile(join(folder, 'a.yaml'), policy('a', 'a', 2))]);
      assert.equal(now(), 'senior=9,a=2');
      assert.deepEqual(source.problems(), []);
      assert.equal(source.isFresh(), true);
    });
  }

  test('in one of two documents leaves the other free to change', async (t) => {
    const folder = await scratch(t, { 'a.yaml': `${policy('a', 'a', 1)}---\n${policy('b', 'b', 1)}` });
    const { source, now, changed } = await start(t, [folder]);
    await Promise.all([changed(), writeFile(join(folder, 'a.yaml'), `${policy('a', 'a', 2)}---\nx: [`)]);
    assert.equal(now(), 'a=2,b=1');
    assert.equal(source.isFresh(), false);
  });
});

test('a newcomer that contradicts what is in force is told once, with what is in force, and taken in the end', async (t) => {
  const folder = await scratch(t, { 'z.yaml': policy('z', 'shop', 100) });
  const { now, changed, logged, source } = await start(t, [folder]);
  await writeFile(join(folder, 'a.yaml'), policy('a', 'shop', 1));
  await until(t, () => errors(source).length > 0);
  assert.equal(now(), 'z=100');
  await Promise.all([changed(), writeFile(join(folder, 'z.yaml'), policy('z', 'shop', 50))]);
  assert.equal(now(), 'z=50');
  const told = logged.filter((line) => line.includes('is already'));
  assert.equal(told.length, 1);
  assert.match(
    told[0] ?? '',
    /quotas\/z \(.*z.yaml\) is already.*until then nothing of this file is in force.*a.yaml/,
  );
  await Promise.all([changed(), unlink(join(folder, 'z.yaml'))]);
  assert.equal(now(), 'a=1');
  assert.deepEqual(source.problems(), []);
});

suite('what vanishes', () => {
  test('a folder that cannot be read changes nothing', async (t) => {
    const folder = await scratch(t);
    const policies = join(folder, 'policies');
    await mkdir(policies);
    await writeFile(join(policies, 'a.yaml'), policy('a', 'a', 1));
    const { source, now, changed } = await start(t, [policies]);
    await rename(policies, join(folder, 'away'));
    await until(t, () => !source.isFresh());
    assert.equal(now(), 'a=1');
    assert.match(
      source
        .problems()
        .map(({ finding }) => finding.code)
        .join(),
      /unreadableFile/,
    );
    await symlink('policies', policies);
    await until(t, () => /circle/.test(source.problems()[0]?.finding.message ?? ''));
    assert.equal(now(), 'a=1');
    await unlink(policies);
    await writeFile(join(folder, 'away', 'a.yaml'), policy('a', 'a', 2));
    await Promise.all([changed(), rename(join(folder, 'away'), policies)]);
    assert.equal(now(), 'a=2');
    assert.equal(source.isFresh(), true);
  });

  test('a file that was named is gone once its folder says so', async (t) => {
    const folder = await scratch(t);
    const policies = join(folder, 'policies');
    await mkdir(policies);
    await writeFile(join(policies, 'a.yaml'), policy('a', 'a', 1));
    await writeFile(join(folder, 'b.yaml'), policy('b', 'b', 1));
    const { source, now, changed } = await start(t, [join(policies, 'a.yaml'), join(folder, 'b.yaml')]);
    await rename(policies, join(folder, 'away'));
    await until(t, () => !source.isFresh());
    assert.deepEqual(now().split(',').sort(), ['a=1', 'b=1']);
    await unlink(join(folder, 'away', 'a.yaml'));
    await Promise.all([changed(), rename(join(folder, 'away'), policies)]);
    assert.equal(now(), 'b=1');
    assert.match(
      source
        .problems()
        .map(({ finding }) => finding.message)
        .join(),
      /does not exist/,
    );
  });
});

suite('start', () => {
  const rows: readonly (readonly [
    name: string,
    files: Readonly<Record<string, string>>,
    path: string,
    RegExp,
  ])[] = [
    ['a missing file', {}, 'a.yaml', /^policies cannot be read: .*a.yaml: does not exist; check the path$/],
    ['a file that is no YAML', { 'a.yaml': 'a: [' }, '', /a.yaml: line 1, column 5: .*/],
    ['another kind', { 'a.yaml': 'kind: Pod\napiVersion: v1' }, 'a.yaml', /kind = "Pod": must be/],
  ];
  for (const [name, files, path, message] of rows) {
    test(`is refused with a sentence for ${name}`, async (t) => {
      const folder = await scratch(t, files);
      await assert.rejects(start(t, [join(folder, path)]), { message });
    });
  }

  test('goes on with a resource that has errors: it holds its targets', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', -1) });
    const { source } = await start(t, [folder]);
    assert.deepEqual(
      source.resources().map(({ sound }) => sound),
      [false],
    );
    assert.equal(errors(source).length, 1);
  });

  test('a stopped source tells nothing more', async (t) => {
    const folder = await scratch(t, { 'a.yaml': policy('a', 'a', 1) });
    const { source, now } = await start(t, [folder]);
    await writeFile(join(folder, 'a.yaml'), policy('a', 'a', 2));
    await source.stop();
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal(now(), 'a=1');
    assert.equal(source.isFresh(), false);
  });
});
