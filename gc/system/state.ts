import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../kube/types.ts';
import { makeFolder } from '../../observe/folder.ts';
import { errorCode, explain } from './files.ts';

/** Small JSON documents that outlive the process. */
export interface StateStore {
  /** The document; null when there is none that can be read. */
  read(name: string): unknown;
  /** Never throws: what cannot be kept is told, and lost with the process. */
  write(name: string, document: unknown): void;
  /** Tries once more what could not be written: a disk that is full is so for a while. */
  retry(): void;
}

/** What a process cannot learn of the one before. */
const UNWRITTEN =
  'it is tried again at each scan; until then a restart begins waiting periods and deletion budgets anew, and lets policies act that wait for a checkpoint';
const UNREAD =
  'waiting periods and deletion budgets begin anew, confirmations are asked for again, and policies act that waited for a checkpoint';

/**
 * Documents as files of a directory, written whole or not at all. Not synced to the disk: what a power failure
 * spoils reads as absent.
 *
 * @param onFailure called at each failure; the log has each once.
 */
export function fileState(directory: string, log: Log, onFailure: () => void = () => {}): StateStore {
  const unread = new Set<string>();
  /** What could not be written. */
  const unwritten = new Map<string, unknown>();
  const tell = (name: string, error: unknown, message: string) =>
    log.error({ err: error, file: join(directory, name) }, message);
  const store: StateStore = {
    read(name) {
      try {
        return JSON.parse(readFileSync(join(directory, name), 'utf8'));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null;
        onFailure();
        if (!unread.has(name))
          tell(name, error, `the state file cannot be read: ${explain(error)}; ${UNREAD}`);
        unread.add(name);
        return null;
      }
    },
    write(name, document) {
      const path = join(directory, name);
      try {
        makeFolder(directory, 0o700);
        writeFileSync(`${path}.new`, `${JSON.stringify(document)}\n`, { mode: 0o600 });
        renameSync(`${path}.new`, path);
        if (unwritten.delete(name)) log.info({ file: path }, 'the state file can be written again');
      } catch (error) {
        onFailure();
        if (!unwritten.has(name))
          tell(name, error, `the state file cannot be written: ${explain(error)}; ${UNWRITTEN}`);
        unwritten.set(name, document);
      }
    },
    retry() {
      for (const [name, document] of [...unwritten]) store.write(name, document);
    },
  };
  return store;
}

/** Documents that end with the process: for a dry run, and where no state directory was given. */
export function memoryState(from: StateStore | null = null): StateStore {
  const documents = new Map<string, unknown>();
  return {
    read: (name) => (documents.has(name) ? documents.get(name) : (from?.read(name) ?? null)),
    write(name, document) {
      documents.set(name, document);
    },
    retry() {},
  };
}

/** Makes the state directory, or throws a sentence. */
export function makeStateDirectory(directory: string): void {
  try {
    makeFolder(directory, 0o700);
  } catch (error) {
    throw new Error(`the state directory ${directory} cannot be made: ${explain(error)}; name another`, {
      cause: error,
    });
  }
}
