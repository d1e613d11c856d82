import { createHash } from 'node:crypto';
import { TOMBSTONE_PREFIX } from '../archive/names.ts';
import type { Stamp } from '../system/files.ts';
import { inodeOf, microseconds } from '../system/stats.ts';

/** What a tombstone's name tells whoever finds it after a crash: which file was meant, and what it was called. */
export interface Epitaph {
  /** Without the device, whose number may be another after a restart of the machine. */
  readonly stamp: Omit<Stamp, 'device'>;
  /** The archive's name; null where it was too long, and `digest` is of it. */
  readonly file: string | null;
  readonly digest: string | null;
}

/** Bytes that a name may have on every common file system. */
const LONGEST_NAME = 255;
const NS_OF_US = 1_000n;
const NAME = /^([0-9a-z]+)-([0-9a-z]+)-(-?[0-9a-z]+)-([0-9a-z]+)(?:-(.+)|~([0-9a-f]{16}))$/s;
let made = 0;

/**
 * The name under which a file waits for its unlink. No two are the same, so that none is renamed onto another. Its time
 * is in nanoseconds, as earlier versions wrote it: what they have begun is ended, too.
 */
export function tombstoneName(file: string, { inode, bytes, modifiedUs }: Stamp, now: number): string {
  made += 1;
  const modifiedNs = BigInt(modifiedUs) * NS_OF_US;
  const unique = (now * 1_000 + (made % 1_000)).toString(36);
  const start = `${TOMBSTONE_PREFIX}${inode.toString(36)}-${bytes.toString(36)}-${modifiedNs.toString(36)}-${unique}`;
  const whole = `${start}-${file}`;
  return Buffer.byteLength(whole) <= LONGEST_NAME ? whole : `${start}~${nameDigest(file)}`;
}

/** Null for a name that was not made here. */
export function readTombstone(name: string): Epitaph | null {
  const parts = name.startsWith(TOMBSTONE_PREFIX) ? NAME.exec(name.slice(TOMBSTONE_PREFIX.length)) : null;
  if (parts === null) return null;
  const [, inode = '', bytes = '', modifiedNs = '', , file, digest] = parts;
  const stamp = {
    inode: inodeOf(fromBase36(inode)),
    bytes: Number(fromBase36(bytes)),
    modifiedUs: microseconds(fromBase36(modifiedNs)),
  };
  return { stamp, file: file ?? null, digest: digest ?? null };
}

export function nameDigest(file: string): string {
  return createHash('sha256').update(file).digest('hex').slice(0, 16);
}

function fromBase36(text: string): bigint {
  let value = 0n;
  for (const digit of text.replace('-', '')) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return text.startsWith('-') ? -value : value;
}
