import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireForNodes } from '../../cluster/nodes/requirements.ts';

const call = promisify(execFile);

/** A file system of a test's own. */
export interface Mounted {
  /** As the processes in the namespace see it. */
  readonly path: string;
  /** As the test sees it. */
  readonly outside: string;
}

/** A mount namespace, which ends with the test however that ends, and all mounts and loop devices with it. */
export interface Mounts {
  /** In front of a command it runs that command there. */
  readonly enter: readonly string[];
  /** A directory of the test, on the machine's own file system. */
  readonly scratch: string;
  /** A path in the namespace as the test reaches it. */
  outside(path: string): string;
  run(command: string, ...args: readonly string[]): Promise<void>;
  tmpfs(options: string): Promise<Mounted>;
  /** On a loop device of so many MiB. */
  ext4(mebibytes: number, ...mkfsOptions: readonly string[]): Promise<Mounted>;
  end(): Promise<void>;
}

/** @throws an error of one sentence that names what to install, where this machine cannot do it. */
export async function makeMounts(): Promise<Mounts> {
  await requireForNodes(['unshare', 'nsenter', 'mount', 'mkfs.ext4', 'chattr', 'setpriv']);
  const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-mounts-'));
  // It ends with its standard input, which ends with this process.
  const keeper = spawn('unshare', ['--mount', 'sh', '-c', 'echo; cat > /dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(keeper.stdout, 'data');
  const enter = ['nsenter', `--mount=/proc/${keeper.pid}/ns/mnt`, '--'];
  const run = async (command: string, ...args: readonly string[]) => {
    const [program = '', ...rest] = [...enter, command, ...args];
    await call(program, rest);
  };
  const outside = (path: string) => `/proc/${keeper.pid}/root${path}`;
  let made = 0;
  const place = () => {
    const path = join(scratch, `disk-${++made}`);
    mkdirSync(path);
    return { path, outside: outside(path) };
  };
  return {
    enter,
    scratch,
    outside,
    run,
    async tmpfs(options) {
      const mounted = place();
      await run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', mounted.path);
      return mounted;
    },
    async ext4(mebibytes, ...mkfsOptions) {
      const mounted = place();
      const image = `${mounted.path}.img`;
      await run('truncate', '-s', `${mebibytes}M`, image);
      await run('mkfs.ext4', '-q', '-F', '-m', '0', ...mkfsOptions, image);
      await run('mount', '-o', 'loop', image, mounted.path);
      return mounted;
    },
    async end() {
      const ended = once(keeper, 'exit');
      keeper.stdin.end();
      await ended;
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
