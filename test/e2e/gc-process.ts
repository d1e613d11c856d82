import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, '../../cli/checkpoint-warden.js');

/** A collector as its users start it. */
export interface GcProcess {
  /** Lines of its log so far, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  readonly pid: number;
  /** What it has written to standard output so far. */
  readonly out: string;
  /** Whether a line of the log has this message. */
  said(pattern: RegExp): boolean;
  readonly ended: Promise<Ended>;
  /** Ends it by SIGTERM, in so many milliseconds. */
  stop(): Promise<Ended & { readonly took: number }>;
  /** Ends it by SIGKILL, if it is still there. */
  kill(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** @param through a command that runs another one in its place, as `nsenter` does. */
export function startGc(args: readonly string[], through: readonly string[] = []): GcProcess {
  const [command = '', ...parameters] = [...through, process.execPath, PROGRAM, 'gc', ...args];
  const child: ChildProcess = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  const ended = once(child, 'exit').then(([code, signal]): Ended => ({ code, signal }));
  const lines: Record<string, unknown>[] = [];
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) lines.push(parsed(part));
  });
  return {
    lines,
    pid: child.pid ?? 0,
    get out() {
      return out;
    },
    said: (pattern) => lines.some(({ message }) => pattern.test(String(message))),
    ended,
    async stop() {
      const began = Date.now();
      child.kill('SIGTERM');
      return { ...(await ended), took: Date.now() - began };
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line);
  } catch {
    return { message: line };
  }
}
