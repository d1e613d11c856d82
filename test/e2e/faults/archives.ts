import { closeSync, openSync, readdirSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { archiveName, type MadeArchive, makeArchive } from '../../fixtures/make-archive.ts';

export const MIB = 1024 * 1024;

/** Writes an archive that is so many seconds old, and returns its name. */
export function put(
  directory: string,
  made: MadeArchive,
  ageSeconds: number,
  write: (path: string, content: Buffer) => void = writeFileSync,
): string {
  const name = archiveName(made, new Date(Date.UTC(2026, 10, 21) - ageSeconds * 1_000));
  const path = join(directory, name);
  write(path, makeArchive(made));
  const time = Date.now() / 1_000 - ageSeconds;
  utimesSync(path, time, time);
  return name;
}

/** With a hole in the place of the memory. */
export function writeSparse(path: string, content: Buffer): void {
  const begin = content.indexOf(Buffer.alloc(512, 7));
  const end = content.lastIndexOf(Buffer.alloc(512, 7)) + 512;
  const file = openSync(path, 'w');
  writeSync(file, content, 0, begin, 0);
  writeSync(file, content, end, content.length - end, end);
  closeSync(file);
}

/** The names of the archives in a directory, without tombstones. */
export function tars(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.tar') && !name.startsWith('.'))
    .sort();
}
