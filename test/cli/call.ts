import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context, Output } from '../../cli/context.ts';
import { type Program, run, WARDEN } from '../../cli/program.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const FIXTURES = join(ROOT, 'test/fixtures/archives');

/** What a call wrote, and its exit code. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Terminal {
  readonly width?: number | null;
  readonly isTerminal?: boolean;
  readonly now?: number;
  readonly stop?: AbortSignal;
  /** Default `checkpoint-warden`. */
  readonly program?: Program;
  /** Told of what is written to standard output. */
  readonly onOut?: (text: string) => void;
}

/** A call in this process, without the time that a start takes. */
export async function call(args: readonly string[], terminal: Terminal = {}): Promise<Outcome> {
  const { width = null, isTerminal = false, now, stop = new AbortController().signal, onOut } = terminal;
  const { program = WARDEN } = terminal;
  let out = '';
  let err = '';
  const output = (add: (text: string) => void): Output => ({
    write: add,
    isTerminal,
    hasColour: false,
    width,
  });
  const context: Context = {
    out: output((text) => {
      onOut?.(text);
      out += text;
    }),
    err: output((text) => {
      err += text;
    }),
    now: () => now ?? Date.now(),
    untilStopped: () => stop,
  };
  return { code: await run(args, context, program), out, err };
}

/** A call of the program itself, as a user's shell makes it. */
export async function spawnCall(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly launcher?: string } = {},
): Promise<Outcome> {
  const launcher = options.launcher ?? join(ROOT, 'cli/checkpoint-warden.js');
  const child = spawn(process.execPath, [launcher, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, out, err };
}

/** A directory that is gone after the test. */
export async function scratch(test: { after(clean: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'checkpoint-warden-test-'));
  test.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A scratch directory with the real archives in it. */
export async function scratchArchives(test: { after(clean: () => Promise<void>): void }): Promise<string> {
  const directory = await scratch(test);
  const names = (await readdir(FIXTURES)).filter((name) => name.includes('.tar'));
  // With their times, which are long ago: what was written just now may still grow.
  for (const name of names) {
    await cp(join(FIXTURES, name), join(directory, name), { preserveTimestamps: true });
  }
  return directory;
}
