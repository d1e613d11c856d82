import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Disk, Instant } from '../../policy/types.ts';
import { type Clock, within } from '../system/clock.ts';
import { explain, type FileSystem } from '../system/files.ts';

/** A file system on a network may not answer at all. */
const TIMEOUT_MS = 3_000;

export interface DiskGaugeOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
}

/** File systems may show what an unlink has freed only a while later. */
const SHOWN_LATE_MS = 15_000;

/** How full the directory's file system is. */
export class DiskGauge {
  readonly #options: DiskGaugeOptions;
  #fails = false;
  #last: Disk | null = null;
  #expected: { readonly freeBytes: number; readonly freeInodes: number; readonly until: Instant } | null =
    null;

  constructor(options: DiskGaugeOptions) {
    this.#options = options;
  }

  /**
   * Tells what deletions have given back. Until the file system shows it, it counts as free: or the same shortage
   * would be relieved twice.
   */
  expect(freedBytes: number, freedInodes: number): void {
    if (this.#last === null) return;
    const { freeBytes, freeInodes } = this.#last;
    const until = this.#options.clock.now() + SHOWN_LATE_MS;
    this.#expected = { freeBytes: freeBytes + freedBytes, freeInodes: freeInodes + freedInodes, until };
    this.#last = { ...this.#last, freeBytes: freeBytes + freedBytes, freeInodes: freeInodes + freedInodes };
  }

  /** Null when it cannot be told; then nothing is deleted for its sake. */
  async read(): Promise<Disk | null> {
    const disk = await this.measure();
    if (disk === null) return null;
    this.#last = this.#corrected(disk);
    return this.#last;
  }

  /** As the file system shows it: what a checkpoint can have. Null when it cannot be told; then none is let in. */
  async measure(): Promise<Disk | null> {
    const { files, directory, clock, metrics, log } = this.#options;
    try {
      const disk = await within(clock, TIMEOUT_MS, files.statfs(directory));
      if (disk === null) throw new Error(`no answer within ${TIMEOUT_MS / 1_000} s`);
      metrics.disk.set({ kind: 'total' }, disk.totalBytes);
      metrics.disk.set({ kind: 'free' }, disk.freeBytes);
      metrics.diskInodes.set({ kind: 'total' }, disk.totalInodes);
      metrics.diskInodes.set({ kind: 'free' }, disk.freeInodes);
      if (this.#fails) log.info({ directory }, 'the disk can be measured again');
      this.#fails = false;
      return disk;
    } catch (error) {
      metrics.errors.inc({ operation: 'statfs' });
      const nothing = 'nothing is deleted for disk pressure';
      if (!this.#fails) {
        log.error({ err: error, directory }, `the disk cannot be measured: ${explain(error)}; ${nothing}`);
      }
      this.#fails = true;
      return null;
    }
  }

  #corrected(disk: Disk): Disk {
    const expected = this.#expected;
    if (expected === null || this.#options.clock.now() >= expected.until) return disk;
    const freeBytes = Math.max(disk.freeBytes, expected.freeBytes);
    return { ...disk, freeBytes, freeInodes: Math.max(disk.freeInodes, expected.freeInodes) };
  }
}
