import type { Audit, AuditRecord } from '../../observe/audit.ts';

/** Keeps the collector's audit records, and tells whoever waits for one. */
export class Diary implements Audit {
  readonly lost = 0;
  readonly #records: AuditRecord[] = [];
  readonly #listeners = new Set<(record: AuditRecord) => void>();

  record(record: AuditRecord): void {
    this.#records.push(record);
    for (const listener of this.#listeners) listener(record);
  }

  /** How many records there are: a mark to ask from. */
  get mark(): number {
    return this.#records.length;
  }

  /** Deletions recorded since a mark. */
  deletionsSince(mark: number): readonly AuditRecord[] {
    return this.#records.slice(mark).filter(({ operation }) => operation === 'delete');
  }

  /** Calls back for each record from now on. @returns a function that ends it. */
  follow(listener: (record: AuditRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when so many deletions were recorded since the mark; rejects when they were not in time. */
  async deletions(mark: number, count: number, withinMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = () => {
      if (this.deletionsSince(mark).length >= count) resolve();
    };
    const end = this.follow(check);
    const timer = setTimeout(() => {
      const seen = this.deletionsSince(mark).length;
      reject(new Error(`${count} deletions were expected within ${withinMs / 1000} s, ${seen} were seen`));
    }, withinMs);
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      check();
      await promise;
    } finally {
      end();
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
}
