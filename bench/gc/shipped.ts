import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');

const DAEMONSET = join(import.meta.dirname, '../../manifests/collector/daemonset.yaml');

/** What the Dockerfile sets, and the DaemonSet. */
const SHIPPED_ENV = {
  NODE_ENV: 'production',
  MALLOC_ARENA_MAX: '1',
  NODE_OPTIONS: /value: (--max-old-space-size=.*)$/m.exec(readFileSync(DAEMONSET, 'utf8'))?.[1] ?? '',
};

/** Of the first pass after the scan, and of what is written down then. */
const SETTLE_MS = 2_000;

/** What the command costs, as the image runs it, seen from outside. */
export interface Shipped {
  /** From the start of the process until it tells what the directory holds. */
  readonly readyMs: number;
  /** The most that was resident. */
  readonly residentMiB: number;
  /** Share of a core while nothing happens; null where nobody waited. */
  readonly idle: number | null;
}

/** Runs `gc` on a directory, and waits `idleMs` before it ends; 0: not at all. */
export async function shipped(
  directory: string,
  policies: string,
  state: string,
  idleMs: number,
): Promise<Shipped> {
  const began = performance.now();
  const args = ['gc', '--directory', directory, '--policies', policies, '--state-directory', state];
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...SHIPPED_ENV },
  });
  const pid = child.pid ?? 0;
  for await (const line of createInterface(child.stderr)) if (/ holds \d+ archives/.test(line)) break;
  const readyMs = performance.now() - began;
  child.stderr.resume();
  await wait(SETTLE_MS);
  const before = cpuMs(pid);
  await wait(idleMs);
  const idle = idleMs > 0 ? (cpuMs(pid) - before) / idleMs : null;
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  child.kill();
  await once(child, 'exit');
  return { readyMs, residentMiB: Number(kib) / 1_024, idle };
}

/** User and system time, in milliseconds; the kernel counts in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
