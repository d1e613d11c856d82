import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { call, type Outcome, ROOT, scratch, spawnCall } from './call.ts';

const PROGRAM = 'checkpoint-warden';
const OLD = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } })",
)}`;

const CALLS: readonly (readonly [args: readonly string[], code: number, out: RegExp, err: string])[] = [
  [['--help'], 0, /^Usage: checkpoint-warden /, ''],
  [['frobnicate'], 2, /^$/, "unknown command 'frobnicate'; see checkpoint-warden --help"],
  [['help', 'frobnicate'], 2, /^$/, "unknown command 'frobnicate'; see checkpoint-warden --help"],
  [['help', 'help'], 0, /^Usage: checkpoint-warden /, ''],
  [['valdate'], 2, /^$/, "unknown command 'valdate'; did you mean validate? See checkpoint-warden --help"],
  [['--verbose'], 2, /^$/, "unknown option '--verbose'; see checkpoint-warden --help"],
  [['ls'], 2, /^$/, 'ls needs --directory DIR; see checkpoint-warden ls --help'],
  [
    ['ls', '--direcory', '/tmp'],
    2,
    /^$/,
    "unknown option '--direcory'; did you mean --directory? See checkpoint-warden ls --help",
  ],
  [
    ['ls', '--directory', '/tmp', 'more'],
    2,
    /^$/,
    "too many arguments for 'ls'. Expected 0 arguments but got 1: more; see checkpoint-warden ls --help",
  ],
  [
    ['ls', '--directory', '/tmp', '--directory', '/etc'],
    2,
    /^$/,
    "option '--directory DIR' argument '/etc' is invalid. It is given twice; see checkpoint-warden ls --help",
  ],
  [['ls', '--directory', '/nowhere'], 2, /^$/, '/nowhere does not exist'],
  [['validate', join(ROOT, 'examples/default.yaml')], 0, /: sound\n$/, ''],
  [['validate', join(ROOT, 'examples/refused.yaml')], 1, /: refused\n$/, ''],
  [
    ['plan', '--directory', '/tmp', '--policies', '/tmp', '--now', 'yesterday'],
    2,
    /^$/,
    "option '--now TIME' argument 'yesterday' is invalid. Write a time as RFC 3339 does, for example 2026-11-21T12:00:00Z; see checkpoint-warden plan --help",
  ],
  [
    ['gc', '--directory', '/tmp', '--door', ':10350'],
    2,
    /^$/,
    'gc --door needs --state-directory DIR, where the promises of room outlive a restart; see checkpoint-warden gc --help',
  ],
  [
    ['webhook', '--listen', 'everywhere'],
    2,
    /^$/,
    "option '--listen ADDRESS:PORT' argument 'everywhere' is invalid. Write ADDRESS:PORT, for example 0.0.0.0:9443; see checkpoint-warden webhook --help",
  ],
];

function check(outcome: Outcome, code: number, out: RegExp, err: string): void {
  assert.equal(outcome.err, err === '' ? '' : `${PROGRAM}: ${err}\n`);
  assert.match(outcome.out, out);
  assert.equal(outcome.code, code);
}

suite('calls', () => {
  for (const [args, code, out, err] of CALLS) {
    test([PROGRAM, ...args].join(' '), async () => check(await call(args), code, out, err));
  }
});

/** A start takes a third of a second of both cores, so of each kind one. */
const SPAWNED: readonly string[] = [
  '--help',
  'frobnicate',
  'ls --directory /nowhere',
  'validate examples/refused.yaml',
];

suite('calls as a shell makes them', { concurrency: 2 }, () => {
  for (const [args, code, out, err] of CALLS) {
    const line = args.join(' ').replace(`${ROOT}/`, '');
    if (!SPAWNED.includes(line)) continue;
    test(`${PROGRAM} ${line}`, async () => check(await spawnCall(args), code, out, err));
  }

  test('output that cannot be written is told, with code 1', {
    skip: !existsSync('/dev/full') && 'it takes /dev/full',
  }, async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [join(ROOT, 'cli/checkpoint-warden.js'), '--help'], {
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let err = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const [code] = await once(child, 'close');
    assert.equal(
      err,
      `${PROGRAM}: standard output cannot be written: no space is left there (ENOSPC); see where it leads to\n`,
    );
    assert.equal(code, 1);
  });

  test('an old Node is told so in one sentence', async () => {
    assert.deepEqual(await spawnCall(['--help'], { env: { NODE_OPTIONS: `--import=${OLD}` } }), {
      code: 2,
      out: '',
      err: `${PROGRAM} needs Node.js 24 or later, this is 20.19.0; start it with npm start, which brings its own\n`,
    });
  });

  test('a package without its build says so', async (context) => {
    const directory = join(await scratch(context), 'node_modules/checkpoint-warden');
    await mkdir(join(directory, 'cli'), { recursive: true });
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    for (const name of ['checkpoint-warden.js', 'launcher.js', 'main.ts']) {
      await cp(join(ROOT, 'cli', name), join(directory, 'cli', name));
    }
    const { code, err } = await spawnCall(['--help'], {
      launcher: join(directory, 'cli/checkpoint-warden.js'),
    });
    assert.equal(code, 2);
    assert.match(err, /^checkpoint-warden was installed without its build; run npm run build/);
  });
});
