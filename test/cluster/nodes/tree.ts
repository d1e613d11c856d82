import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { startGuard } from '../guard.ts';
import { withLock } from '../lock.ts';
import { cacheDirectory } from '../programs.ts';
import { progress } from '../progress.ts';
import { environment } from './command.ts';
import { requireForNodes } from './requirements.ts';

const reportEveryMilliseconds = 10_000;

// Debian's stable CRIU (3.17) fails on current kernels; sid has 4.2, and a containerd that can checkpoint.
const suite = 'sid';

const packages = [
  'busybox-static',
  'containerd',
  'containernetworking-plugins',
  'criu',
  'iproute2',
  'iptables',
  'runc',
];

/**
 * The read-only root directory that all nodes share, with container runtime and CRIU; made on first use.
 * Where it fails, its error names what is missing.
 */
export async function findTree(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const cache = cacheDirectory(env);
  const target = join(cache, `tree-${treeHash()}`);
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  await requireForNodes(['debootstrap', 'unshare']);
  const onWait = () => progress(`waiting for another process that makes ${target}`);
  await withLock(`${target}.lock`, onWait, async () => {
    if (!existsSync(target)) await makeTree(target);
  });
  return target;
}

function treeHash(): string {
  return createHash('sha256')
    .update(JSON.stringify([suite, packages, process.arch]))
    .digest('hex')
    .slice(0, 16);
}

async function makeTree(target: string): Promise<void> {
  progress(`making a Debian ${suite} tree in ${target}; this takes a minute`);
  const started = Date.now();
  await mkdir(dirname(target), { recursive: true });
  const guard = await startGuard(await mkdtemp(`${target}.`));
  try {
    // In namespaces of its own: whatever it mounts and starts ends with it.
    const child = spawn(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
        ...['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`, suite, guard.directory],
      ],
      { env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    guard.watch(child);
    const exit = once(child, 'exit');
    const [tail, errors] = await Promise.all([reportLines(child.stdout), reportLines(child.stderr)]);
    const [status] = await exit;
    if (status !== 0) {
      throw new Error(`debootstrap failed (${status}):\n${[...tail, ...errors].join('\n')}`);
    }
    await Promise.all(
      ['var/cache/apt', 'var/lib/apt/lists', 'var/log'].map((folder) => empty(join(guard.directory, folder))),
    );
    await chmod(guard.directory, 0o755);
    await rename(guard.directory, target);
  } finally {
    await guard.release();
  }
  progress(`made in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function empty(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

/** Shows now and then how far debootstrap is, and returns its last lines. */
async function reportLines(output: NodeJS.ReadableStream): Promise<string[]> {
  let tail: string[] = [];
  const timer = setInterval(() => {
    const last = tail.at(-1);
    if (last !== undefined) progress(last);
  }, reportEveryMilliseconds);
  try {
    for await (const line of createInterface({ input: output })) tail = [...tail.slice(-9), line];
  } finally {
    clearInterval(timer);
  }
  return tail;
}
