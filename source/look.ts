import { constants } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { MOST_BYTES } from '../policy/documents.ts';
import { finding } from '../policy/findings.ts';
import type { Finding } from '../policy/types.ts';

/** One file, as one look found it. */
export interface Sight {
  /** As the user named it, or the folder's path and the name in it. */
  readonly file: string;
  /** A folder may hold other kinds beside policies; a file that was named is to be all policies. */
  readonly inFolder: boolean;
  /** Its bytes, or why there are none. */
  readonly content: Buffer | Finding;
}

/** All files of some paths, as one look found them. */
export interface Look {
  /** In the order of the paths, those of a folder sorted by name. */
  readonly sights: readonly Sight[];
  /** Paths that could not be looked into, those of missing files included. */
  readonly closed: readonly Closed[];
  /** What the folders hold beside: subfolders, and files of other endings. Names with a leading dot do not count. */
  readonly passedOver: readonly string[];
}

export interface Closed {
  readonly path: string;
  readonly finding: Finding;
  /**
   * Its folder could be read, and it was not there. Otherwise what is in it is not known, which is not to say that
   * it is gone.
   */
  readonly gone: boolean;
}

const POLICY_FILE = /^[^.].*\.(ya?ml|json)$/i;

/** Whether a folder's entry is a policy file; names with a leading dot, such as `..data`, are not. */
export function isPolicyFile(name: string): boolean {
  return POLICY_FILE.test(name);
}

/** Looks at files and folders. Never rejects. A file that two paths lead to is read once. */
export async function lookAt(paths: readonly string[]): Promise<Look> {
  const sights = new Map<string, Sight>();
  const closed: Closed[] = [];
  const passedOver = new Set<string>();
  for (const path of paths) {
    try {
      for (const sight of await sightsOf(path, passedOver)) {
        if (!sights.has(resolve(sight.file))) sights.set(resolve(sight.file), sight);
      }
    } catch (error) {
      closed.push({ path, finding: unreadable(error), gone: await isGone(path) });
    }
  }
  return { sights: [...sights.values()], closed, passedOver: [...passedOver] };
}

async function isGone(path: string): Promise<boolean> {
  try {
    return !(await readdir(dirname(path))).includes(basename(path));
  } catch {
    return false;
  }
}

async function sightsOf(path: string, passedOver: Set<string>): Promise<Sight[]> {
  if (!(await stat(path)).isDirectory()) {
    const content = await contentOf(path);
    return content === null ? [] : [{ file: path, inFolder: false, content }];
  }
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  const sights: Sight[] = [];
  for (const name of names) {
    const file = join(path, name);
    const content = isPolicyFile(name) ? await contentOf(file) : null;
    if (content === null) passedOver.add(file);
    else sights.push({ file, inFolder: true, content });
  }
  return sights;
}

/** Null for a folder within the folder. */
async function contentOf(file: string): Promise<Sight['content'] | null> {
  try {
    // Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (stats.isDirectory()) return null;
    if (stats.isFile()) return await readBounded(handle, stats.size);
    return finding('unreadableFile', '', undefined, 'is not a regular file', 'name a file or a folder');
  } catch (error) {
    return unreadable(error);
  }
}

/** One byte more than may be, so that the reader of the documents sees that there is more. */
async function readBounded(handle: FileHandle, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(size, MOST_BYTES) + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function unreadable(error: unknown): Finding {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const [message, remedy] = SENTENCES[code] ?? [`cannot be read (${code})`, 'see that it can be opened'];
  return finding('unreadableFile', '', undefined, message, remedy);
}

const SENTENCES: Readonly<Record<string, readonly [message: string, remedy: string] | undefined>> = {
  ENOENT: ['does not exist', 'check the path'],
  ENOTDIR: ['lies in something that is no folder', 'check the path'],
  EACCES: ['may not be read by this user', 'give the user the right to read it'],
  EPERM: ['may not be read by this user', 'give the user the right to read it'],
  ELOOP: ['is a link that leads in a circle', 'mend the link'],
  ENAMETOOLONG: ['has a name that is too long', 'check the path'],
};
