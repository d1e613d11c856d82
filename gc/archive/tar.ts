import {
  BLOCK,
  type Block,
  type Extension,
  headerKind,
  headerSize,
  isNamed,
  plainName,
  untilNul,
} from './tar-header.ts';
import { parsePax } from './tar-pax.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** An extended header holds a name, a size, a label; longer ones are refused. */
export const EXTENSION_LIMIT = 64 * KIB;

/** A real archive has some 35 entries, and three for each process and thread in it. */
export const HEADER_LIMIT = 65_536;

/** All headers of the limit above, and their extensions. */
export const WALK_LIMIT = 40 * MIB;

/** Two zero blocks. */
export const END_MARKER = 2 * BLOCK;

/** Where an entry's content stands. */
export interface Place {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Hops through a tar archive from header to header, and never looks at content.
 *
 * It does no I/O: whoever drives it fetches the `want` bytes at position `at`, which only grows, and hands
 * them to `take`, until `want` is 0; or says with `end` that there are no more. So one walk serves files
 * (`tar-file.ts`) and decompressed streams (`tar-packed.ts`). What it cannot read in one way only is a fault,
 * and a walk with a fault has found nothing.
 */
export class TarWalk {
  #at = 0;
  #want = BLOCK;
  #expects: 'header' | 'marker' | Extension = 'header';
  #extensionBytes = 0;
  #headers = 0;
  #taken = 0;
  #name: string | null = null;
  #size: number | null = null;
  readonly #seen = new Set<Extension>();
  #endMarkerAt: number | null = null;
  #fault: string | null = null;
  #specs: Place[] = [];
  #config: Place | null = null;

  get at(): number {
    return this.#at;
  }

  /** 0 when the walk is over. At most `EXTENSION_LIMIT`. */
  get want(): number {
    return this.#want;
  }

  /** The contents of all regular files named `spec.dump`: an OCI runtime spec. More than one is ambiguous. */
  get specs(): readonly Place[] {
    return this.#specs;
  }

  /** The content of the first `config.dump`. */
  get config(): Place | null {
    return this.#config;
  }

  /** Where the first of the two zero blocks stands; null without a sound end. */
  get endMarkerAt(): number | null {
    return this.#endMarkerAt;
  }

  /** Why the archive cannot be read, in words; null when it can. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Headers read, extended ones included. */
  get headers(): number {
    return this.#headers;
  }

