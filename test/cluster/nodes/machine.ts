import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Guard, hasExited } from '../guard.ts';
import { type Server, startServer, waitUntilReady } from '../server.ts';
import { createCgroups, type NodeCgroups } from './cgroups.ts';
import { type CommandOptions, type CommandResult, environment, runCommand } from './command.ts';

const bootMilliseconds = 30_000;
const program = join(import.meta.dirname, 'boot.sh');

/** Read-only directories that a machine is made of. */
export interface MachineParts {
  /** Root directory below all of its own changes. */
  readonly tree: string;
  /** Programs that it sees as `/opt/kubernetes`. */
  readonly programs: string;
}

/** What stands for one machine: namespaces of every kind, and a root directory of its own. */
export interface Machine {
  readonly name: string;
  /** Its files, where this machine sees them: `kubelet` is its /var/lib/kubelet, and so on. */
  readonly directory: string;
  readonly cgroups: NodeCgroups;
  /** Its first process, by the number it has here. */
  readonly pid: number;
  /** Its whole root directory, with everything that is mounted there, seen from here. */
  readonly root: string;
  /** Runs a command in it. A non-zero status is a result, not an error. */
  exec(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Starts a program in it that runs on; its log here is `NAME-SERVICE.log`. */
  start(service: string, command: readonly string[]): Promise<Server>;
}

/** Writes files that a machine will have from its start; paths are its own. */
export async function writeMachineFiles(
  guard: Guard,
  name: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const target = join(guard.directory, name, 'upper', path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}

/** Starts a machine without network. */
export async function startMachine(guard: Guard, name: string, parts: MachineParts): Promise<Machine> {
  const directory = join(guard.directory, name);
  for (const folder of ['upper', 'work', 'root', 'kubelet', 'containerd', 'kubernetes']) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  const cgroups = await createCgroups(guard.directory, name);
  const namespaces = ['--mount', '--net', '--uts', '--ipc', '--pid', '--fork', '--kill-child'];
  const server = await startServer(
    guard,
    'unshare',
    [
      ...namespaces,
      `--wd=${directory}`,
      '/bin/sh',
      program,
      name,
      parts.tree,
      parts.programs,
      ...cgroups.daemons,
    ],
    name,
  );
  let pid: number | undefined;
  const isBooted = async () => {
    pid ??= await onlyChild(server);
    return pid !== undefined && existsSync(`/proc/${pid}/root/run/booted`);
  };
  await waitUntilReady(server, isBooted, bootMilliseconds);
  if (pid === undefined) throw new Error(`The first process of ${name} has gone.`);
  return enterable({ name, directory, cgroups, pid, root: `/proc/${pid}/root` }, guard);
}

function enterable(parts: Omit<Machine, 'exec' | 'start'>, guard: Guard): Machine {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const enter = [
    ...[`--target=${parts.pid}`, '--mount', '--net', '--uts', '--ipc', '--pid', '--'],
    ...['env', '--ignore-environment', ...variables],
  ];
  const joinCgroups = parts.cgroups.daemons.map((group) => `echo 0 >${group}/cgroup.procs`).join('\n');
  return {
    ...parts,
    exec: (command, options) => runCommand('nsenter', [...enter, ...command], options),
    async start(service, command) {
      const script = `${joinCgroups}\nexec "$@"`;
      const server = await startServer(
        guard,
        'nsenter',
        [...enter, '/bin/sh', '-c', script, service, ...command],
        `${parts.name}-${service}`,
      );
      return { ...server, kill: () => killInside(server) };
    },
  };
}

/** nsenter alone would die and leave what it has started. */
async function killInside(server: Server): Promise<void> {
  const pid = await onlyChild(server);
  if (pid === undefined || hasExited(server.child)) return;
  const exit = once(server.child, 'exit');
  process.kill(pid, 'SIGKILL');
  await exit;
}

/** The one process for which `unshare --fork` or `nsenter --pid` waits. */
async function onlyChild({ child: { pid } }: Server): Promise<number | undefined> {
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number.parseInt(children, 10) || undefined;
  } catch {
    // It has ended, which who waits for it reports.
    return undefined;
  }
}
