import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a stretch of a process's life has cost. */
export interface Cost {
  readonly wallMs: number;
  /** User and system time of all threads. */
  readonly cpuMs: number;
  /** The longest the event loop kept a timer waiting. */
  readonly pauseMs: number;
  /** The most that was resident so far, since the process began. */
  readonly residentMiB: number;
}

/**
 * Measures from now until the function returned is called.
 * @param resolution milliseconds between the timers that measure pauses, each of which takes some 15 µs of CPU;
 * a pause shows too short by up to that much.
 */
export function gauge(resolution: number): () => Cost {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  const cpu = process.cpuUsage();
  const began = performance.now();
  return () => {
    const wallMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    delay.disable();
    const pauseMs = Math.max(0, delay.max / 1e6 - resolution);
    return { wallMs, cpuMs: (user + system) / 1_000, pauseMs, residentMiB: mostResidentMiB() };
  };
}

/** The kernel's high-water mark. */
function mostResidentMiB(): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) / 1_024;
}
