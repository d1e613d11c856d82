import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';

/**
 * Outlives the test process by a moment. Each line of its input is the whole list of ids that run now; at
 * the end of the input, which comes even when the test process is killed, it kills the last list and
 * removes the directory. A process that still dies may write once more, hence the repetition.
 */
const watcher = `
trap '' HUP INT TERM
ids=
while read -r line; do ids=$line; done
[ -z "$ids" ] || kill -9 $ids
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$1" && exit 0
  sleep 0.2
done
exit 1
`;

/** Sees to it that processes and a directory end with the process that made them, however that ends. */
export interface Guard {
  /** Directory to remove at the end. */
  readonly directory: string;
  /** Takes charge of a process. */
  watch(child: ChildProcess): void;
  /** Kills what still runs and removes the directory. */
  release(): Promise<void>;
}

/** Starts to guard `directory`. */
export async function startGuard(directory: string): Promise<Guard> {
  // A session of its own: neither Ctrl-C nor a signal to the test's process group ends it early.
  const shell = spawn('/bin/sh', ['-c', watcher, 'cluster-guard', directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(shell, 'spawn');
  shell.unref();
  if (shell.stdin instanceof Socket) shell.stdin.unref();

  const running = new Set<ChildProcess>();
  const announce = () => shell.stdin.write(`${[...running].map((child) => child.pid).join(' ')}\n`);

  return {
    directory,
    watch(child) {
      if (child.pid === undefined || hasExited(child)) return;
      running.add(child);
      announce();
      child.once('exit', () => {
        running.delete(child);
        announce();
      });
    },
    async release() {
      await Promise.all([...running].map(killed));
      if (hasExited(shell)) return;
      shell.ref();
      shell.stdin.end();
      const [status] = await once(shell, 'exit');
      if (status !== 0) throw new Error(`${directory} could not be removed`);
    },
  };
}

/** Ends a process by SIGKILL and waits until it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  if (hasExited(child)) return;
  child.ref();
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Whether a process that was started has ended. */
export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
