import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { hierarchies } from './cgroups.ts';
import type { Cluster } from './cluster.ts';
import { mustRun } from './command.ts';
import { processesOf } from './processes.ts';

/** What tells a cluster's traces from all others. */
export interface Traces {
  /** Names of its directories. */
  readonly directories: readonly string[];
  /** This machine's address in its network. */
  readonly address: string;
}

/** The traces to look for when this cluster has ended. */
export function tracesOf({ directory, nodesDirectory, hostAddress }: Cluster): Traces {
  return { directories: [basename(directory), basename(nodesDirectory)], address: hostAddress };
}

/** Everything that a cluster has left on this machine, one line each. */
export async function findLeftovers({ directories, address }: Traces): Promise<string[]> {
  const processes = await Promise.all(directories.map(processesOf));
  const found = [...new Set(processes.flat())].map((id) => `process ${id}`);
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const names = (text: string) => directories.some((directory) => text.includes(directory));
  found.push(...mounts.filter(names).map((mount) => `mount: ${mount}`));
  const addresses = (await mustRun('ip', ['-oneline', 'address'])).split('\n');
  found.push(...addresses.filter((line) => line.includes(`${address}/`)).map((line) => `address: ${line}`));
  for (const parent of [tmpdir(), ...(await hierarchies())]) {
    found.push(...directories.map((directory) => join(parent, directory)).filter((path) => existsSync(path)));
  }
  return found;
}
