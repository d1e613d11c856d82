import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Decision, Disk, Instant } from '../../policy/types.ts';
import { type Clock, within } from '../system/clock.ts';
import { explain, type FileSystem } from '../system/files.ts';
import { type Relief, SHOWN_LATE_MS, yieldOf } from './relief.ts';

/** A file system on a network may not answer at all. */
const TIMEOUT_MS = 3_000;

export interface DiskGaugeOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
  /** Told of what was deleted, and of what the file system shows. */
  readonly relief: Relief;
}

/** How full the directory's file system is. */
export class DiskGauge {
  readonly #options: DiskGaugeOptions;
  #fails = false;
  #last: Disk | null = null;
  /** As the file system has shown it last. */
  #shown: Disk | null = null;
  #expected: { readonly freeBytes: number; readonly freeInodes: number; readonly until: Instant } | null =
    null;

  constructor(options: DiskGaugeOptions) {
    this.#options = options;
  }

  /**
   * Takes what was deleted. Until the file system shows what it has given back, for a while, that counts as free: or
   * the same shortage would be relieved twice.
   */
  async expect(deleted: readonly Decision[]): Promise<void> {
    if (deleted.length === 0 || this.#last === null || this.#shown === null) return;
    const { clock, relief } = this.#options;
    const given = yieldOf(deleted);
    const freeBytes = this.#last.freeBytes + given.bytes;
    const freeInodes = this.#last.freeInodes + given.inodes;
    this.#expected = { freeBytes, freeInodes, until: clock.now() + SHOWN_LATE_MS };
    this.#last = { ...this.#last, freeBytes, freeInodes };
    relief.expect(deleted, this.#shown, clock.now());
    if (relief.shortfall !== null) await this.measure();
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
    const { files, directory, clock, metrics, log, relief } = this.#options;
    try {
      const disk = await within(clock, TIMEOUT_MS, files.statfs(directory));
      if (disk === null) throw new Error(`no answer within ${TIMEOUT_MS / 1_000} s`);
      metrics.disk.set({ kind: 'total' }, disk.totalBytes);
      metrics.disk.set({ kind: 'free' }, disk.freeBytes);
      metrics.diskInodes.set({ kind: 'total' }, disk.totalInodes);
      metrics.diskInodes.set({ kind: 'free' }, disk.freeInodes);
      if (this.#fails) log.info({ directory }, 'the disk can be measured again');
      this.#fails = false;
      this.#shown = disk;
      relief.observe(disk, clock.now());
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
