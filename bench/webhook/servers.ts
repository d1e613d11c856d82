import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isObject, own, text } from '../../policy/json.ts';
import { createAuthority } from '../../test/cluster/authority.ts';
import { freePort } from '../../test/cluster/port.ts';

/** A server under measurement, alone on its core. */
export interface Served extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly ca: string;
}

/** Megabytes; docs/guide/webhook.md says why. */
const OLD_SPACE = 160;
const SEMI_SPACE = 16;
const SERVER_CORE = '0';
const CLIENT_CORE = '1';
const here = (file: string) => join(import.meta.dirname, file);
const ROOT = join(import.meta.dirname, '../..');

/** A helper of ours on the client's core. */
export function startHelper(file: string, args: readonly string[]): ChildProcess {
  return fork(here(file), [...args], {
    execPath: 'taskset',
    execArgv: ['-c', CLIENT_CORE, process.execPath],
  });
}

export async function told(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  const [message] = await once(child, 'message');
  if (!isObject(message)) throw new Error('a process of the measurement said nothing useful');
  return message;
}

/** Builds what an image holds: without the compiler of Node's own, which takes memory of its own. */
export async function build(): Promise<void> {
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT });
}

export async function startFloor(): Promise<Served> {
  const child = fork(here('floor.ts'), [], {
    execPath: 'taskset',
    execArgv: ['-c', SERVER_CORE, process.execPath],
  });
  const message = await told(child);
  return {
    pid: pidOf(child),
    port: Number(own(message, 'port')),
    ca: text(own(message, 'ca')),
    [Symbol.asyncDispose]: async () => child.disconnect(),
  };
}

/** The program as it is run in a pod: policies from an API server, metrics, an access log into a pipe. */
export async function startOurs(policies: number): Promise<Served> {
  const backend = startHelper('backend.ts', [String(policies)]);
  const message = await told(backend);
  const directory = text(own(message, 'directory'));
  const [port, metrics] = [await freePort(), await freePort()];
  const caFile = join(directory, 'webhook-ca.crt');
  const child = spawn(
    'bash',
    [
      '-c',
      `exec taskset -c ${SERVER_CORE} "$@" 2> >(exec taskset -c ${CLIENT_CORE} cat > /dev/null)`,
      'bash',
      ...[
        process.execPath,
        `--max-old-space-size=${OLD_SPACE}`,
        `--max-semi-space-size=${SEMI_SPACE}`,
        ...flags(),
      ],
      ...[join(ROOT, 'dist/cli/main.js'), 'webhook', '--kubeconfig', text(own(message, 'kubeconfig'))],
      ...['--listen', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${metrics}`],
      ...['--self-signed', 'localhost,127.0.0.1', '--write-ca', caFile],
    ],
    {
      stdio: 'ignore',
      // As the Dockerfile sets it.
      env: { ...process.env, NODE_ENV: 'production', MALLOC_ARENA_MAX: '1' },
    },
  );
  const ca = await eventually(() => readFile(caFile, 'utf8'));
  await eventually(() => answers(port, ca));
  return {
    pid: pidOf(child),
    port,
    ca,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      await once(child, 'exit');
      backend.disconnect();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** For a profile: `NODE_FLAGS=--cpu-prof`. */
function flags(): string[] {
  return (process.env.NODE_FLAGS ?? '').split(' ').filter(Boolean);
}

/** A controller-runtime validator; null where there is no Go to build it with. Built once, for some minutes. */
export async function startPeer(): Promise<Served | null> {
  const program = join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'checkpoint-warden/bench/peer',
  );
  const isThere = await access(program).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await mkdir(join(program, '..'), { recursive: true });
    process.stderr.write('building the peer; the first time this takes some minutes\n');
    const options = { cwd: here('peer'), env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' } };
    try {
      await promisify(execFile)('go', ['build', '-trimpath', '-o', `${program}.new`, '.'], options);
    } catch (error) {
      process.stderr.write(`there is no peer: ${error instanceof Error ? error.message : String(error)}\n`);
      return null;
    }
    await rename(`${program}.new`, program);
  }
  const directory = await mkdtemp(join(tmpdir(), 'checkpoint-warden-peer-'));
  const authority = await createAuthority('peer authority');
  const { certificate, key } = authority.issue({ name: 'peer', hosts: ['localhost', '127.0.0.1'] });
  await writeFile(join(directory, 'tls.crt'), certificate);
  await writeFile(join(directory, 'tls.key'), key);
  const port = await freePort();
  const child = spawn('taskset', ['-c', SERVER_CORE, program, String(port), directory], { stdio: 'ignore' });
  await eventually(() => answers(port, authority.certificate, '/'));
  return {
    pid: pidOf(child),
    port,
    ca: authority.certificate,
    async [Symbol.asyncDispose]() {
      child.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('a process of the measurement did not start');
  process.once('exit', () => child.kill('SIGKILL'));
  return child.pid;
}

async function answers(port: number, ca: string, path = '/readyz'): Promise<void> {
  const sent = request({ host: '127.0.0.1', port, path, ca, servername: 'localhost', agent: false });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  if (path === '/readyz' && response.statusCode !== 200) throw new Error(`/readyz ${response.statusCode}`);
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tries > 300) throw error;
      await sleep(100);
    }
  }
}

/** Seconds of processor time so far, of all threads. */
export async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory, MB. */
export async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}
