import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { makeArchive } from '../../cli/demo/archives.ts';
import { call, ROOT, scratch } from './call.ts';

const DAY_MS = 86_400_000;
/** Sends SIGTERM to PID 1 while the program is being loaded, when none of its own handlers is there. */
const SIGNALLED = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    load(url, context, next) {
      if (url.endsWith('/cli/main.ts')) process.kill(1, 'SIGTERM');
      return next(url, context);
    },
  });
`)}`;
const POLICY = `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: p}
spec:
  applyPoliciesImmediately: true
  namespacePolicies:
    - {namespace: shop, maxCheckpoints: 1}
`;

async function scene(test: Parameters<typeof scratch>[0]): Promise<{ directory: string; policy: string }> {
  const [directory, elsewhere] = [await scratch(test), await scratch(test)];
  for (const days of [1, 2, 3]) await take(directory, days);
  const policy = join(elsewhere, 'policy.yaml');
  await writeFile(policy, POLICY);
  return { directory, policy };
}

function take(directory: string, daysAgo: number): Promise<string> {
  return makeArchive(directory, {
    runtime: 'cri-o',
    namespace: 'shop',
    pod: 'web',
    container: 'app',
    podUid: 'uid-1',
    takenAt: new Date(Date.now() - daysAgo * DAY_MS),
    memoryBytes: 1000,
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, 'not within 10 s');
    await wait(20);
  }
}

