import { constants } from 'node:fs';
import { lstat, open, rename, unlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { fieldsOf, own, text } from '../../policy/json.ts';
import { errorCode } from '../system/files.ts';
import { nodeFiles } from '../system/node-files.ts';
import { PIN_SUFFIX, UNFINISHED_PIN_SUFFIX } from './names.ts';

/** Who wrote a pin that a program wrote; the public operator leaves a pin of any other manager alone. */
export const MANAGER = 'checkpoint-warden';

/** A note fits; nobody's memory image does. */
const LONGEST_PIN = 64 * 1024;
/** A write takes milliseconds: what is older was left by one that crashed. */
const ABANDONED_MS = 60_000;

/** What stands in `ARCHIVE.keep`. Any such file holds the archive, whatever is in it. */
export interface Pin {
  /** The program that keeps it; null for a pin that somebody made by hand. */
  readonly managedBy: string | null;
  /** A note, or the reason given; null when there is none. */
  readonly note: string | null;
  readonly createdAt: string | null;
  /** Restores of the public operator that share it. */
  readonly owners: readonly string[];
  /** The API group by which it was set; null for one that was set on the node. */
  readonly through: string | null;
}

/** What a new pin is to say. */
export interface PinNote {
  readonly reason: string | null;
  /** The API group by which it is set, and who set it. */
  readonly through?: { readonly group: string; readonly user: string };
}

/** Why an archive cannot be pinned, or its pin not be removed. */
export class PinError extends Error {
  override readonly name = 'PinError';
}

/** The pin of an archive; null when it has none. */
export async function readPin(archive: string): Promise<Pin | null> {
  const path = archive + PIN_SUFFIX;
  const facts = nodeFiles.lstat(path);
  if (facts === null) return null;
  if (facts.kind !== 'file' || facts.bytes > LONGEST_PIN) return { ...BY_HAND, note: null };
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  try {
    return parsePin((await file.readFile()).toString('utf8'));
  } finally {
    await file.close();
  }
}

const BY_HAND: Pin = { managedBy: null, note: null, createdAt: null, owners: [], through: null };

export function parsePin(content: string): Pin {
  const fields = parseFields(content);
  const managedBy = text(own(fields, 'managedBy'));
  if (managedBy === '') return { ...BY_HAND, note: content.trim() || null };
  const owners = own(fields, 'podRestoreOwners');
  return {
    managedBy,
    note: text(own(fields, 'reason')) || null,
    createdAt: text(own(fields, 'createdAt')) || null,
    owners: Array.isArray(owners) ? owners.filter((each) => typeof each === 'string') : [],
    through: text(own(fields, 'through')) || null,
  };
}

function parseFields(content: string): ReturnType<typeof fieldsOf> {
  try {
    return fieldsOf(JSON.parse(content));
  } catch {
    // Notes in free text are a pin, too.
    return {};
  }
}

/**
 * Writes the pin as the public operator writes its own: to `.keep.tmp`, then renamed, so that it is there whole
 * or not at all. @throws PinError when the archive has gone meanwhile, or somebody else is writing one.
 */
export async function writePin(archive: string, { reason, through }: PinNote, now: Date): Promise<void> {
  const by = through && { through: through.group, user: through.user };
  const pin = {
    managedBy: MANAGER,
    ...(reason !== null && { reason }),
    ...by,
    createdAt: now.toISOString(),
  };
  const draft = archive + UNFINISHED_PIN_SUFFIX;
  await clearAbandoned(draft, now);
  const file = await open(draft, 'wx', 0o644).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
    throw new PinError(`${archive} is being pinned by somebody else at this moment; try again`);
  });
  try {
    await file.writeFile(`${JSON.stringify(pin)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, archive + PIN_SUFFIX);
  if (nodeFiles.exists(archive)) return;
  await unlink(archive + PIN_SUFFIX);
  throw new PinError(`${archive} was deleted before it could be pinned`);
}

async function clearAbandoned(draft: string, now: Date): Promise<void> {
  const facts = nodeFiles.lstat(draft);
  if (facts === null || now.getTime() - facts.modifiedUs / 1_000 < ABANDONED_MS) return;
  await unlink(draft);
}

/** Removes the pin. @throws PinError for one that is no regular file: whoever put it there has to. */
export async function removePin(archive: string): Promise<void> {
  const path = archive + PIN_SUFFIX;
  if (!(await lstat(path)).isFile()) throw new PinError(`${path} is not a file; remove it by hand`);
  await unlink(path);
}

/** What file systems allow a name to have. */
const LONGEST_NAME = 255;

/** @throws PinError for an archive whose name leaves no room for that of a pin. */
export function requireRoomForPin(archive: string): void {
  const bytes = Buffer.byteLength(basename(archive));
  const longest = LONGEST_NAME - UNFINISHED_PIN_SUFFIX.length;
  if (bytes <= longest) return;
  throw new PinError(
    `${archive} cannot be pinned: its name has ${bytes} bytes, and a pin beside it needs one of at most ${longest}; rename the archive`,
  );
}
