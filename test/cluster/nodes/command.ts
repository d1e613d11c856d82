import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const defaultTimeoutMilliseconds = 60_000;

/** Options of one command. */
export interface CommandOptions {
  /** Standard input; empty by default. */
  readonly input?: string;
  /** Milliseconds until it is killed; default 60,000. */
  readonly timeout?: number;
}

/** What one command came to. */
export interface CommandResult {
  /** Exit status; 124, as timeout(1) has it, when it was killed. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of every command: nothing but a path that has the administrator's programs in it. */
export const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
} as const;

/** Runs a command of this machine. A non-zero status is a result, not an error. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(program, args, {
    cwd: '/',
    env: environment,
    timeout: options.timeout ?? defaultTimeoutMilliseconds,
    killSignal: 'SIGKILL',
  });
  // It may end before it has read all of its input (EPIPE); its status says whether that matters.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode ?? 124, stdout, stderr };
}

/** Runs a command that must succeed, and returns what it printed. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await runCommand(program, args, options);
  if (status === 0) return stdout;
  const said = (stderr || stdout).trim();
  throw new Error(`${program} ${args.join(' ')} failed (${status}): ${said}`);
}
