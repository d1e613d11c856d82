import { explain, type FileFacts, type FileSystem, type Inode } from '../system/files.ts';

/** While it is not ok, nothing in it may be taken for present, and nothing be deleted. */
export type DirectoryState =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Nothing is wrong: the first scan has not ended yet. */
      readonly isAwaited?: true;
    };

/** Which directory it is, as opposed to which name it has. */
export interface DirectoryIdentity {
  readonly device: number;
  readonly inode: Inode;
}

export type DirectoryLook =
  | { readonly kind: 'there'; readonly identity: DirectoryIdentity }
  /** What was in it is there no more. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** What is in it cannot be told now. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Looks which directory has a name. A link is followed: /var/lib/kubelet is one on many nodes. */
export function lookAtDirectory(files: FileSystem, directory: string): DirectoryLook {
  let facts: FileFacts | null;
  try {
    facts = files.stat(directory);
  } catch (error) {
    return { kind: 'unreadable', reason: `${directory} cannot be looked at: ${explain(error)}` };
  }
  if (facts === null) return { kind: 'gone', reason: `${directory} does not exist` };
  if (facts.kind !== 'directory') return { kind: 'gone', reason: `${directory} is not a directory` };
  return { kind: 'there', identity: { device: facts.device, inode: facts.inode } };
}

/** Why the directory is another one than before, in words; null when it is the same. */
export function replacement(
  directory: string,
  before: DirectoryIdentity,
  now: DirectoryIdentity,
): string | null {
  if (before.device !== now.device) return `${directory} now lies on another file system`;
  return before.inode === now.inode ? null : `${directory} was replaced by another directory`;
}
