import { PIN_SUFFIX } from '../archive/names.ts';
import type { FileName } from '../system/files.ts';

/** Something in the directory that is no archive. */
export interface OtherFile {
  /** As it can be shown: bytes that are not UTF-8 stand as `\xff`. */
  readonly name: string;
  readonly bytes: number;
  readonly role: 'pin' | 'tombstone' | 'foreign';
  /** Why it is no archive, in words. */
  readonly reason: string;
}

interface Kept extends OtherFile {
  readonly actualName: FileName;
  readonly seenIn: number;
}

/** Pins, tombstones and foreign files of a directory. */
export class OtherFiles {
  readonly #kept = new Map<string, Kept>();

  /** `scan`: the number of the scan that is under way, or was last. */
  add(name: FileName, file: Omit<OtherFile, 'name'>, scan: number): void {
    const { role, bytes, reason } = file;
    this.#kept.set(keyOf(name), { name: shown(name), actualName: name, role, bytes, reason, seenIn: scan });
  }

  remove(name: FileName): void {
    // Most directories hold archives alone, and this is asked for each of them.
    if (this.#kept.size > 0) this.#kept.delete(keyOf(name));
  }

  values(): Iterable<OtherFile> {
    return this.#kept.values();
  }

  /** Whether a pin holds this archive. */
  hasPin(archive: string): boolean {
    return this.#kept.size > 0 && this.#kept.get(archive + PIN_SUFFIX)?.role === 'pin';
  }

  /** The names that this scan did not see. */
  unseen(scan: number): FileName[] {
    return Array.from(this.#kept.values())
      .filter(({ seenIn }) => seenIn < scan)
      .map(({ actualName }) => actualName);
  }

  clear(): void {
    this.#kept.clear();
  }
}

/** No name holds a NUL, so bytes behind one cannot be taken for a name. */
function keyOf(name: FileName): string {
  return typeof name === 'string' ? name : `\0${name.toString('latin1')}`;
}

function shown(name: FileName): string {
  if (typeof name === 'string') return name;
  return Array.from(name, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  ).join('');
}
