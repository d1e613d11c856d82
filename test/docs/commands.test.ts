import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { call } from '../cli/call.ts';
import { blocks, commandsOf, PAGES, page, transcripts } from './commands.ts';
import { RUN_BY } from './run-by.ts';

const ROOT = join(import.meta.dirname, '../..');
let scratch: string;
let environment: NodeJS.ProcessEnv;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'checkpoint-warden-docs-'));
  const bin = join(scratch, 'bin');
  await mkdir(bin);
  const program = `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/cli/checkpoint-warden.js' "$@"\n`;
  await writeFile(join(bin, 'checkpoint-warden'), program, { mode: 0o755 });
  await cp(join(ROOT, 'test/fixtures/archives'), join(scratch, 'var/lib/kubelet/checkpoints'), {
    recursive: true,
  });
  for (const folder of ['etc/checkpoint-warden', 'var/log'])
    await mkdir(join(scratch, folder), { recursive: true });
  await cp(join(ROOT, 'examples/team-quota.yaml'), join(scratch, 'etc/checkpoint-warden/team-quota.yaml'));
  environment = {
    ...process.env,
    PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
    XDG_RUNTIME_DIR: scratch,
  };
});
after(() => rm(scratch, { recursive: true, force: true }));

/** The same command with this machine's places for the node's. */
function asRun(command: string): string {
  return command
    .replace(/^npm start --/, 'checkpoint-warden')
    .replaceAll(/(?<= )\/(var|etc)\//g, `${scratch}/$1/`)
    .replace('127.0.0.1:9090', '127.0.0.1:0');
}

/** In this process where it is a call of the program and nothing else: a start takes a second. */
async function shell(command: string): Promise<{ readonly code: number | null; readonly out: string }> {
  const run = asRun(command);
  const [program, ...args] = run.split(/ +/);
  if (program === 'checkpoint-warden' && args[0] !== 'gc' && !/[|>"']/.test(run)) {
    const { code, out, err } = await call(args);
    return { code, out: out + err };
  }
  const options = { cwd: ROOT, env: environment };
  return new Promise((resolve) => {
    execFile('sh', ['-c', run], options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout + stderr }),
    );
  });
}

async function textOf(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return readFile(path, 'utf8');
  const texts = await Promise.all((await readdir(path)).map((name) => textOf(join(path, name))));
  return texts.join('\n');
}

const all = Object.entries(RUN_BY).flatMap(([path, commands]) =>
  Object.entries(commands).map(([command, by]) => ({ path, command, by })),
);

suite('every command of the documentation is run by a test', () => {
  test('no page has a command that nobody runs, and none that is run is missing from its page', () => {
    for (const path of PAGES) {
      const known = Object.keys(RUN_BY[path] ?? {}).sort();
      const there = [...new Set(commandsOf(path))].sort();
      assert.deepEqual(there, known, `${path}: say in test/docs/run-by.ts who runs it`);
    }
    for (const path of Object.keys(RUN_BY)) assert.ok(PAGES.includes(path), path);
  });

  test('those that another test runs stand there', async () => {
    for (const { path, command, by } of all) {
      if (!('test' in by)) continue;
      const text = await textOf(join(ROOT, by.test));
      const script = /^npm run (\S+)$/.exec(command)?.[1];
      const sign = by.as ?? (script === undefined ? path : `"${script}":`);
      assert.ok(text.includes(sign), `${command} of ${path}: ${by.test} has no ${sign}`);
    }
  });

  test('each fenced block says what it is, so that none is passed over', () => {
    for (const path of PAGES) {
      const fences = page(path).match(/^```.*$/gm) ?? [];
      const opening = fences.filter((_, index) => index % 2 === 0);
      assert.ok(!opening.includes('```'), `${path} has a fence without a language`);
      assert.doesNotMatch(page(path), /^ {4}(kubectl|checkpoint-warden|npm) /m, path);
    }
  });

  test('links and pictures lead somewhere', async () => {
    for (const path of PAGES) {
      for (const [, target = ''] of page(path).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        const file = join(ROOT, dirname(path), target);
        await assert.doesNotReject(
          readFile(file).catch((error) => (error.code === 'EISDIR' ? '' : Promise.reject(error))),
          `${path} links to ${target}`,
        );
      }
    }
  });
});

suite('those that need no cluster do what the pages say', { concurrency: 2 }, () => {
  for (const { path, command, by } of all) {
    if ('here' in by) {
      test(`${path}: ${command}`, async () => {
        const { code, out } = await shell(command);
        assert.equal(code, by.code ?? 0, out);
        const shown = transcripts(path).find((each) => each.command === command);
        for (const line of shown?.lines ?? []) assertShown(line, out);
      });
    } else if ('started' in by) {
      test(`${path}: ${command}`, async () => {
        const child = spawn('sh', ['-c', `exec ${asRun(command)}`], {
          cwd: ROOT,
          env: environment,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        let told = '';
        child.stderr.setEncoding('utf8').on('data', (part) => {
          told += part;
          // A second one would end it at once.
          if (told.includes('the policies are known') && !child.killed) child.kill('SIGTERM');
        });
        const [code] = await once(child, 'exit');
        assert.equal(code, 0, told);
      });
    }
  }

  test('a policy in the README is sound', async () => {
    const [policy = ''] = blocks('README.md', 'yaml');
    const file = join(scratch, 'readme.yaml');
    await writeFile(file, policy);
    const { code, out } = await shell(`checkpoint-warden validate ${file}`);
    assert.equal(code, 0, out);
  });
});

/** A line of the page is in the output, but for ages, widths of columns, and where the checkout is. */
function assertShown(line: string, out: string): void {
  if (line === '…' || line === '') return;
  const loose = (text: string) =>
    text
      .replaceAll(ROOT, '/…')
      .replace(/\b(\d+[dhms])+\b/g, 'AGE')
      .replace(/ +/g, ' ')
      .trim();
  const lines = out.split('\n').map(loose);
  assert.ok(lines.includes(loose(line)), `not printed: ${line}\n${out}`);
}
