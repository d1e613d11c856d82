import type { Identity } from '../../../policy/types.ts';
import { archive, entry, spec } from '../archives.ts';

/** What an archive's bytes say, read in the plainest way, and not by the reader under test. */
export interface Content {
  /** It ends with two zero blocks. */
  readonly whole: boolean;
  /** Null where it is not whole, or names nobody. */
  readonly identity: Identity | null;
  readonly staleTailBytes: number;
  /** Files that are named `spec.dump`. */
  readonly specs: number;
}

const BLOCK = 512;
const NOTHING: Content = { whole: false, identity: null, staleTailBytes: 0, specs: 0 };
const known = new WeakMap<Buffer, Content>();

export function contentOf(bytes: Buffer): Content {
  const seen = known.get(bytes);
  if (seen !== undefined) return seen;
  const content = readContent(bytes);
  known.set(bytes, content);
  return content;
}

/** The same of bytes that may change. */
export function readContent(bytes: Buffer): Content {
  const specs: Buffer[] = [];
  for (let at = 0; at + BLOCK <= bytes.length; ) {
    const header = headerAt(bytes, at);
    if (header === null) return NOTHING;
    if (header.isZero) {
      const second = bytes.subarray(at + BLOCK, at + 2 * BLOCK);
      if (second.length < BLOCK || second.some((byte) => byte !== 0)) return NOTHING;
      const staleTailBytes = bytes.length - at - 2 * BLOCK;
      const [only, more] = specs;
      const identity = only === undefined || more !== undefined ? null : identityIn(only.toString());
      return { whole: true, identity, staleTailBytes, specs: specs.length };
    }
    const end = at + BLOCK + header.size;
    if (header.path === 'spec.dump') specs.push(bytes.subarray(at + BLOCK, end));
    at = Math.ceil(end / BLOCK) * BLOCK;
  }
  return NOTHING;
}

interface Header {
  readonly isZero: boolean;
  readonly path: string;
  readonly size: number;
}

/** Null where its checksum does not hold, or its size is no number. */
function headerAt(bytes: Buffer, at: number): Header | null {
  const block = bytes.subarray(at, at + BLOCK);
  if (block.every((byte) => byte === 0)) return { isZero: true, path: '', size: 0 };
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  const size = block[124] === 0x80 ? Number(block.readBigUInt64BE(128)) : octal(block, 124, 12);
  if (octal(block, 148, 8) !== sum || size === null) return null;
  const text = (from: number, to: number) => block.toString('latin1', from, to).split('\0', 1)[0] ?? '';
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const isFile = ['\0', '0', '7'].includes(block.toString('latin1', 156, 157));
  const [name, prefix] = [text(0, 100), isPosix ? text(345, 500) : ''];
  return { isZero: false, path: isFile ? (prefix && `${prefix}/`) + name : '', size };
}

function octal(block: Buffer, at: number, length: number): number | null {
  const digits = /^ *([0-7]*)[ \0]*$/.exec(block.toString('latin1', at, at + length))?.[1];
  return digits === undefined ? null : Number.parseInt(digits || '0', 8);
}

const KEY = 'io.kubernetes.cri.';

function identityIn(text: string): Identity | null {
  try {
    const { annotations } = JSON.parse(text);
    const [namespace, pod, container, podUid] = [
      annotations[`${KEY}sandbox-namespace`],
      annotations[`${KEY}sandbox-name`],
      annotations[`${KEY}container-name`],
      annotations[`${KEY}sandbox-uid`],
    ].map((value) => (typeof value === 'string' ? value : null));
    if (!namespace || !pod || !container) return null;
    return { namespace, pod, container, podUid: podUid ?? null };
  } catch {
    // Half of one archive and half of another.
    return null;
  }
}

/** A sound archive with so many blocks of memory. */
export function contentFor({ namespace, pod, container, podUid }: Identity, blocks: number): Buffer {
  return archive(
    entry('checkpoint/pages-1.img', Buffer.alloc(blocks * BLOCK, 7)),
    entry(
      'spec.dump',
      spec({
        [`${KEY}sandbox-namespace`]: namespace,
        [`${KEY}sandbox-name`]: pod,
        [`${KEY}container-name`]: container,
        ...(podUid !== null && { [`${KEY}sandbox-uid`]: podUid }),
      }),
    ),
  );
}

/** What stands in a file after so many bytes of `over` were written from its start, without cutting it off. */
export function overlaid(under: Buffer, over: Buffer, bytes: number): Buffer {
  const written = over.subarray(0, bytes);
  return Buffer.concat([written, under.subarray(written.length)]);
}
