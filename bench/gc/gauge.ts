import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a stretch of a process's life has cost. */
export interface Cost {
  readonly wallMs: number;
  /** User and system time of all threads. */
  readonly cpuMs: number;
  /** The longest the event loop kept a timer waiting, whoever had the processor meanwhile. */
  readonly pauseMs: number;
  /**
   * The most that the event loop's own thread has computed between two timers: the longest pause as a machine would
   * have it that nobody else works on.
   */
  readonly turnMs: number;
  /** The most that was resident so far, since the process began. */
  readonly residentMiB: number;
}

/**
 * Measures from now until the function returned is called.
 * @param resolution milliseconds between the timers that measure pauses, each of which takes some 20 µs of CPU;
 * a pause shows too short by up to that much.
 */
export function gauge(resolution: number): () => Cost {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  const turns = longestTurn(resolution);
  const cpu = process.cpuUsage();
  const began = performance.now();
  return () => {
    const wallMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    delay.disable();
    const pauseMs = Math.max(0, delay.max / 1e6 - resolution);
    const [turnMs, residentMiB] = [turns(), mostResidentMiB()];
    return { wallMs, cpuMs: (user + system) / 1_000, pauseMs, turnMs, residentMiB };
  };
}

/** Milliseconds of CPU. */
function longestTurn(resolution: number): () => number {
  let before = process.threadCpuUsage();
  let longest = 0;
  const look = () => {
    const now = process.threadCpuUsage();
    longest = Math.max(longest, now.user + now.system - before.user - before.system);
    before = now;
  };
  const timer = setInterval(look, resolution);
  return () => {
    clearInterval(timer);
    look();
    return longest / 1_000;
  };
}

/** The kernel's high-water mark. */
function mostResidentMiB(): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) / 1_024;
}
