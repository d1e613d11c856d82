import assert from 'node:assert/strict';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { makeArchive } from '../../cli/demo/archives.ts';
import { call, ROOT, scratch } from './call.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY_MS = 86_400_000;

/** One archive of shop/web/app a day, and a half-written one. */
async function scene(test: Parameters<typeof scratch>[0]): Promise<string> {
  const directory = await scratch(test);
  for (const days of [1, 2, 3, 4]) {
    await makeArchive(directory, {
      runtime: 'containerd',
      namespace: 'shop',
      pod: 'web',
      container: 'app',
      podUid: 'uid-1',
      takenAt: new Date(NOW - days * DAY_MS),
      memoryBytes: 1 << 20,
    });
  }
  return directory;
}

async function policyFile(test: Parameters<typeof scratch>[0], spec: string): Promise<string> {
  const file = join(await scratch(test), 'policy.yaml');
  await writeFile(
    file,
    `apiVersion: criu.org/v1\nkind: CheckpointRestoreOperator\nmetadata: {name: p}\nspec:\n${spec}`,
  );
  return file;
}

const COUNT = '  namespacePolicies:\n    - {namespace: shop, maxCheckpoints: 2}\n';
const plan = (directory: string, policies: string, ...more: string[]) =>
  call(['plan', '--directory', directory, '--policies', policies, ...more], { now: NOW });

