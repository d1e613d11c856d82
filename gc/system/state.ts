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
}

/** Nothing here is needed for safety: without it waiting periods begin anew and confirmations are asked again. */
const REMEDY = 'what it holds is lost at the next start, and waiting periods begin anew';

/**
 * Documents as files of a directory, written whole or not at all. Not synced to the disk: what a power failure
 * spoils reads as absent.
 */
export function fileState(directory: string, log: Log): StateStore {
  const failing = new Set<string>();
  const tell = (name: string, what: string, error: unknown) => {
    if (failing.has(`${name} ${what}`)) return;
    failing.add(`${name} ${what}`);
    log.error({ err: error, file: join(directory, name) }, `the state file cannot be ${what}: ${REMEDY}`);
  };
  return {
    read(name) {
      try {
        return JSON.parse(readFileSync(join(directory, name), 'utf8'));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null;
        tell(name, 'read', error);
        return null;
      }
    },
    write(name, document) {
      const path = join(directory, name);
      try {
        makeFolder(directory, 0o700);
        writeFileSync(`${path}.new`, `${JSON.stringify(document)}\n`, { mode: 0o600 });
        renameSync(`${path}.new`, path);
        failing.delete(`${name} written`);
      } catch (error) {
        tell(name, 'written', error);
      }
    },
  };
}

/** Documents that end with the process: for a dry run, and where no state directory was given. */
export function memoryState(from: StateStore | null = null): StateStore {
  const documents = new Map<string, unknown>();
  return {
    read: (name) => (documents.has(name) ? documents.get(name) : (from?.read(name) ?? null)),
    write(name, document) {
      documents.set(name, document);
    },
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
