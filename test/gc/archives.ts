import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Header, Pax } from 'tar';

/** Real archives and how each came about: test/fixtures/archives/README.md. */
export const ARCHIVES = join(import.meta.dirname, '../fixtures/archives');

export interface ManifestEntry {
  readonly file: string;
  readonly runtime: string;
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly container: string;
  readonly podUID: string | null;
  readonly compression: 'none' | 'gzip' | 'zstd';
  readonly bytes: number;
  readonly complete: boolean;
  readonly entries: number;
  readonly endMarkerAt: number | null;
  readonly staleTailBytes?: number;
}

const parsed: { archives: ManifestEntry[] } = JSON.parse(
  readFileSync(join(ARCHIVES, 'MANIFEST.json'), 'utf8'),
);
export const manifest: readonly ManifestEntry[] = parsed.archives;

/** One whose file name begins so. */
export function manifestEntry(start: string): ManifestEntry {
  const entry = manifest.find(({ file }) => file.startsWith(start));
  if (entry === undefined) throw new Error(`no archive ${start}`);
  return entry;
}

export function bytesOf({ file }: ManifestEntry): Buffer {
  return readFileSync(join(ARCHIVES, file));
}

/** Two zero blocks. */
export const MARKER = Buffer.alloc(1024);

export interface EntryOptions {
  /** The type flag: `0` a file, `5` a directory, `x` pax … */
  readonly type?: string;
  /** What the header claims; the content's length unless given. */
  readonly size?: number;
  readonly linkpath?: string;
  readonly prefix?: string;
}

/** A header and its content, padded. */
export function entry(path: string, content: Buffer | string = '', options: EntryOptions = {}): Buffer {
  const body = Buffer.from(content);
  return Buffer.concat([header(path, { size: body.length, ...options }), body, padding(body.length)]);
}

/** A header alone, written by the npm package `tar`. */
export function header(path: string, { type = '0', size = 0, linkpath, prefix }: EntryOptions = {}): Buffer {
  const block = Buffer.alloc(512);
  new Header({
    path,
    size,
    mode: 0o600,
    type: 'File',
    mtime: new Date(0),
    ...(linkpath && { linkpath }),
  }).encode(block);
  if (prefix !== undefined) block.write(prefix, 345, 155, 'latin1');
  block.write(type, 156, 1, 'latin1');
  return sealed(block);
}

/** Writes into a header's field, and the checksum anew. */
export function patched(block: Buffer, at: number, bytes: string | Buffer): Buffer {
  const copy = Buffer.from(block);
  Buffer.from(bytes).copy(copy, at);
  return sealed(copy);
}

/** Puts the right checksum into a header, in place. */
export function sealed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

/** An extended header, written by the npm package `tar`. */
export function pax(fields: { path?: string; size?: number }, global = false): Buffer {
  const encoded = new Pax(fields, global).encode();
  return encoded;
}

/** An extended header with these records. */
export function rawPax(records: string, type = 'x'): Buffer {
  return entry('PaxHeader/entry', Buffer.from(records, 'latin1'), { type });
}

export function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return length + rest;
}

export function gnuLongName(name: string, type = 'L'): Buffer {
  return entry('././@LongLink', `${name}\0`, { type });
}

export function archive(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, MARKER]);
}

/** A `spec.dump` with these annotations. */
export function spec(annotations: unknown): string {
  return JSON.stringify({ ociVersion: '1.2.1', annotations });
}

export const CONTAINERD_ANNOTATIONS: Readonly<Record<string, string>> = {
  'io.kubernetes.cri.container-type': 'container',
  'io.kubernetes.cri.sandbox-namespace': 'shop',
  'io.kubernetes.cri.sandbox-name': 'cart',
  'io.kubernetes.cri.container-name': 'main',
  'io.kubernetes.cri.sandbox-uid': '394d9f75-b32a-4724-892d-f135011bf911',
};

/** A small sound archive of containerd's shape. */
export function smallArchive(annotations: unknown = CONTAINERD_ANNOTATIONS): Buffer {
  return archive(
    entry('checkpoint/', '', { type: '5' }),
    entry('checkpoint/pages-1.img', Buffer.alloc(4096, 7)),
    entry('config.dump', '{}'),
    entry('spec.dump', spec(annotations)),
    entry('status.dump', '{}'),
  );
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((512 - (bytes % 512)) % 512);
}