suite('plan', () => {
  test('-o json has the form that programs hold on to', async (context) => {
    const directory = await scene(context);
    const { code, out, err } = await plan(directory, await policyFile(context, COUNT), '-o', 'json');
    assert.deepEqual([code, err], [0, '']);
    const report = JSON.parse(out);
    assert.deepEqual(
      [report.apiVersion, report.directory, report.now],
      ['checkpoint-warden/v1', directory, '2026-11-21T12:00:00.000Z'],
    );
    assert.deepEqual(
      report.decisions.map(({ archive, action, rule }: Record<string, string>) =>
        [archive, action, rule].join(' '),
      ),
      [
        'checkpoint-web_shop-app-2026-11-17T12:00:00Z.tar delete count',
        'checkpoint-web_shop-app-2026-11-18T12:00:00Z.tar delete count',
        'checkpoint-web_shop-app-2026-11-19T12:00:00Z.tar keep none',
        'checkpoint-web_shop-app-2026-11-20T12:00:00Z.tar keep none',
      ],
    );
    const [first] = report.decisions;
    const { policy, reason, bytes, namespace, pod, container } = first;
    assert.deepEqual([policy, namespace, pod, container], ['namespace/shop', 'shop', 'web', 'app']);
    assert.match(reason, /has 4 archives/);
    assert.equal(typeof bytes, 'number');
    assert.deepEqual([report.totals.archives, report.totals.delete, report.totals.keep], [4, 2, 2]);
  });

  test('the table tells what goes first, and changes nothing', async (context) => {
    const directory = await scene(context);
    const before = await readdir(directory);
    const { code, out } = await plan(directory, await policyFile(context, COUNT));
    assert.equal(code, 0);
    const lines = out.split('\n');
    assert.match(lines[0] ?? '', /^ARCHIVE +SIZE +AGE +ACTION +RULE +POLICY +REASON$/);
    assert.match(
      lines[1] ?? '',
      /^checkpoint-web_shop-app-2026-11-17T12:00:00Z\.tar +1Mi +4d +delete +count +namespace\/shop +/,
    );
    assert.match(out, /4 archives, 4.*Mi in .*: delete 2, 2/);
    assert.deepEqual(await readdir(directory), before);
  });

  test('--now moves the time', async (context) => {
    const directory = await scene(context);
    const policy = await policyFile(
      context,
      '  namespacePolicies:\n    - {namespace: shop, timeThreshold: 7d}\n',
    );
    const deleted = async (...more: string[]) =>
      JSON.parse((await plan(directory, policy, '-o', 'json', ...more)).out).totals.delete;
    assert.equal(await deleted(), 0);
    assert.equal(await deleted('--now', '2026-11-25T13:00:00Z'), 2);
    assert.equal(await deleted('--now', '2027-01-01T00:00:00+05:30'), 4);
  });

  test('--pods proves orphans', async (context) => {
    const directory = await scene(context);
    const policy = await policyFile(
      context,
      '  namespacePolicies:\n    - {namespace: shop, retainOrphan: false}\n',
    );
    const list = join(await scratch(context), 'pods.json');
    const pods = async (uid: string | null) => {
      const metadata = { namespace: 'shop', name: 'web', uid };
      const items = uid === null ? [] : [{ apiVersion: 'v1', kind: 'Pod', metadata }];
      await writeFile(
        list,
        JSON.stringify({ apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items }),
      );
      const { code, out, err } = await plan(directory, policy, '-o', 'json', '--pods', list);
      assert.equal(code, 0, err);
      return JSON.parse(out).decisions.map(({ rule }: Record<string, string>) => rule);
    };
    assert.deepEqual(await pods('uid-1'), Array(4).fill('none'));
    assert.deepEqual(await pods(null), Array(4).fill('orphan'));
    assert.deepEqual(await pods('uid-2'), Array(4).fill('orphan'));
    const without = JSON.parse((await plan(directory, policy, '-o', 'json')).out);
    assert.equal(without.totals.delete, 0);
  });

  test('policies with errors are shown, and nothing is planned', async (context) => {
    const { code, out, err } = await plan(await scene(context), join(ROOT, 'examples/refused.yaml'));
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /✗ spec\.globalPolicy\.maxCheckpointSize = 10: /);
    assert.match(err, /: refused\n$/);
  });

  test('a policy for another directory is named', async (context) => {
    const policy = await policyFile(context, `  checkpointDirectory: /elsewhere\n${COUNT}`);
    const { code, err, out } = await plan(await scene(context), policy);
    assert.equal(code, 0);
    assert.match(err, /without effect here: default\/p \(\/elsewhere\)\n.*no policy acts on /);
    assert.match(out, /: delete 0, 0B\n$/);
  });

  test('a pin that breaks a limit is told', async (context) => {
    const directory = await scene(context);
    for (const name of await readdir(directory)) await writeFile(join(directory, `${name}.keep`), '');
    const { out } = await plan(directory, await policyFile(context, COUNT));
    assert.match(out, /\n! namespace shop .*: 4 are pinned\n/);
  });

  test('names in reasons cannot forge a line', async (context) => {
    const directory = await scratch(context);
    const name = 'checkpoint-a\n\u001b[31mforged.tar';
    await writeFile(join(directory, name), '');
    await utimes(join(directory, name), 0, 0);
    await writeFile(join(directory, `${name}.keep`), '');
    const { out } = await plan(directory, await policyFile(context, COUNT));
    assert.doesNotMatch(out, /[^\P{Cc}\n]/u);
    assert.match(out, /is pinned by checkpoint-a\\n\\x1b\[31mforged\.tar\.keep/);
  });

  for (const name of [
    'default.yaml',
    'team-quota.yaml',
    'disk-pressure.yaml',
    'forensics.yaml',
    'tenant.yaml',
  ]) {
    test(`the example ${name} plans`, async (context) => {
      const { code, err } = await plan(await scene(context), join(ROOT, 'examples', name));
      assert.deepEqual([code, err], [0, '']);
    });
  }

  suite('what gc would hold back', () => {
    const TRIPPING = `  circuitBreaker: {maxShare: 25%, minArchives: 2}\n${COUNT}`;

    test('is told below the sum, and as held in the JSON', async (context) => {
      const directory = await scene(context);
      const policy = await policyFile(context, TRIPPING);
      const { code, out } = await plan(directory, policy);
      assert.equal(code, 0);
      const [told = '', digest] =
        /\n! default\/p would .* --confirm ([0-9a-f]{16}) or .*\n$/.exec(out) ?? assert.fail(out);
      assert.equal(
        told.trim(),
        `! default/p would delete 2 of 4 archives at once, more than circuitBreaker allows (25%, at least 2): gc waits until this is confirmed, with --confirm ${digest} or the annotation checkpoint.criu.org/confirm=${digest}`,
      );
      const { held } = JSON.parse((await plan(directory, policy, '-o', 'json')).out);
      assert.deepEqual(held, [{ resource: 'default/p', deletions: 2, archives: 4, digest }]);
    });

    test('goes by the digest that gc asks for', async (context) => {
      const directory = await scene(context);
      const policy = await policyFile(context, TRIPPING);
      const [{ digest }] = JSON.parse((await plan(directory, policy, '-o', 'json')).out).held;
      const gc = (...more: string[]) =>
        call(
          ['gc', '--directory', directory, '--policies', policy, '--once', '--log-level', 'silent', ...more],
          { now: NOW },
        );
      await gc();
      assert.equal((await readdir(directory)).length, 4);
      await gc('--confirm', digest);
      assert.equal((await readdir(directory)).length, 2);
    });

    test('is over when the resource confirms it', async (context) => {
      const directory = await scene(context);
      const policy = await policyFile(context, TRIPPING);
      const [{ digest }] = JSON.parse((await plan(directory, policy, '-o', 'json')).out).held;
      const text = await readFile(policy, 'utf8');
      const annotations = `annotations: {checkpoint.criu.org/confirm: "${digest}"}`;
      await writeFile(policy, text.replace('{name: p}', `{name: p, ${annotations}}`));
      const { held } = JSON.parse((await plan(directory, policy, '-o', 'json')).out);
      assert.deepEqual(held, []);
    });
  });

  for (const [name, args, message] of [
    [
      'without a directory',
      ['--policies', 'p'],
      'plan needs --directory DIR; see checkpoint-warden plan --help',
    ],
    [
      'without policies',
      ['--directory', '/tmp'],
      'plan needs --policies PATH; see checkpoint-warden plan --help',
    ],
    [
      'a missing policy',
      ['--directory', '/tmp', '--policies', '/nowhere'],
      '/nowhere cannot be read: it does not exist (ENOENT)',
    ],
  ] as const) {
    test(`a wrong call: ${name}`, async () => {
      assert.deepEqual(await call(['plan', ...args]), {
        code: 2,
        out: '',
        err: `checkpoint-warden: ${message}\n`,
      });
    });
  }
});
