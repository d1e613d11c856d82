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
  const { whole, specs, endAt } = walkPlainly(bytes);
  if (!whole) return NOTHING;
  const [only, more] = specs;
  const identity = only === undefined || more !== undefined ? null : identityIn(only.toString());
  return { whole: true, identity, staleTailBytes: bytes.length - endAt, specs: specs.length };
}

/** What stands in an archive, up to its end or to what is no header. */
export interface PlainWalk {
  readonly whole: boolean;
  /** Where its end marker ends. */
  readonly endAt: number;
  readonly specs: readonly Buffer[];
  /** Of all headers. */
  readonly headerBytes: number;
  /** Of all contents that a reader may want beside its `spec.dump`: names for others, and podman's own of a container. */
  readonly otherBytes: number;
}

/** From header to header, in the plainest way. Follows GNU's long names, and gives up where a header is pax'. */
export function walkPlainly(bytes: Buffer): PlainWalk {
  const specs: Buffer[] = [];
  let [headerBytes, otherBytes] = [0, 0];
  let longName: string | null = null;
  const walked = (whole: boolean, endAt: number) => ({ whole, endAt, specs, headerBytes, otherBytes });
  for (let at = 0; at + BLOCK <= bytes.length; ) {
    const header = headerAt(bytes, at);
    headerBytes += BLOCK;
    if (header === null) break;
    const end = at + BLOCK + header.size;
    if (header.type === 'zero') return walked(isZero(bytes, end) && end + BLOCK <= bytes.length, end + BLOCK);
    const content = bytes.subarray(at + BLOCK, end);
    const path = header.type === 'file' ? plainPath(longName ?? header.path) : '';
    if (path === 'spec.dump') specs.push(content);
    if (path === 'config.dump' || EXTENSIONS.includes(header.type)) otherBytes += content.length + BLOCK;
    if (header.type === 'x' || header.type === 'g') break;
    if (header.type === 'L') longName = untilNul(content.toString('latin1'));
    else if (header.type !== 'K') longName = null;
    at = Math.ceil(end / BLOCK) * BLOCK;
  }
  return walked(false, bytes.length);
}

const EXTENSIONS: readonly string[] = ['x', 'g', 'L', 'K'];

interface Header {
  /** `zero`, `file`, or as the format has it. */
  readonly type: string;
  readonly path: string;
  readonly size: number;
}

const ZERO: Header = { type: 'zero', path: '', size: 0 };

/** Null where its checksum does not hold, or its size is no number. */
function headerAt(bytes: Buffer, at: number): Header | null {
  if (isZero(bytes, at)) return ZERO;
  const block = bytes.subarray(at, at + BLOCK);
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i += 1) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  const size = block[124] === 0x80 ? Number(`0x${block.toString('hex', 125, 136)}`) : octal(block, 124, 12);
  if (octal(block, 148, 8) !== sum || size === null) return null;
  const text = (from: number, to: number) => untilNul(block.toString('latin1', from, to));
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const [name, prefix] = [text(0, 100), isPosix ? text(345, 500) : ''];
  const type = block.toString('latin1', 156, 157);
  const isFile = type === '\0' || type === '0' || type === '7';
  return { type: isFile ? 'file' : type, path: (prefix && `${prefix}/`) + name, size };
}

function untilNul(text: string): string {
  return text.split('\0', 1)[0] ?? '';
}

/** Where a file's name leads; what ends as a directory's does is none's. */
function plainPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return path.endsWith('/') ? '' : parts.join('/');
}

function isZero(bytes: Buffer, at: number): boolean {
  const end = Math.min(at + BLOCK, bytes.length);
  for (let i = at; i < end; i += 1) if (bytes[i] !== 0) return false;
  return true;
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
