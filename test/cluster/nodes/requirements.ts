import { access, constants, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withLock } from '../lock.ts';
import { cacheDirectory } from '../programs.ts';
import { progress } from '../progress.ts';
import { environment, mustRun } from './command.ts';

/** The Debian package that has the program. */
const packages: Readonly<Record<string, string>> = {
  buildah: 'buildah',
  chattr: 'e2fsprogs',
  debootstrap: 'debootstrap',
  ip: 'iproute2',
  ldd: 'libc-bin',
  'mkfs.ext4': 'e2fsprogs',
  mount: 'mount',
  nsenter: 'util-linux',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  setpriv: 'util-linux',
  unshare: 'util-linux',
};

const installMilliseconds = 5 * 60_000;

/** Where programs are looked for, and how they get there; tests name their own. */
export interface Host {
  readonly isRoot: boolean;
  readonly path: string;
  /** Held while something is installed. */
  readonly lockFile: string;
  /** Runs apt-get. */
  install(args: readonly string[]): Promise<unknown>;
}

function thisHost(): Host {
  return {
    isRoot: process.getuid?.() === 0,
    path: environment.PATH,
    lockFile: join(cacheDirectory(process.env), 'packages.lock'),
    install: (args) => mustRun('apt-get', args, { timeout: installMilliseconds }),
  };
}

/**
 * Sees to it that this machine can make nodes: Linux, root, and these programs, installed where apt-get is.
 *
 * @throws an error of one sentence that names what to do.
 */
export async function requireForNodes(programs: readonly string[], host: Host = thisHost()): Promise<void> {
  if (process.platform !== 'linux') {
    throw new Error(`Nodes need Linux, and this is ${process.platform}: run this in a virtual machine.`);
  }
  const missing = await missingPackages(programs, host);
  if (!host.isRoot) {
    const also = missing.length > 0 ? `, and install ${missing.join(', ')}` : '';
    throw new Error(`Nodes need namespaces and mounts, which only root may make: run this as root${also}.`);
  }
  if (missing.length === 0) return;
  await mkdir(dirname(host.lockFile), { recursive: true });
  await withLock(
    host.lockFile,
    () => progress('waiting for another process that installs packages'),
    () => install(programs, host),
  );
}

async function install(programs: readonly string[], host: Host): Promise<void> {
  const missing = await missingPackages(programs, host);
  if (missing.length === 0) return;
  if (!(await isOnPath('apt-get', host.path))) {
    throw new Error(`Install ${missing.join(', ')}: nodes need that, and there is no apt-get here.`);
  }
  progress(`installing ${missing.join(', ')}`);
  await host.install(['update']);
  await host.install(['install', '--yes', '--no-install-recommends', ...missing]);
}

async function missingPackages(programs: readonly string[], { path }: Host): Promise<string[]> {
  const missing = new Set<string>();
  for (const program of programs) {
    if (!(await isOnPath(program, path))) missing.add(packages[program] ?? program);
  }
  return [...missing];
}

async function isOnPath(program: string, path: string): Promise<boolean> {
  for (const directory of path.split(':')) {
    try {
      await access(join(directory, program), constants.X_OK);
      return true;
    } catch {
      // Not in this one.
    }
  }
  return false;
}
