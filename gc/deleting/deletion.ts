import { PIN_SUFFIX } from '../archive/names.ts';
import {
  type Anchor,
  errorCode,
  type FileName,
  type FileSystem,
  isNoRoom,
  isSameStamp,
  pathOf,
  type Stamp,
} from '../system/files.ts';
import { type Epitaph, nameDigest, readTombstone, tombstoneName } from './tombstones.ts';

/**
 * `gone`: nothing is there. `changed`: another file, or the same with other content, is there. `pinned`: a pin has
 * appeared. In all three the archive stays what it is.
 */
export type SpareReason = 'gone' | 'changed' | 'pinned';

export type Outcome =
  | { readonly kind: 'deleted' }
  | { readonly kind: 'spared'; readonly reason: SpareReason }
  /** Nothing was lost: the file has its own name, or that of the tombstone. */
  | {
      readonly kind: 'failed';
      readonly operation: 'look' | 'rename' | 'unlink' | 'restore';
      readonly error: unknown;
      /** The name that the file has now, where that is not its own. */
      readonly tombstone?: string;
    };

/**
 * Deletes one archive, if what has its name is still the file that `stamp` is of. It is renamed first and looked at
 * once more under a name that nobody else uses; only then it is unlinked. So whatever happens between two looks,
 * another file is never lost, and a crash leaves either the archive or a tombstone (`finishTombstone`). A disk may be
 * too full for the new name; then the last look and the unlink follow one another, for somebody has to make room. All
 * of it is done in the directory that has the name at the beginning, whatever has it later.
 */
export async function deleteArchive(
  files: FileSystem,
  directory: string,
  file: string,
  stamp: Stamp,
  now: number,
): Promise<Outcome> {
  let anchor: Anchor;
  try {
    anchor = files.anchor(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'spared', reason: 'gone' };
    return { kind: 'failed', operation: 'look', error };
  }
  try {
    return await deleteIn(files, anchor.path, file, stamp, now);
  } finally {
    anchor.close();
  }
}

async function deleteIn(
  files: FileSystem,
  directory: string,
  file: string,
  stamp: Stamp,
  now: number,
): Promise<Outcome> {
  const path = pathOf(directory, file);
  try {
    const reason = reasonToSpare(files, directory, path, file, stamp);
    if (reason !== null) return { kind: 'spared', reason };
  } catch (error) {
    return { kind: 'failed', operation: 'look', error };
  }
  const name = tombstoneName(file, stamp, now);
  const tombstone = pathOf(directory, name);
  try {
    await files.rename(path, tombstone);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'spared', reason: 'gone' };
    if (isNoRoom(error)) return unlinkAtOnce(files, directory, file, stamp);
    return { kind: 'failed', operation: 'rename', error };
  }
  return finish(files, directory, name, file, stamp);
}

/**
 * Ends what a crash or a failure has left: deletes the file if it is the one that was meant and no pin has come
 * since, and gives it its name back otherwise. Null for a tombstone that was not made here, which is left alone.
 *
 * @param device the directory's: a tombstone does not name one.
 */
export async function finishTombstone(
  files: FileSystem,
  directory: string,
  name: string,
  device: number,
): Promise<(Outcome & { readonly file: string | null }) | null> {
  const epitaph = readTombstone(name);
  if (epitaph === null) return null;
  let anchor: Anchor | null = null;
  try {
    anchor = files.anchor(directory);
    const file = epitaph.file ?? (await fileOf(files, anchor.path, epitaph));
    return { ...(await finish(files, anchor.path, name, file, { ...epitaph.stamp, device })), file };
  } catch (error) {
    return { kind: 'failed', operation: 'look', error, tombstone: name, file: epitaph.file };
  } finally {
    anchor?.close();
  }
}

/** `file`: the archive's name; null where nobody knows it, and then nothing pins it. */
async function finish(
  files: FileSystem,
  directory: string,
  name: string,
  file: string | null,
  stamp: Stamp,
): Promise<Outcome> {
  const tombstone = pathOf(directory, name);
  const path = file === null ? null : pathOf(directory, file);
  let reason: SpareReason | null;
  try {
    reason = reasonToSpare(files, directory, tombstone, file, stamp);
  } catch (error) {
    return restoreOrFail(files, tombstone, path, name, { kind: 'failed', operation: 'look', error });
  }
  // Somebody else has taken the tombstone away: what became of it is not known.
  if (reason === 'gone') return { kind: 'spared', reason };
  if (reason !== null) return restoreOrFail(files, tombstone, path, name, { kind: 'spared', reason });
  try {
    await files.unlink(tombstone);
    return { kind: 'deleted' };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'spared', reason: 'gone' };
    return { kind: 'failed', operation: 'unlink', error, tombstone: name };
  }
}

/**
 * Without a tombstone: a rename adds the new name before it takes the old one away, and where the blocks of the
 * directory and of the disk are full there is no room for it.
 */
async function unlinkAtOnce(
  files: FileSystem,
  directory: string,
  file: string,
  stamp: Stamp,
): Promise<Outcome> {
  const path = pathOf(directory, file);
  try {
    const reason = reasonToSpare(files, directory, path, file, stamp);
    if (reason !== null) return { kind: 'spared', reason };
    await files.unlink(path);
    return { kind: 'deleted' };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'spared', reason: 'gone' };
    return { kind: 'failed', operation: 'unlink', error };
  }
}

/** Looks at what stands under a path; `file` is the name that a pin would hold. */
function reasonToSpare(
  files: FileSystem,
  directory: string,
  path: FileName,
  file: string | null,
  stamp: Stamp,
): SpareReason | null {
  const facts = files.lstat(path);
  if (facts === null) return 'gone';
  if (facts.kind !== 'file' || !isSameStamp(facts, stamp)) return 'changed';
  return file !== null && files.exists(pathOf(directory, file + PIN_SUFFIX)) ? 'pinned' : null;
}

/** Gives a file its name back, without taking that from a file that has it by now. */
async function restoreOrFail(
  files: FileSystem,
  tombstone: FileName,
  path: FileName | null,
  name: string,
  outcome: Outcome,
): Promise<Outcome> {
  try {
    if (path === null) throw new Error('nobody knows what it was called');
    await linkOnce(files, tombstone, path);
    await files.unlink(tombstone);
    return outcome;
  } catch (error) {
    return { kind: 'failed', operation: 'restore', error, tombstone: name };
  }
}

async function linkOnce(files: FileSystem, tombstone: FileName, path: FileName): Promise<void> {
  try {
    await files.link(tombstone, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    // It may have its name back since an earlier attempt, which then failed to remove the tombstone.
    const [one, other] = [files.lstat(tombstone), files.lstat(path)];
    if (one === null || other === null || !isSameStamp(one, other)) throw error;
  }
}

/** The name of an archive whose tombstone has its digest only, if something pins it. */
async function fileOf(files: FileSystem, directory: string, { digest }: Epitaph): Promise<string | null> {
  for await (const names of files.list(directory)) {
    for (const name of names) {
      if (typeof name !== 'string' || !name.endsWith(PIN_SUFFIX)) continue;
      const file = name.slice(0, -PIN_SUFFIX.length);
      if (nameDigest(file) === digest) return file;
    }
  }
  return null;
}
