import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Instant } from '../../policy/types.ts';
import type { Reading } from '../archive/identity.ts';
import type { Stamp } from '../system/files.ts';
import { Pace } from '../system/pace.ts';
import type { Inventory } from './inventory.ts';
import { decodeReadings, encodeReadings, type Readings } from './readings.ts';
import type { ReadingsStore } from './readings-file.ts';

/** Writing down 100,000 readings takes 0.1 s: what is lost to a crash is read again in less. */
const LEAST_BETWEEN_SAVES_MS = 600_000;

const CONSEQUENCE = 'archives are read once more at the next start, which takes longer';

export interface RecollectionOptions {
  readonly store: ReadingsStore;
  readonly now: () => Instant;
  readonly log: Log;
  readonly metrics: CollectorMetrics;
  /** Told that a scan begins which fills the heap with what is remembered, and that it is over. */
  readonly onFilling?: (isFilling: boolean) => void;
}

/**
 * What was read of archives, from one process to the next, so that a start reads none that is as it was. It saves
 * time and proves nothing: a file whose inode, size, mtime or ctime differ is read again, and so is every archive
 * before it is deleted.
 */
export class Recollection {
  readonly #options: RecollectionOptions;
  #readings: Readings | null = null;
  #isLoaded = false;
  /** How many archives the inventory had read at the last save. */
  #savedReads = 0;
  #savedAt: Instant | null = null;
  #saving: Promise<void> | null = null;
  #fails = false;

  constructor(options: RecollectionOptions) {
    this.#options = options;
  }

  /** What is remembered of a file; null when it must be read. */
  recall(stamp: Stamp, changedUs: number): Reading | null {
    if (!this.#isLoaded) this.#load();
    return this.#readings?.of(stamp, changedUs) ?? null;
  }

  /** To be called after a scan that has seen all. What was remembered is in the inventory now. */
  async scanned(inventory: Inventory): Promise<void> {
    this.#isLoaded = true;
    if (this.#readings !== null) this.#options.onFilling?.(false);
    this.#readings = null;
    const since = this.#savedAt === null ? null : this.#options.now() - this.#savedAt;
    if (since === null || since >= LEAST_BETWEEN_SAVES_MS || since < 0) await this.save(inventory);
  }

  /** Writes down what is known, if there is news. Never rejects. A call while one is under way joins that one. */
  save(inventory: Inventory): Promise<void> {
    this.#saving ??= this.#save(inventory).finally(() => {
      this.#saving = null;
    });
    return this.#saving;
  }

  async #save(inventory: Inventory): Promise<void> {
    // Where nothing can be seen, what was known before is still the best there is.
    const { archivesRead } = inventory;
    if (archivesRead === this.#savedReads || !inventory.state.ok) return;
    const { store, now } = this.#options;
    this.#savedAt = now();
    try {
      const most = inventory.totals().archives;
      await store.save(await encodeReadings(inventory.readings(), most, new Pace()));
      this.#savedReads = archivesRead;
      this.#fails = false;
    } catch (error) {
      this.#tell(error, 'written');
    }
  }

  #load(): void {
    this.#isLoaded = true;
    const { store, log, onFilling } = this.#options;
    try {
      const document = store.load();
      if (document === null) return;
      this.#readings = decodeReadings(document);
      if (this.#readings !== null) onFilling?.(true);
      else
        log.warn({}, 'what was remembered of archives is damaged or of another version; all are read again');
    } catch (error) {
      this.#tell(error, 'read');
    }
  }

  #tell(error: unknown, what: string): void {
    const { log, metrics } = this.#options;
    metrics.errors.inc({ operation: 'remember' });
    if (this.#fails) return;
    this.#fails = true;
    log.error({ err: error }, `what was read of archives cannot be ${what}: ${CONSEQUENCE}`);
  }
}
