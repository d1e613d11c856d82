import { createHash } from 'node:crypto';
import { isLabel, isSubdomain } from '../../policy/fields.ts';
import { fromJson, isObject, own } from '../../policy/json.ts';
import type { Identity } from '../../policy/types.ts';
import { isUid, RUNTIMES } from '../archive/annotations.ts';
import { READER_VERSION, type Reading } from '../archive/identity.ts';
import type { Stamp } from '../system/files.ts';
import type { Pace } from '../system/pace.ts';

/** What was read of an archive that ends as it should, and of which file. */
export interface Remembered {
  readonly stamp: Stamp;
  /** The file's ctime before it was read, microseconds. */
  readonly changedUs: number;
  readonly reading: Pick<Reading, 'identity' | 'because' | 'runtime' | 'hint' | 'staleTailBytes'>;
}

/*
 * The document, in the byte order of its machine: FORMAT, the version of the format and of the reader, the number of
 * records, the table's length and the device; the table, JSON, of the distinct things that were read; the columns;
 * the SHA-256 of all that. An archive has a record in each column: inode, mtime, ctime, bytes, bytes of its stale
 * tail (doubles), its place in the table (4 bytes).
 */
const FORMAT = Buffer.from('checkpoint-warden readings\n', 'latin1');
const FORMAT_VERSION = 2;
const HEAD_BYTES = FORMAT.length + 4 * 4 + 8;
const RECORD_BYTES = 44;
const DIGEST_BYTES = 32;

/** Five times what one node was ever meant to hold. */
export const MOST_RECORDS = 500_000;

/** An entry of the table is seldom longer than 200 bytes. */
const MOST_TABLE_BYTES = 128 * 1024 * 1024;

/** What a document can be long. */
export const MOST_BYTES = HEAD_BYTES + MOST_TABLE_BYTES + MOST_RECORDS * RECORD_BYTES + DIGEST_BYTES;

/** How many records between two looks at the clock. */
const STRIDE = 512;

/** What was read of many files: one number of each in each column, which take a tenth of objects. */
class Columns {
  readonly inode: Float64Array;
  readonly modifiedUs: Float64Array;
  readonly changedUs: Float64Array;
  readonly bytes: Float64Array;
  readonly staleTailBytes: Float64Array;
  readonly place: Uint32Array;
  readonly count: number;

  /** Over `count` records in `memory` from `at` on, a multiple of eight; or over memory of its own. */
  constructor(count: number, memory: ArrayBufferLike = new ArrayBuffer(count * RECORD_BYTES), at = 0) {
    const width = count * 8;
    this.inode = new Float64Array(memory, at, count);
    this.modifiedUs = new Float64Array(memory, at + width, count);
    this.changedUs = new Float64Array(memory, at + 2 * width, count);
    this.bytes = new Float64Array(memory, at + 3 * width, count);
    this.staleTailBytes = new Float64Array(memory, at + 4 * width, count);
    this.place = new Uint32Array(memory, at + 5 * width, count);
    this.count = count;
  }

  /** The memory of the first `count` records. */
  parts(count: number): Buffer[] {
    const { inode, modifiedUs, changedUs, bytes, staleTailBytes, place } = this;
    return [inode, modifiedUs, changedUs, bytes, staleTailBytes, place].map(
      ({ buffer, byteOffset, BYTES_PER_ELEMENT }) =>
        Buffer.from(buffer, byteOffset, count * BYTES_PER_ELEMENT),
    );
  }
}

/**
 * Writes down what was read, as the parts of a document: put together they would be in memory twice. What lies on
 * another device than the first, or has an inode beyond 2^53, is left out, and read again at the next start.
 * @param most how many archives there can be; of more, and of more than `MOST_RECORDS`, nothing is written.
 */
export async function encodeReadings(
  remembered: Iterable<Remembered>,
  most: number,
  pace: Pace,
): Promise<readonly Buffer[]> {
  const places = new Map<string, number>();
  const columns = new Columns(Math.min(most, MOST_RECORDS));
  let count = 0;
  let device: number | null = null;
  for (const { stamp, changedUs, reading } of remembered) {
    device ??= stamp.device;
    if (stamp.device !== device || typeof stamp.inode === 'bigint') continue;
    if (count === columns.count) break;
    const entry = entryOf(reading);
    const place = places.get(entry) ?? places.size;
    places.set(entry, place);
    columns.inode[count] = stamp.inode;
    columns.modifiedUs[count] = stamp.modifiedUs;
    columns.changedUs[count] = changedUs;
    columns.bytes[count] = stamp.bytes;
    columns.staleTailBytes[count] = reading.staleTailBytes;
    columns.place[count] = place;
    if (++count % STRIDE === 0 && pace.due()) await pace.rest();
  }
  const json = Buffer.from(`[${[...places.keys()].join(',')}]`);
  // With spaces behind it, so that the columns begin where they can be read in place.
  const table = Buffer.concat([json, Buffer.alloc((8 - ((HEAD_BYTES + json.length) % 8)) % 8, ' ')]);
  const parts = [headOf(count, table.length, device ?? 0), table, ...columns.parts(count)];
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part);
    if (pace.due()) await pace.rest();
  }
  return [...parts, hash.digest()];
}

/**
 * What a document tells; null when it is damaged, of another version, or none at all. Then everything is read again.
 */
export function decodeReadings(document: Buffer): Readings | null {
  const end = document.length - DIGEST_BYTES;
  if (end < HEAD_BYTES || !document.subarray(0, FORMAT.length).equals(FORMAT)) return null;
  const digest = createHash('sha256').update(document.subarray(0, end)).digest();
  if (!digest.equals(document.subarray(end))) return null;
  const head = readHead(document);
  if (head === null || head.tableEnd + head.count * RECORD_BYTES !== end) return null;
  const table = readTable(document.toString('utf8', HEAD_BYTES, head.tableEnd));
  if (table === null) return null;
  return new Readings(head.device, table, columnsOf(document, head.tableEnd, head.count));
}