suite('gc', () => {
  test('--once --dry-run tells, and changes nothing', async (context) => {
    const { directory, policy } = await scene(context);
    const args = ['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent', '--once'];
    const { code, out } = await call([...args, '--dry-run']);
    assert.equal(code, 0);
    assert.match(out, /^would delete 2; there are 3 archives, .* in /);
    assert.equal((await readdir(directory)).length, 3);
  });

  test('--once acts, records and sums up', async (context) => {
    const { directory, policy } = await scene(context);
    const audit = join(await scratch(context), 'audit.jsonl');
    const { code, out } = await call([
      ...['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent', '--once'],
      ...['--audit', audit, '--audit', '-', '--node', 'worker-1'],
    ]);
    assert.equal(code, 0);
    assert.match(out, /^deleted 2, which took .* of the disk; there are 1 archive, /m);
    const written = await readFile(audit, 'utf8');
    assert.equal(out.slice(0, written.length), written);
    assert.equal((await readdir(directory)).length, 1);
    const records = (await readFile(audit, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const record of records) {
      assert.deepEqual(Object.keys(record), ['operation', 'timestamp', 'resource', 'metadata']);
      assert.deepEqual(Object.keys(record.resource), [
        ...['node', 'directory', 'file', 'namespace', 'pod', 'container', 'podUid'],
      ]);
    }
    assert.deepEqual(
      records.map(({ operation, resource, metadata }) => [operation, resource.node, metadata.rule]),
      [
        ['delete', 'worker-1', 'count'],
        ['delete', 'worker-1', 'count'],
      ],
    );
  });

  test('without a policy for the directory it says that nothing acts', async (context) => {
    const { directory, policy } = await scene(context);
    await writeFile(policy, POLICY.replace('spec:\n', 'spec:\n  checkpointDirectory: /elsewhere\n'));
    const { code, out } = await call([
      'gc',
      '--directory',
      directory,
      '--policies',
      policy,
      '--log-level',
      'silent',
      '--once',
    ]);
    assert.equal(code, 0);
    assert.match(out, /\n! no policy acts on /);
    assert.equal((await readdir(directory)).length, 3);
  });

  test('runs until it is stopped, and acts on what arrives', async (context) => {
    const { directory, policy } = await scene(context);
    const controller = new AbortController();
    const running = call(
      ['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent', '--audit', '-'],
      { stop: controller.signal },
    );
    await until(async () => (await readdir(directory)).length === 1);
    const name = await take(directory, 0.5);
    await until(async () => (await readdir(directory)).join() === name);
    controller.abort();
    const { code, out } = await running;
    assert.equal(code, 0);
    assert.equal(out.match(/"operation":"delete"/g)?.length, 3);
  });

  test('SIGTERM ends it cleanly within five seconds', async (context) => {
    const { directory, policy } = await scene(context);
    const launcher = join(ROOT, 'cli/checkpoint-warden.js');
    const args = [launcher, 'gc', '--directory', directory, '--policies', policy];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.resume();
    await until(async () => (await readdir(directory)).length === 1);
    const began = Date.now();
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.ok(Date.now() - began < 5_000);
  });

  test('as PID 1, as in a container, it is ended by a signal that comes before its own handler', {
    skip: process.getuid?.() !== 0 && 'a PID namespace takes root',
  }, async (context) => {
    const { directory, policy } = await scene(context);
    const launcher = join(ROOT, 'cli/checkpoint-warden.js');
    const args = ['gc', '--directory', directory, '--policies', policy];
    const child = spawn('unshare', ['--pid', '--fork', '--kill-child', process.execPath, launcher, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: `--import=${SIGNALLED}` },
    });
    child.stderr.resume();
    const tooLate = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const [code] = await once(child, 'exit');
    clearTimeout(tooLate);
    // Whoever is first: the stand-in, or the program's own handler.
    assert.ok(code === 143 || code === 0, `ended with ${code}`);
  });

  for (const [name, prepare, told] of [
    [
      'a directory that is none',
      async (directory: string) => join(directory, (await readdir(directory))[0] ?? ''),
      /\n✗ .* is not a directory\n$/,
    ],
    [
      'a policy with errors',
      async (directory: string, policy: string) => {
        await writeFile(policy, POLICY.replace('maxCheckpoints: 1', 'maxCheckpoints: -1'));
        return directory;
      },
      /\n✗ a policy has errors: .*policy\.yaml default\/p: spec\.namespacePolicies\[0]\.maxCheckpoints = -1: /,
    ],
    [
      'a policy that waits for confirmation',
      async (directory: string, policy: string) => {
        await writeFile(policy, POLICY.replace('spec:\n', 'spec:\n  circuitBreaker: {minArchives: 1}\n'));
        return directory;
      },
      /\n✗ p waits for confirmation: /,
    ],
  ] as const) {
    test(`--once ends with 1 and says so: ${name}`, async (context) => {
      const { directory, policy } = await scene(context);
      const where = await prepare(directory, policy);
      const args = ['gc', '--directory', where, '--policies', policy, '--log-level', 'silent', '--once'];
      const { code, out } = await call(args);
      assert.match(out, told);
      assert.match(out, /^deleted 0, which took 0B of the disk(; there are 3 archives, .*)?\n/);
      assert.equal(code, 1);
    });
  }

  test('the audit file is put aside when the call says so', async (context) => {
    const { directory, policy } = await scene(context);
    const folder = await scratch(context);
    const args = ['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent', '--once'];
    const audit = ['--audit', join(folder, 'audit.jsonl')];
    const { code } = await call([...args, ...audit, '--audit-max-size', '1Ki', '--audit-keep', '1']);
    assert.equal(code, 0);
    assert.deepEqual(await readdir(folder), ['audit.jsonl', 'audit.jsonl.1']);
    for (const [more, told] of [
      [['--audit', '-', '--audit-max-age', '1h'], /need --audit FILE; see/],
      [[...audit, '--audit-max-size', '10'], /Write a size of at least 1Ki/],
      [[...audit, '--audit-keep', '-1'], /Write a whole number/],
      [[...audit, '--audit-max-age', 'a day'], /Write a duration/],
    ] as const) {
      const outcome = await call([...args, ...more]);
      assert.equal(outcome.code, 2);
      assert.match(outcome.err, told);
    }
  });

  test('an audit file that cannot be made is told at the start', async (context) => {
    const { directory, policy } = await scene(context);
    const args = ['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent', '--once'];
    for (const [file, why] of [
      [join(policy, 'audit.jsonl'), 'it is not a directory (ENOTDIR)'],
      ['/proc/nowhere/audit.jsonl', 'its folder cannot be made (ENOENT)'],
    ] as const) {
      const err = `checkpoint-warden: the audit file ${file} cannot be written: ${why}; name another with --audit\n`;
      assert.deepEqual(await call([...args, '--audit', file]), { code: 2, out: '', err });
      assert.equal((await call([...args, '--audit', file, '--dry-run'])).code, 0);
    }
    assert.equal((await readdir(directory)).length, 3);
  });

  test('a log that leads to a full disk does not end it', {
    skip: !existsSync('/dev/full') && 'it takes /dev/full',
  }, async (context) => {
    const { directory, policy } = await scene(context);
    const full = openSync('/dev/full', 'w');
    const launcher = join(ROOT, 'cli/checkpoint-warden.js');
    const args = [launcher, 'gc', '--directory', directory, '--policies', policy, '--once'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', full] });
    closeSync(full);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal((await readdir(directory)).length, 1);
  });

  test('serves metrics', async (context) => {
    const { directory, policy } = await scene(context);
    const controller = new AbortController();
    const port = 20_000 + (process.pid % 10_000);
    const running = call(
      [
        ...['gc', '--directory', directory, '--policies', policy, '--log-level', 'silent'],
        ...['--metrics', `127.0.0.1:${port}`],
      ],
      { stop: controller.signal },
    );
    await until(async () => (await readdir(directory)).length === 1);
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    assert.match(await response.text(), /checkpoint_warden_deletions_total\{rule="count"\} 2/);
    controller.abort();
    assert.equal((await running).code, 0);
  });

  for (const [name, args, message] of [
    [
      'nowhere to get policies from',
      ['--directory', '/tmp'],
      'gc needs --policies PATH or --kubeconfig FILE where it does not run in a pod; see checkpoint-warden gc --help',
    ],
    [
      'two places',
      ['--directory', '/tmp', '--policies', '/tmp', '--kubeconfig', '/tmp/k'],
      'give --policies or --kubeconfig, not both; see checkpoint-warden gc --help',
    ],
    [
      'a missing directory, once',
      ['--directory', '/nowhere', '--policies', '/tmp', '--once'],
      '/nowhere does not exist',
    ],
    [
      'a time without its unit',
      ['--directory', '/tmp', '--rescan', '60'],
      "option '--rescan DURATION' argument '60' is invalid. Write a duration with its unit, for example 30s, 5m or 1h; see checkpoint-warden gc --help",
    ],
  ] as const) {
    test(`a wrong call: ${name}`, async () => {
      const outcome = await call(['gc', ...args, '--log-level', 'silent']);
      assert.deepEqual(outcome, { code: 2, out: '', err: `checkpoint-warden: ${message}\n` });
    });
  }

  const whole = ['--door', ':0', '--state-directory', 'state', '--node', 'worker-1'];
  const tls = ['--certificate-directory', 'tls'];
  const kubelet = ['--kubelet-ca', 'ca.crt', '--kubelet-token', 'token'];
  const doors: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['--kubelet', 'https://10.1.2.3:10250'], /--kubelet is about the door: give --door ADDRESS:PORT, too/],
    [['--client-ca', 'ca.crt'], /--client-ca is about the door/],
    [['--door', ':0', '--once'], /leave out --door or --once/],
    [['--door', ':0', '--dry-run'], /--dry-run deletes nothing, so its door could make no room/],
    [['--door', ':0'], /gc --door needs --state-directory DIR/],
    [['--door', ':0', '--state-directory', 'x'], /gc --door needs --node NAME, this node's name in the API/],
    [whole, /gc --door needs --certificate-directory DIR/],
    [[...whole, ...tls], /gc --door needs --kubelet-ca FILE where it does not run in a pod/],
    [
      [...whole, ...tls, ...kubelet, '--policies', '.'],
      /gc --door needs a cluster that knows callers and pods: give --kubeconfig FILE/,
    ],
    [[...whole, '--kubelet', 'http://10.1.2.3'], /Write https:\/\/ADDRESS:PORT/],
    [[...whole, '--kubelet', 'https://10.1.2.3/x'], /Write https:\/\/ADDRESS:PORT/],
    [[...whole, '--kubelet', 'https://me@10.1.2.3'], /Write https:\/\/ADDRESS:PORT/],
    [[...whole, '--kubelet', 'worker-1'], /Write https:\/\/ADDRESS:PORT/],
    [[...whole, '--kubelet', '10.1.2'], /Write https:\/\/ADDRESS:PORT/],
  ];
  for (const [args, message] of doors) {
    test(`a door cannot be had by ${args.join(' ')}`, async (context) => {
      const { code, out, err } = await call(['gc', '--directory', await scratch(context), ...args]);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.match(err, message);
      assert.match(err, /^checkpoint-warden: [^\n]+; see checkpoint-warden gc --help\n$/);
    });
  }
});
