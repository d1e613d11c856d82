import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Guard, hasExited, killed } from './guard.ts';

const pollMilliseconds = 25;
const tailLines = 30;

/** A program that runs in the background and writes to a log in the guarded directory. */
export interface Server {
  readonly child: ChildProcess;
  readonly name: string;
  readonly log: string;
  /** SIGKILL: on SIGTERM the API server would drain for a minute. */
  kill(): Promise<void>;
}

/** A server that ended, or did not answer in time, with the end of its log. */
export class ServerFailure extends Error {
  readonly tail: string;

  constructor(name: string, what: string, tail: string) {
    super(`${name} ${what}; the end of its log:\n${tail}`);
    this.name = 'ServerFailure';
    this.tail = tail;
  }
}

/**
 * Starts `program`; its environment is empty but for the path, so that no proxy or setting leaks in.
 * The name, which its log bears too, is the program's unless told otherwise.
 */
export async function startServer(
  guard: Guard,
  program: string,
  args: readonly string[],
  name: string = basename(program),
): Promise<Server> {
  const log = join(guard.directory, `${name}.log`);
  const output = openSync(log, 'a');
  const child = spawn(program, args, {
    cwd: guard.directory,
    // Out of reach of Ctrl-C, at which the API server would start to drain.
    detached: true,
    env: { PATH: process.env.PATH, HOME: guard.directory },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  guard.watch(child);
  await once(child, 'spawn');
  // A test that forgets to stop it still ends, and the guard then ends the server.
  child.unref();
  return { child, name, log, kill: () => killed(child) };
}

/** Waits until `isReady` says so; throws as soon as the server ends, or after `deadline` milliseconds. */
export async function waitUntilReady(
  server: Server,
  isReady: () => Promise<boolean>,
  deadline: number,
): Promise<void> {
  const end = Date.now() + deadline;
  while (!(await isReady())) {
    if (hasExited(server.child)) {
      const status = server.child.signalCode ?? server.child.exitCode;
      throw new ServerFailure(server.name, `ended (${status})`, await logTail(server));
    }
    if (Date.now() > end) {
      throw new ServerFailure(server.name, `was not ready after ${deadline / 1000} s`, await logTail(server));
    }
    await sleep(pollMilliseconds);
  }
}

async function logTail(server: Server): Promise<string> {
  const lines = (await readFile(server.log, 'utf8')).trimEnd().split('\n');
  return lines.slice(-tailLines).join('\n');
}
