import { isUtf8 } from 'node:buffer';
import type {
  Anchor,
  FileFacts,
  FileKind,
  FileName,
  FileSystem,
  Inode,
  Listing,
  OpenFile,
  WatchHandlers,
} from '../../gc/system/files.ts';
import type { Disk } from '../../policy/types.ts';

type Operation =
  | 'list'
  | 'lstat'
  | 'stat'
  | 'open'
  | 'read'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'statfs'
  | 'watch';

const DESCRIPTORS = '/proc/self/fd/';

/** Few, so that small directories take several goes, too. */
const NAMES_AT_ONCE = 8;

interface Node {
  readonly kind: FileKind;
  readonly inode: Inode;
  readonly device: number;
  content: Buffer;
  modifiedUs: number;
  changedUs: number;
  links: number;
  /** Of a directory. */
  readonly entries: Map<string, Node>;
  /** Of a link. */
  readonly target: string;
}

/** A file system in memory that counts what is asked of it, and fails on request. Paths are absolute. */
export class FakeFiles implements FileSystem {
  readonly calls = { list: 0, lstat: 0, open: 0, read: 0, bytesRead: 0 };
  disk: Disk = { totalBytes: 1e12, freeBytes: 5e11, totalInodes: 1e6, freeInodes: 5e5 };
  /** No watch hears anything: events are lost, as when inotify's queue overflows. */
  deaf = false;
  /** The clock that times of change are taken from; null: they are in order, and long ago. */
  clock: (() => number) | null = null;
  /** Added to the numbers of all devices, which may be others after the machine was started anew. */
  devicesFrom = 0;
  /** The next file's. */
  nextInode: Inode = 1;
  /** Called after each change. */
  onChange: () => void = () => {};
  readonly #root: Node;
  readonly #faults = new Map<string, string>();
  readonly #watches = new Set<{ readonly node: Node; readonly handlers: WatchHandlers }>();
  readonly #anchors = new Map<string, { readonly node: Node; readonly directory: string }>();
  #descriptors = 2;
  #ticks = 0;

  constructor() {
    this.#root = this.#node('directory', 1);
  }

  /** Lets an operation on a path fail with a code; null lets it work again. */
  fault(operation: Operation, path: FileName, code: string | null): void {
    const key = `${operation} ${keyOf(path)}`;
    if (code === null) this.#faults.delete(key);
    else this.#faults.set(key, code);
  }

  mkdir(path: FileName, device?: number): void {
    this.#make(path, 'directory', { ...(device !== undefined && { device }) });
  }

