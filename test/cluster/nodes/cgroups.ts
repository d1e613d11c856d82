import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { progress } from '../progress.ts';
import { processesOf } from './processes.ts';

const pollMilliseconds = 25;
// How long the processes of a cluster may take to die; what a test before this one left should be dead.
const ownMilliseconds = 20_000;
const leftMilliseconds = 2_000;

const kubeletControllers = ['cpu', 'cpuset', 'hugetlb', 'io', 'memory', 'pids'];

/** How the directories of all clusters with nodes begin, here and where their files are. */
export const clusterPrefix = 'checkpoint-warden-nodes-';

/** The control groups of one node: one directory in each hierarchy of the machine. */
export interface NodeCgroups {
  /** What its kubelet takes for the root, `/CLUSTER/NODE`. */
  readonly path: string;
  /** Where the node's own processes belong, in each hierarchy. */
  readonly daemons: readonly string[];
}

/** Makes the control groups of a node. The kubelet would kill what it does not know in any that it shared. */
export async function createCgroups(clusterDirectory: string, node: string): Promise<NodeCgroups> {
  const cluster = basename(clusterDirectory);
  const daemons: string[] = [];
  for (const hierarchy of await hierarchies()) {
    let group = hierarchy;
    for (const name of [cluster, node, 'daemons']) {
      await delegateControllers(group);
      group = join(group, name);
      await mkdir(group, { recursive: true });
      await inheritCpus(group);
    }
    daemons.push(group);
  }
  return { path: `/${cluster}/${node}`, daemons };
}

/** Removes a cluster's control groups as soon as their processes, which must be dying, are gone. */
export async function removeCgroups(clusterDirectory: string): Promise<void> {
  const name = basename(clusterDirectory);
  const remaining = await removeNamed(name, ownMilliseconds);
  if (remaining !== undefined) throw new Error(remaining);
}

/** Removes the control groups of clusters whose test was killed: those that no longer have a directory. */
export async function sweepCgroups(): Promise<void> {
  const names = new Set<string>();
  for (const hierarchy of await hierarchies()) {
    for (const name of await readdir(hierarchy)) {
      if (!name.startsWith(clusterPrefix) || existsSync(join(tmpdir(), name))) continue;
      // Its directory may be elsewhere: the temporary directory is a setting.
      if (!(await hasDaemons(join(hierarchy, name)))) names.add(name);
    }
  }
  for (const name of names) {
    const remaining = await removeNamed(name, leftMilliseconds);
    progress(remaining ?? `removed what a test that was killed has left: control groups ${name}`);
  }
}

async function hasDaemons(cluster: string): Promise<boolean> {
  // Somebody else may be sweeping, too.
  const nodes = await readdir(cluster).catch(ignoreMissing);
  for (const node of nodes ?? []) {
    const processes = join(cluster, node, 'daemons', 'cgroup.procs');
    const ids = await readFile(processes, 'utf8').catch(ignoreMissing);
    if (ids) return true;
  }
  return false;
}

/** Mount points of the control group file systems: many with version 1, one with version 2. */
export async function hierarchies(): Promise<string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const found: string[] = [];
  for (const line of mounts.split('\n')) {
    const [mount = '', type = ''] = line.split(' - ');
    const [, , , root, mountPoint] = mount.split(' ');
    if (/^cgroup2? /.test(type) && root === '/' && mountPoint !== undefined) found.push(mountPoint);
  }
  if (found.length === 0) {
    throw new Error('Nodes need control groups: mount them below /sys/fs/cgroup.');
  }
  return found;
}

/** Version 2 only: a controller works in a group only if every group above passes it on. */
async function delegateControllers(group: string): Promise<void> {
  const file = join(group, 'cgroup.subtree_control');
  if (!existsSync(file)) return;
  const available = await readWords(join(group, 'cgroup.controllers'));
  const delegated = await readWords(file);
  for (const controller of available) {
    if (kubeletControllers.includes(controller) && !delegated.includes(controller)) {
      await writeFile(file, `+${controller}`);
    }
  }
}

async function readWords(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split(/\s+/).filter((word) => word !== '');
}

/** Version 1 only: a new cpuset has no processor, and takes no process before it gets some. */
async function inheritCpus(group: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const target = join(group, file);
    if (!existsSync(target) || existsSync(join(group, 'cgroup.controllers'))) continue;
    await writeFile(target, await readFile(join(group, '..', file), 'utf8'));
  }
}

/**
 * Tries for that many milliseconds. All hierarchies in each round: processes that are frozen in one of them
 * keep all others busy.
 *
 * @returns what remains, in a sentence.
 */
async function removeNamed(name: string, limit: number): Promise<string | undefined> {
  const end = Date.now() + limit;
  let left = (await hierarchies()).map((hierarchy) => join(hierarchy, name));
  for (;;) {
    const gone = await Promise.all(left.map(tryRemove));
    left = left.filter((_, index) => !gone[index]);
    // The first process of a node leaves its group before the others have ended.
    const processes = await processesOf(`/${name}/`);
    if (left.length === 0 && processes.length === 0) return undefined;
    if (Date.now() > end) {
      return `Cluster ${name} has not ended: end the processes ${processes.join(', ')} by hand.`;
    }
    await sleep(pollMilliseconds);
  }
}

/** @returns whether it is gone; it stays as long as there are processes in it. */
async function tryRemove(group: string): Promise<boolean> {
  try {
    for (const entry of await readdir(group, { withFileTypes: true })) {
      if (entry.isDirectory()) await tryRemove(join(group, entry.name));
    }
    await thaw(group);
    await rmdir(group);
  } catch (error) {
    const busy = ['EBUSY', 'ENOTEMPTY'].some((code) => hasCode(error, code));
    if (!busy && existsSync(group)) throw error;
    return !busy;
  }
  return true;
}

/** Version 1 only: a container that was killed while frozen dies when it thaws. */
async function thaw(group: string): Promise<void> {
  const state = join(group, 'freezer.state');
  if (existsSync(state)) await writeFile(state, 'THAWED');
}

function ignoreMissing(error: unknown): undefined {
  // ENODEV is what a file of a group says that was removed after it was opened, ENOTDIR what no group says.
  if (!['ENOENT', 'ENODEV', 'ENOTDIR'].some((code) => hasCode(error, code))) throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
