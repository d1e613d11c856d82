import { type NameRules, UNFINISHED_PIN_SUFFIX } from '../archive/names.ts';
import {
  explain,
  type FileFacts,
  type FileKind,
  type FileName,
  type FileSystem,
  pathOf,
} from '../system/files.ts';

/** What stands under one name of the directory. */
export type Sighting =
  | { readonly role: 'archive'; readonly facts: FileFacts }
  | { readonly role: 'pin' | 'tombstone'; readonly bytes: number }
  | {
      readonly role: 'foreign';
      readonly bytes: number;
      /** Why it is no archive, in words. */
      readonly reason: string;
    };

const NOT_A_FILE: Readonly<Record<Exclude<FileKind, 'file'>, string>> = {
  directory: 'it is a directory',
  link: 'it is a symbolic link',
  fifo: 'it is a FIFO',
  socket: 'it is a socket',
  device: 'it is a device',
};

/**
 * Looks at one name, without opening it. Null when nothing is there. What cannot be looked at is foreign, for
 * nothing may happen to it.
 *
 * @param device where the directory lies; what lies elsewhere is mounted there, and cannot be deleted.
 */
export function sight(
  files: FileSystem,
  directory: string,
  name: FileName,
  device: number,
  rules: NameRules,
): Sighting | null {
  let facts: FileFacts | null;
  try {
    facts = files.lstat(pathOf(directory, name));
  } catch (error) {
    return foreign(0, `it cannot be looked at: ${explain(error)}`);
  }
  if (facts === null) return null;
  const bytes = facts.kind === 'file' ? facts.bytes : 0;
  if (typeof name !== 'string') return foreign(bytes, 'its name is not valid UTF-8');
  const role = rules.roleOf(name);
  if (role === 'pin') return { role, bytes };
  if (role === 'other') {
    const unfinished = name.endsWith(UNFINISHED_PIN_SUFFIX);
    return foreign(
      bytes,
      unfinished ? 'it is a pin that is being written' : 'its name is not that of an archive',
    );
  }
  if (facts.kind !== 'file') return foreign(0, NOT_A_FILE[facts.kind]);
  if (facts.device !== device) return foreign(bytes, 'it is mounted from another file system');
  return role === 'archive' ? { role, facts } : { role, bytes };
}

function foreign(bytes: number, reason: string): Sighting {
  return { role: 'foreign', bytes, reason };
}
