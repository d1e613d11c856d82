import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { errorCode } from '../system/files.ts';
import { MOST_BYTES } from './readings.ts';

/** Where readings outlive the process. */
export interface ReadingsStore {
  /** The document; null when there is none. Throws what the file system throws. */
  load(): Buffer | null;
  /** @param parts of the document, one behind the other. */
  save(parts: readonly Buffer[]): Promise<void>;
}

/** A file that is written whole or not at all. Not synced to the disk: what a power failure spoils is read again. */
export function readingsFile(path: string): ReadingsStore {
  return {
    load() {
      const file = openOrNull(path);
      if (file === null) return null;
      try {
        const facts = fstatSync(file);
        if (!facts.isFile()) throw new Error('it is not a file');
        if (facts.size > MOST_BYTES) throw new Error(`it is longer than ${MOST_BYTES} bytes`);
        return readFileSync(file);
      } finally {
        closeSync(file);
      }
    },
    async save(parts) {
      await writeFile(`${path}.new`, parts, { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
  };
}

/** Nothing is kept: for a dry run, and where no state directory was given. */
export function withoutSaving(store: ReadingsStore | null): ReadingsStore {
  return { load: () => store?.load() ?? null, save: async () => {} };
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