  /** Writes in place when the file is there: the same inode, as the runtimes do it. */
  write(path: FileName, content: Buffer | string, modifiedMs = 0): void {
    const bytes = Buffer.from(content);
    const modifiedUs = microseconds(modifiedMs);
    const node = this.#find(path, false);
    if (node === null) this.#make(path, 'file', { content: bytes, modifiedUs });
    else Object.assign(node, { content: bytes, modifiedUs, changedUs: this.#tick() });
    this.#notify(path);
  }

  /** Opens a file, and makes it, as runtimes do: what is written goes to it, whatever its name is by then. */
  writer(path: FileName): (content: Buffer, modifiedMs: number) => void {
    const node = this.#find(path, false) ?? this.#make(path, 'file', {});
    return (content, modifiedMs) => {
      Object.assign(node, { content, modifiedUs: microseconds(modifiedMs), changedUs: this.#tick() });
      this.#notify(path);
    };
  }

  /** What a file holds, for looking at only; null where no file is. */
  contentOf(path: FileName): Buffer | null {
    const node = this.#find(path, false);
    return node?.kind === 'file' ? node.content : null;
  }

  /** Puts these very bytes in, so that a test can change them. */
  place(path: FileName, content: Buffer): void {
    const node = this.#find(path, false) ?? this.#make(path, 'file', {});
    node.content = content;
  }

  touch(path: FileName, modifiedMs: number): void {
    const node = this.#at('lstat', path);
    node.modifiedUs = microseconds(modifiedMs);
    node.changedUs = this.#tick();
    this.#notify(path);
  }

  /** Sets an mtime to the microsecond. */
  setModified(path: FileName, modifiedUs: number): void {
    this.#at('lstat', path).modifiedUs = modifiedUs;
  }

  /** Sets what no program can set. */
  setChanged(path: FileName, changedUs: number): void {
    this.#at('lstat', path).changedUs = changedUs;
  }

  special(path: FileName, kind: Exclude<FileKind, 'file' | 'directory' | 'link'>, device?: number): void {
    this.#make(path, kind, { ...(device !== undefined && { device }) });
  }

  mount(path: FileName, content: Buffer, device: number): void {
    this.#make(path, 'file', { content, device });
  }

  symlink(target: string, path: FileName): void {
    this.#make(path, 'link', { target });
  }

  remove(path: FileName): void {
    const { parent, name } = this.#parentOf(path);
    const node = parent.entries.get(name);
    if (node === undefined) throw failure('ENOENT', 'remove');
    parent.entries.delete(name);
    node.links--;
    this.#notify(path);
  }

  /** Removes a directory and makes it anew, empty, with the inode it had, as ext4 does it. Its watches are dead. */
  remake(path: FileName, isTold = true): void {
    const { parent, name } = this.#parentOf(path);
    const former = this.#at('stat', path);
    const told = Buffer.from(name, 'latin1').toString('utf8');
    parent.entries.set(name, { ...former, entries: new Map() });
    if (!isTold) return;
    for (const { node, handlers } of [...this.#watches]) if (node === former) handlers.event(told);
  }

  /** Lets every watch fail, or tell of an event without a name. */
  disturbWatches(what: 'error' | 'nameless'): void {
    for (const { handlers } of [...this.#watches]) {
      if (what === 'error') handlers.error(failure('EIO', 'watch'));
      else handlers.event(null);
    }
  }

  get watches(): number {
    return this.#watches.size;
  }

  async *list(directory: string): Listing {
    this.calls.list++;
    const names = this.namesIn(directory);
    for (let at = 0; at < names.length; at += NAMES_AT_ONCE) yield names.slice(at, at + NAMES_AT_ONCE);
  }

  namesIn(directory: string): FileName[] {
    const node = this.#at('list', directory, true);
    if (node.kind !== 'directory') throw failure('ENOTDIR', 'list');
    return Array.from(node.entries.keys(), nameOf);
  }

  lstat(path: FileName): FileFacts | null {
    this.calls.lstat++;
    this.#check('lstat', path);
    const node = this.#find(path, false);
    return node === null ? null : this.#factsOf(node);
  }

  stat(path: FileName): FileFacts | null {
    this.#check('stat', path);
    const node = this.#find(path, true);
    return node === null ? null : this.#factsOf(node);
  }

  exists(path: FileName): boolean {
    return this.lstat(path) !== null;
  }

  open(path: FileName): OpenFile {
    this.calls.open++;
    const node = this.#at('open', path);
    if (node.kind === 'link') throw failure('ELOOP', 'open');
    if (node.kind === 'socket') throw failure('ENXIO', 'open');
    return {
      facts: () => this.#factsOf(node),
      read: (into, length, position) => {
        this.#check('read', path);
        if (node.kind !== 'file') throw failure(node.kind === 'directory' ? 'EISDIR' : 'ESPIPE', 'read');
        const got = readAt(node.content, into, length, position);
        this.calls.read++;
        this.calls.bytesRead += got;
        return got;
      },
      close() {},
    };
  }

  anchor(directory: string): Anchor {
    const node = this.#at('open', directory, true);
    if (node.kind !== 'directory') throw failure('ENOTDIR', 'anchor');
    const path = `${DESCRIPTORS}${++this.#descriptors}`;
    this.#anchors.set(path, { node, directory });
    return { path, close: () => this.#anchors.delete(path) };
  }

  /** The name by which an anchored path was come by. */
  plain(path: FileName): FileName {
    const [anchor] = /^\/proc\/self\/fd\/\d+/.exec(keyOf(path)) ?? [];
    const directory = anchor === undefined ? undefined : this.#anchors.get(anchor)?.directory;
    if (anchor === undefined || directory === undefined) return path;
    const rest = Buffer.from(keyOf(path).slice(anchor.length), 'latin1');
    return typeof path === 'string' ? directory + rest : Buffer.concat([Buffer.from(directory), rest]);
  }

  async rename(from: FileName, to: FileName): Promise<void> {
    const node = this.#at('rename', from);
    const { parent, name } = this.#parentOf(to);
    // Two names of one file: POSIX does nothing, and both stay.
    if (parent.entries.get(name) === node) return;
    if (parent.entries.has(name)) this.remove(to);
    this.remove(from);
    parent.entries.set(name, node);
    node.links++;
    node.changedUs = this.#tick();
    this.#notify(to);
  }

  async link(existing: FileName, name: FileName): Promise<void> {
    const node = this.#at('link', existing);
    const to = this.#parentOf(name);
    if (to.parent.entries.has(to.name)) throw failure('EEXIST', 'link');
    to.parent.entries.set(to.name, node);
    node.links++;
    node.changedUs = this.#tick();
    this.#notify(name);
  }

  async unlink(path: FileName): Promise<void> {
    if (this.#at('unlink', path).kind === 'directory') throw failure('EISDIR', 'unlink');
    this.remove(path);
  }

  async statfs(path: string): Promise<Disk> {
    this.#at('statfs', path, true);
    return this.disk;
  }

  watch(directory: string, handlers: WatchHandlers): () => void {
    const watch = { node: this.#at('watch', directory, true), handlers };
    this.#watches.add(watch);
    return () => this.#watches.delete(watch);
  }

  #notify(path: FileName): void {
    this.onChange();
    if (this.deaf) return;
    const { parent, name } = this.#parentOf(path);
    const told = Buffer.from(name, 'latin1').toString('utf8');
    for (const { node, handlers } of [...this.#watches]) if (node === parent) handlers.event(told);
  }

  /** No two changes have the same time. */
  #tick(): number {
    this.#ticks += 1;
    const { clock } = this;
    return clock === null ? this.#ticks * 1_000_000 : microseconds(clock()) + (this.#ticks % 1_000);
  }

  #node(kind: FileKind, device: number, more: Partial<Node> = {}): Node {
    const inode = this.nextInode++;
    return {
      kind,
      inode,
      device,
      content: Buffer.alloc(0),
      modifiedUs: 0,
      changedUs: this.#tick(),
      links: 1,
      entries: new Map(),
      target: '',
      ...more,
    };
  }

  #make(path: FileName, kind: FileKind, more: Partial<Node>): Node {
    const { parent, name } = this.#parentOf(path);
    if (parent.entries.has(name)) throw failure('EEXIST', 'make');
    const node = this.#node(kind, parent.device, more);
    parent.entries.set(name, node);
    if (kind !== 'file') this.#notify(path);
    return node;
  }

  #check(operation: Operation, path: FileName): void {
    const code = this.#faults.get(`${operation} ${keyOf(this.plain(path))}`);
    if (code !== undefined) throw failure(code, operation);
  }

  #at(operation: Operation, path: FileName, follow = false): Node {
    this.#check(operation, path);
    const node = this.#find(path, follow);
    if (node === null) throw failure('ENOENT', operation);
    return node;
  }

  #find(path: FileName, follow: boolean): Node | null {
    const key = keyOf(path);
    const [anchor = ''] = /^\/proc\/self\/fd\/\d+/.exec(key) ?? [];
    let node: Node | undefined = anchor === '' ? this.#root : this.#anchors.get(anchor)?.node;
    if (node === undefined) return null;
    for (const part of key.slice(anchor.length).split('/').filter(Boolean)) {
      if (node.kind === 'link') node = this.#find(node.target, true) ?? undefined;
      node = node?.entries.get(part);
      if (node === undefined) return null;
    }
    return follow && node.kind === 'link' ? this.#find(node.target, true) : node;
  }

  #parentOf(path: FileName): { parent: Node; name: string } {
    const key = keyOf(path);
    const cut = key.lastIndexOf('/');
    const parent = this.#find(Buffer.from(key.slice(0, cut), 'latin1'), true);
    if (parent?.kind !== 'directory') throw failure('ENOENT', 'look-up');
    return { parent, name: key.slice(cut + 1) };
  }

  #factsOf(node: Node): FileFacts {
    const { kind, device, inode, modifiedUs, changedUs, content } = node;
    const bytes = content.length;
    return {
      kind,
      device: device + this.devicesFrom,
      inode,
      modifiedUs,
      changedUs,
      bytes,
      allocatedBytes: Math.ceil(bytes / 4096) * 4096,
      links: node.links,
    };
  }
}

function microseconds(ms: number): number {
  return Math.floor(ms) * 1_000;
}

/** As `OpenFile.read` does it. */
export function readAt(content: Buffer, into: Buffer, length: number, position: number): number {
  return position >= content.length ? 0 : content.copy(into, 0, position, position + length);
}

/** The bytes of a path, one a character: so names that are not UTF-8 have a key too. */
function keyOf(path: FileName): string {
  return Buffer.from(path).toString('latin1');
}

function nameOf(key: string): FileName {
  const bytes = Buffer.from(key, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes;
}

function failure(code: string, operation: string): Error {
  return Object.assign(new Error(`${code}: ${operation}`), { code });
}
