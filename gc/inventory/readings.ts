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
 * records, the table's length and the device; the table, JSON, of the distinct things that were read; a record of each
 * archive, as doubles; the SHA-256 of all that.
 */
const FORMAT = Buffer.from('checkpoint-warden readings\n', 'latin1');
const FORMAT_VERSION = 3;
const HEAD_BYTES = FORMAT.length + 4 * 4 + 8;
const DIGEST_BYTES = 32;

/** What a record holds, in this order: side by side, for fetching it from memory is what looking for it costs. */
const [INODE, MODIFIED_US, CHANGED_US, BYTES, STALE_TAIL_BYTES, PLACE, WIDTH] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;
const RECORD_BYTES = 8 * WIDTH;

/** Five times what one node was ever meant to hold. */
export const MOST_RECORDS = 500_000;

/** An entry of the table is seldom longer than 200 bytes. */
const MOST_TABLE_BYTES = 128 * 1024 * 1024;

/** What a document can be long. */
export const MOST_BYTES = HEAD_BYTES + MOST_TABLE_BYTES + MOST_RECORDS * RECORD_BYTES + DIGEST_BYTES;

/** How many numbers between two looks at the clock. */
const STRIDE = 512 * WIDTH;

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
  const records = new Float64Array(WIDTH * Math.min(most, MOST_RECORDS));
  let end = 0;
  let device: number | null = null;
  for (const { stamp, changedUs, reading } of remembered) {
    device ??= stamp.device;
    if (stamp.device !== device || typeof stamp.inode === 'bigint') continue;
    if (end === records.length) break;
    const entry = entryOf(reading);
    const place = places.get(entry) ?? places.size;
    places.set(entry, place);
    records[end + INODE] = stamp.inode;
    records[end + MODIFIED_US] = stamp.modifiedUs;
    records[end + CHANGED_US] = changedUs;
    records[end + BYTES] = stamp.bytes;
    records[end + STALE_TAIL_BYTES] = reading.staleTailBytes;
    records[end + PLACE] = place;
    end += WIDTH;
    if (end % STRIDE === 0 && pace.due()) await pace.rest();
  }
  const json = Buffer.from(`[${[...places.keys()].join(',')}]`);
  // With spaces behind it, so that the records begin where they can be read in place.
  const table = Buffer.concat([json, Buffer.alloc((8 - ((HEAD_BYTES + json.length) % 8)) % 8, ' ')]);
  const head = headOf(end / WIDTH, table.length, device ?? 0);
  const parts = [head, table, Buffer.from(records.buffer, 0, end * records.BYTES_PER_ELEMENT)];
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
  return new Readings(head.device, table, recordsOf(document, head.tableEnd, head.count));
}

/** In place where they can be: twice the document is a tenth of what a collector has resident. */
function recordsOf(document: Buffer, start: number, count: number): Float64Array {
  const at = document.byteOffset + start;
  if (at % 8 === 0) return new Float64Array(document.buffer, at, WIDTH * count);
  return new Float64Array(new Uint8Array(document.subarray(start, start + RECORD_BYTES * count)).buffer);
}

/** What was read by an earlier process, by file. */
export class Readings {
  readonly #device: number;
  readonly #table: readonly Reading[];
  readonly #records: Float64Array;
  /** Where a record ends, at a place that its inode gives, or behind it; 0 for none. A fifth of a `Map`. */
  readonly #ends: Uint32Array;
  readonly #mask: number;

  constructor(device: number, table: readonly Reading[], records: Float64Array) {
    this.#device = device;
    this.#table = table;
    this.#records = records;
    // A power of two, at least half of it empty: who looks for what is not there comes to an end.
    const size = 2 ** Math.ceil(Math.log2(2 * this.size + 2));
    this.#mask = size - 1;
    this.#ends = new Uint32Array(size);
    for (let at = 0; at < records.length; at += WIDTH) {
      const place = this.#placeOf(records[at + INODE] ?? 0);
      // Another name of the same file tells nothing more.
      if (this.#ends[place] === 0) this.#ends[place] = at + WIDTH;
    }
  }

  /** How many archives it knows. */
  get size(): number {
    return this.#records.length / WIDTH;
  }

  /** What was read of this very file with this very content; null when nothing is known of it. */
  of({ device, inode, modifiedUs, bytes }: Stamp, changedUs: number): Reading | null {
    if (typeof inode === 'bigint') return null;
    const records = this.#records;
    const at = (this.#ends[this.#placeOf(inode)] ?? 0) - WIDTH;
    const isSame =
      at >= 0 &&
      device === this.#device &&
      records[at + MODIFIED_US] === modifiedUs &&
      records[at + CHANGED_US] === changedUs &&
      records[at + BYTES] === bytes;
    return isSame ? this.#readingAt(at) : null;
  }

  /** Where an inode stands, or would stand. */
  #placeOf(inode: number): number {
    // A multiplication by the golden section spreads inodes; sixteen that were made one after the other stay together,
    // as a directory has them, mostly.
    let place = (((Math.imul(inode >>> 4, 0x9e37_79b1) >>> 8) << 4) | (inode & 15)) & this.#mask;
    for (let end = this.#ends[place] ?? 0; end !== 0; end = this.#ends[place] ?? 0) {
      if (this.#records[end - WIDTH + INODE] === inode) return place;
      place = (place + 1) & this.#mask;
    }
    return place;
  }

  #readingAt(at: number): Reading | null {
    const reading = this.#table[this.#records[at + PLACE] ?? this.#table.length];
    const staleTailBytes = this.#records[at + STALE_TAIL_BYTES] ?? 0;
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
