import type { Log } from '../../kube/types.ts';
import { explain } from '../system/files.ts';
import { type LedgerRecord, readRecord } from './ledger-record.ts';
import { LedgerState } from './ledger-state.ts';
import type { LedgerStore } from './ledger-store.ts';

/** Lines after which the journal is written anew, unless most of them still count. */
const MOST_LINES = 1_000;

/** The ledger's state with its journal: each change is a line of a file first. */
export class LedgerJournal {
  readonly state = new LedgerState();
  readonly #store: LedgerStore;
  readonly #log: Log;
  #lines = 0;
  /** The file lacks what could not be written. */
  #isBehind = false;

  /** @throws a sentence when the journal cannot be read. */
  constructor(store: LedgerStore, log: Log) {
    this.#store = store;
    this.#log = log;
    const unreadable = this.#load();
    if (unreadable === 0) return;
    const what = `${unreadable} lines of the door's ledger cannot be read, and are left out`;
    log.warn({ lines: unreadable }, `${what}; what they promised is not counted any more`);
  }

  /** Writes a record down, then takes it in. @throws when it could not be written; then nothing has changed. */
  write(record: LedgerRecord): void {
    try {
      if (this.#isBehind || this.#lines > MOST_LINES) this.compact();
      this.#store.append(JSON.stringify(record));
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    this.#lines += 1;
    this.state.apply(record);
  }

  /** Takes in what has happened, and writes it down as soon as that can be done. */
  tell(record: LedgerRecord): void {
    try {
      this.write(record);
    } catch {
      this.state.apply(record);
    }
  }

  /** Writes the journal anew with what still counts. @throws when it could not be written. */
  compact(): void {
    const lines = Array.from(this.state.records(), (record) => JSON.stringify(record));
    this.#store.replace(lines);
    // A journal that is long because much is in it must not be written anew at each line.
    this.#lines = -lines.length;
    if (this.#isBehind) this.#log.info({}, "the door's ledger can be written again");
    this.#isBehind = false;
  }

  /** What stands at the file's end now must not grow together with the next line: it is written anew. */
  #fail(error: unknown): void {
    if (!this.#isBehind) {
      const what = `the door's ledger cannot be written: ${explain(error)}`;
      this.#log.error({ err: error }, `${what}; no checkpoint is let through until it can`);
    }
    this.#isBehind = true;
  }

  close(): void {
    this.#store.close();
  }

  /** How many lines were no records. A last line without an end is one whose writer was killed: it never counted. */
  #load(): number {
    let text: string | null;
    try {
      text = this.#store.read();
    } catch (cause) {
      throw new Error(`the door's ledger cannot be read: ${explain(cause)}; mend or remove it`, { cause });
    }
    const lines = (text ?? '').split('\n');
    lines.pop();
    let unreadable = 0;
    for (const line of lines) {
      if (line === '') continue;
      const record = readRecord(line);
      if (record === null) unreadable += 1;
      else this.state.apply(record);
    }
    return unreadable;
  }
}