  /** Takes the bytes asked for, which stand at the start of `block`. */
  take(block: Block): void {
    try {
      this.#taken += this.#want;
      if (this.#taken > WALK_LIMIT) throw new TarFault(`its headers are longer than ${WALK_LIMIT / MIB} MiB`);
      if (this.#expects === 'header') this.#takeHeader(block);
      else if (this.#expects === 'marker') this.#takeSecondZero(block);
      else this.#takeExtension(this.#expects, block);
    } catch (error) {
      if (!(error instanceof TarFault)) throw error;
      this.#fail(error.message);
    }
  }

  /** Says that the archive is only `size` bytes long, shorter than what is wanted. */
  end(size: number): void {
    if (size === 0) this.#fail('truncated: it is empty');
    else if (this.#at <= size) this.#fail(`truncated: it ends at byte ${size} without an end marker`);
    else this.#fail(`truncated: it ends at byte ${size}, inside an entry that reaches to ${this.#at}`);
  }

  #takeHeader(block: Block): void {
    const kind = headerKind(block);
    if (kind === 'zero') {
      this.#takeFirstZero();
      return;
    }
    if (kind === 'damaged') {
      throw new TarFault(
        this.#at === 0 ? 'it is not a tar archive' : `damaged: no header at byte ${this.#at}`,
      );
    }
    if (++this.#headers > HEADER_LIMIT) throw new TarFault(`it has more than ${HEADER_LIMIT} entries`);
    const size = headerSize(block);
    if (size === null) throw new TarFault(`the header at byte ${this.#at} has an impossible size`);
    if (kind === 'unknown') throw new TarFault(`the header at byte ${this.#at} is of an unknown kind`);
    if (kind === 'file' || kind === 'bodiless') this.#takeEntry(kind, size, block);
    else this.#expectExtension(kind, size);
  }

  #takeEntry(kind: 'file' | 'bodiless', ownSize: number, block: Block): void {
    const bytes = this.#size ?? ownSize;
    // Readers differ in whether a link or a directory with a size has a body.
    if (kind === 'bodiless' && bytes > 0) {
      throw new TarFault(`the header at byte ${this.#at} is no file's, and has a size`);
    }
    const content = this.#at + BLOCK;
    if (kind === 'file' && this.#isNamed('spec.dump', block)) this.#specs.push({ at: content, bytes });
    if (kind === 'file' && this.#isNamed('config.dump', block)) this.#config ??= { at: content, bytes };
    this.#name = null;
    this.#size = null;
    // Clearing one that is empty takes as long, and most are.
    if (this.#seen.size > 0) this.#seen.clear();
    this.#moveTo(content + padded(bytes));
  }

  #isNamed(name: string, block: Block): boolean {
    return this.#name === null ? isNamed(block, name) : plainName(this.#name) === name;
  }

  #expectExtension(kind: Extension, bytes: number): void {
    if (bytes === 0 || bytes > EXTENSION_LIMIT) {
      throw new TarFault(`the extended header at byte ${this.#at} is ${bytes} bytes long`);
    }
    // Two of a kind before one entry: readers differ in which of them speaks.
    if (this.#seen.has(kind)) {
      throw new TarFault(`the extended header at byte ${this.#at} is the second of its kind`);
    }
    this.#seen.add(kind);
    this.#extensionBytes = bytes;
    this.#expects = kind;
    this.#at += BLOCK;
    this.#want = padded(bytes);
  }

  #takeExtension(kind: Extension, { bytes }: Block): void {
    const body = bytes.toString('latin1', 0, this.#extensionBytes);
    if (kind === 'pax') this.#takePax(body);
    if (kind === 'globalPax') this.#takeGlobalPax(body);
    if (kind === 'longName') this.#rename(untilNul(body));
    this.#expects = 'header';
    this.#moveTo(this.#at + this.#want);
  }

  #takePax(body: string): void {
    const fields = parsePax(body);
    if (fields === null) throw new TarFault(`the extended header before byte ${this.#at} cannot be read`);
    if (fields.path !== null) this.#rename(fields.path);
    this.#size = fields.size;
  }

  #takeGlobalPax(body: string): void {
    const fields = parsePax(body);
    // One size or path for all entries makes no sense, and readers differ.
    if (fields === null || fields.size !== null || fields.path !== null) {
      throw new TarFault(`the global header before byte ${this.#at} cannot be read`);
    }
    this.#seen.delete('globalPax');
  }

  #rename(name: string): void {
    if (this.#name !== null) throw new TarFault(`the entry before byte ${this.#at} has two names`);
    this.#name = name;
  }

  #takeFirstZero(): void {
    if (this.#seen.size > 0) throw new TarFault(`the extended header before byte ${this.#at} has no entry`);
    this.#expects = 'marker';
    this.#moveTo(this.#at + BLOCK);
  }

  #takeSecondZero(block: Block): void {
    const markerAt = this.#at - BLOCK;
    if (headerKind(block) !== 'zero')
      throw new TarFault(`the end marker at byte ${markerAt} is only half there`);
    this.#endMarkerAt = markerAt;
    this.#want = 0;
  }

  #moveTo(position: number): void {
    this.#at = position;
    this.#want = BLOCK;
  }

  #fail(fault: string): void {
    this.#fault = fault;
    this.#want = 0;
  }
}

/** Why an archive cannot be read, on its way to `take`. */
class TarFault extends Error {}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