/** In place where they can be: twice the document is a tenth of what a collector has resident. */
function columnsOf(document: Buffer, start: number, count: number): Columns {
  const at = document.byteOffset + start;
  if (at % 8 === 0) return new Columns(count, document.buffer, at);
  return new Columns(count, new Uint8Array(document.subarray(start, start + count * RECORD_BYTES)).buffer);
}

/** What was read by an earlier process, by file. */
export class Readings {
  readonly #device: number;
  readonly #table: readonly Reading[];
  readonly #columns: Columns;
  /** Numbers of records from 1 on, at a place that their inode gives, or behind it; a fifth of a `Map`. */
  readonly #places: Uint32Array;
  readonly #mask: number;

  constructor(device: number, table: readonly Reading[], columns: Columns) {
    this.#device = device;
    this.#table = table;
    this.#columns = columns;
    // A power of two, at least half of it empty: who looks for what is not there comes to an end.
    const size = 2 ** Math.ceil(Math.log2(2 * columns.count + 2));
    this.#mask = size - 1;
    this.#places = new Uint32Array(size);
    for (let record = 0; record < columns.count; record += 1) {
      const place = this.#placeOf(columns.inode[record] ?? 0);
      // Another name of the same file tells nothing more.
      if (this.#places[place] === 0) this.#places[place] = record + 1;
    }
  }

  /** How many archives it knows. */
  get size(): number {
    return this.#columns.count;
  }

  /** What was read of this very file with this very content; null when nothing is known of it. */
  of({ device, inode, modifiedUs, bytes }: Stamp, changedUs: number): Reading | null {
    if (typeof inode === 'bigint') return null;
    const columns = this.#columns;
    const record = (this.#places[this.#placeOf(inode)] ?? 0) - 1;
    const isSame =
      record >= 0 &&
      device === this.#device &&
      columns.modifiedUs[record] === modifiedUs &&
      columns.changedUs[record] === changedUs &&
      columns.bytes[record] === bytes;
    return isSame ? this.#readingAt(record) : null;
  }

  /** Where an inode stands, or would stand. */
  #placeOf(inode: number): number {
    const columns = this.#columns;
    // Inodes made one after the other lie side by side; a multiplication by the golden section spreads them.
    let place = (Math.imul(inode, 0x9e37_79b1) >>> 8) & this.#mask;
    for (let number = this.#places[place] ?? 0; number !== 0; number = this.#places[place] ?? 0) {
      if (columns.inode[number - 1] === inode) return place;
      place = (place + 1) & this.#mask;
    }
    return place;
  }

  #readingAt(record: number): Reading | null {
    const reading = this.#table[this.#columns.place[record] ?? this.#table.length];
    const staleTailBytes = this.#columns.staleTailBytes[record] ?? 0;
    if (reading === undefined || staleTailBytes === 0) return reading ?? null;
    return Number.isSafeInteger(staleTailBytes) && staleTailBytes > 0 ? { ...reading, staleTailBytes } : null;
  }
}

function headOf(count: number, tableBytes: number, device: number): Buffer {
  const numbers = new Uint32Array([FORMAT_VERSION, READER_VERSION, count, tableBytes]);
  return Buffer.concat([FORMAT, Buffer.from(numbers.buffer), Buffer.from(new Float64Array([device]).buffer)]);
}

function readHead(document: Buffer): { count: number; tableEnd: number; device: number } | null {
  // In the byte order of this machine: another one's versions are none that are known here.
  const head = new Uint8Array(document.subarray(FORMAT.length, HEAD_BYTES)).buffer;
  const [format, reader, count = 0, tableBytes = 0] = new Uint32Array(head, 0, 4);
  const [device = 0] = new Float64Array(head, 16, 1);
  if (format !== FORMAT_VERSION || reader !== READER_VERSION) return null;
  return { count, tableEnd: HEAD_BYTES + tableBytes, device };
}

function entryOf({ identity, because, runtime, hint }: Remembered['reading']): string {
  return JSON.stringify({ identity, because, runtime, hint });
}

function readTable(json: string): readonly Reading[] | null {
  const table = fromJson(json);
  if (!Array.isArray(table)) return null;
  const readings: Reading[] = [];
  for (const entry of table) {
    const reading = readEntry(entry);
    if (reading === null) return null;
    readings.push(reading);
  }
  return readings;
}

function readEntry(entry: unknown): Reading | null {
  if (!isObject(entry)) return null;
  const [because, hint] = [own(entry, 'because'), own(entry, 'hint')];
  const runtime = RUNTIMES.find((each) => each === own(entry, 'runtime')) ?? null;
  const identity = readIdentity(own(entry, 'identity'));
  // Either an identity or the reason why there is none.
  if (identity === null ? typeof because !== 'string' : because !== null) return null;
  return {
    identity,
    because: typeof because === 'string' ? because : null,
    runtime,
    hint: typeof hint === 'string' ? hint : null,
    staleTailBytes: 0,
    complete: true,
    lasting: true,
    bytesRead: 0,
    reads: 0,
  };
}

function readIdentity(value: unknown): Identity | null {
  if (!isObject(value)) return null;
  const { namespace, pod, container, podUid } = value;
  if (!isLabel(namespace) || !isSubdomain(pod) || !isLabel(container)) return null;
  return podUid === null || isUid(podUid) ? { namespace, pod, container, podUid } : null;
}
