import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../system/files.ts';

/** Where the ledger's journal is kept. Each call is done when it returns, or throws. */
export interface LedgerStore {
  /** Everything; null where there is none yet. */
  read(): string | null;
  /** Adds a line, without its line feed, at the end. */
  append(line: string): void;
  /** Puts these lines in the place of all others, whole or not at all. */
  replace(lines: readonly string[]): void;
  close(): void;
}

const NAME = 'door-ledger.jsonl';

/**
 * A journal in a file that only its owner can read. Not synced to the disk: it has to survive the process, not the
 * machine, for the checkpoints that it tells of do not survive the machine either.
 */
export function fileLedgerStore(directory: string): LedgerStore {
  const path = join(directory, NAME);
  let descriptor: number | null = null;
  const close = () => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  return {
    read() {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null;
        throw error;
      }
    },
    append(line) {
      descriptor ??= openSync(path, 'a', 0o600);
      const bytes = Buffer.from(`${line}\n`);
      // What a full disk cuts off is no line: the next one must not grow together with it.
      if (writeSync(descriptor, bytes) === bytes.length) return;
      writeSync(descriptor, '\n');
      throw new Error(`${path} took a part of a line only; its disk is full`);
    },
    replace(lines) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const text = lines.map((line) => `${line}\n`).join('');
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      close();
    },
    close,
  };
}
