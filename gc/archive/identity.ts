import { own } from '../../policy/json.ts';
import type { Identity } from '../../policy/types.ts';
import {
  errorCode,
  explain,
  type FileName,
  type FileSystem,
  isSameStamp,
  type OpenFile,
  type Stamp,
} from '../system/files.ts';
import type { Pace } from '../system/pace.ts';
import { parseObject, type Runtime } from './annotations.ts';
import { readSpecOnce } from './spec-memo.ts';
import { END_MARKER, type Place, type TarWalk } from './tar.ts';
import { MeteredFile, walkFile } from './tar-file.ts';
import { BLOCK } from './tar-header.ts';
import { packingOf, walkPacked } from './tar-packed.ts';

export type { Runtime } from './annotations.ts';

const MIB = 1024 * 1024;

/**
 * A `spec.dump` holds the container's environment (bounded by what fits into an object of etcd, 1.5 MiB) and,
 * with CRI-O, the pod's annotations (256 KiB) up to three times, escaped. 4 MiB hold all that; what claims more
 * is not a spec.
 */
export const SPEC_LIMIT = 4 * MIB;

/**
 * To be raised with every change of what a reading says of an archive: what an older program has read and
 * remembered (`readings.ts`) is then read again.
 */
export const READER_VERSION = 1;

/** What reading one archive has told. */
export interface Reading {
  readonly identity: Identity | null;
  /** Why there is no identity, in words, for a sentence. */
  readonly because: string | null;
  readonly runtime: Runtime | null;
  /** What may be shown where there is no identity: the name that podman gave the container. Proves nothing. */
  readonly hint: string | null;
  /** Bytes behind the end marker, decompressed where the archive is compressed. */
  readonly staleTailBytes: number;
  /** It has a sound end marker. Without one it has no identity, whatever its `spec.dump` says. */
  readonly complete: boolean;
  /** False when the file system refused to be read, which may pass. */
  readonly lasting: boolean;
  /** Bytes and calls that the reading took. */
  readonly bytesRead: number;
  readonly reads: number;
}

/**
 * Reads whose memory an archive holds. Null when what stands there is not, or no more, the file that a look has
 * seen. Never throws: what the file system refuses is a reading that does not last.
 */
export async function identify(
  files: FileSystem,
  path: FileName,
  seen: Stamp,
  pace: Pace,
): Promise<Reading | null> {
  let file: OpenFile | null = null;
  try {
    file = files.open(path);
    const facts = file.facts();
    if (facts.kind !== 'file' || !isSameStamp(facts, seen)) return null;
    return await readArchive(new MeteredFile(file), facts.bytes, pace);
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? null : failed(error);
  } finally {
    file?.close();
  }
}

/** An archive whose headers were walked. */
interface Walked {
  readonly walk: TarWalk;
  readonly fault: string | null;
  /** Of the tar archive, decompressed. */
  readonly bytes: number;
  readonly bytesBehind: number;
  content(place: Place): Buffer | null;
}

const magic = Buffer.alloc(4);

/** Of the beginning: the first header, and the second where the first entry is short. */
const SHORT = 3 * BLOCK;

async function readArchive(file: MeteredFile, bytes: number, pace: Pace): Promise<Reading> {
  magic.fill(0);
  // Most are not packed, and then the first header stands there.
  file.readAhead(magic, magic.length, 0, SHORT);
  const packing = packingOf(magic);
  const walked: Walked =
    packing === null
      ? await walkPlain(file, bytes, pace)
      : await walkPacked(file, bytes, packing, SPEC_LIMIT);
  const judgement = judge(walked);
  const { staleTailBytes } = judgement;
  const isPadding = packing === null && isRecordPadding(file, bytes, staleTailBytes);
  return {
    ...judgement,
    staleTailBytes: isPadding ? 0 : staleTailBytes,
    bytesRead: file.bytesRead,
    reads: file.reads,
  };
}

/** GNU tar fills its last record with zeros; no runtime does, and a stale tail of that kind holds nothing. */
const RECORD = 20 * BLOCK;

function isRecordPadding(file: MeteredFile, bytes: number, tailBytes: number): boolean {
  if (tailBytes === 0 || tailBytes >= RECORD || bytes % RECORD !== 0) return false;
  const tail = file.readPlace({ at: bytes - tailBytes, bytes: tailBytes });
  return tail?.every((byte) => byte === 0) ?? false;
}

async function walkPlain(file: MeteredFile, bytes: number, pace: Pace): Promise<Walked> {
  const walk = await walkFile(file, bytes, pace);
  return { walk, fault: walk.fault, bytes, bytesBehind: 0, content: (place) => file.readPlace(place) };
}

type Judgement = Omit<Reading, 'bytesRead' | 'reads'>;

function judge(walked: Walked): Judgement {
  const { walk, bytes, bytesBehind } = walked;
  const fault = walked.fault ?? walk.fault;
  const complete = fault === null && walk.endMarkerAt !== null;
  const staleTailBytes = complete ? bytes - ((walk.endMarkerAt ?? 0) + END_MARKER) + bytesBehind : 0;
  const found = complete ? readSpecOf(walked) : without(fault ?? 'truncated: it has no end marker');
  return { ...found, staleTailBytes, complete, lasting: true };
}

type Found = Pick<Reading, 'identity' | 'because' | 'runtime' | 'hint'>;

function readSpecOf(walked: Walked): Found {
  const [place, second] = walked.walk.specs;
  if (place === undefined) return without('it holds no spec.dump');
  if (second !== undefined) return without('it holds more than one spec.dump');
  if (place.bytes > SPEC_LIMIT) return without(`its spec.dump is longer than ${SPEC_LIMIT / MIB} MiB`);
  const spec = walked.content(place);
  if (spec === null) return without('its spec.dump could not be read to its end');
  const reading = readSpecOnce(spec);
  return { ...reading, hint: reading.runtime === 'podman' ? podmanName(walked) : null };
}

/** Podman's own rule for names, which keeps control characters off a terminal. */
const PODMAN_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

function podmanName({ walk, content }: Walked): string | null {
  const place = walk.config;
  if (place === null || place.bytes > SPEC_LIMIT) return null;
  const config = parseObject(content(place)?.toString('utf8') ?? '');
  const name = config === null ? null : own(config, 'name');
  return typeof name === 'string' && PODMAN_NAME.test(name) ? name : null;
}

function without(because: string): Found {
  return { identity: null, because, runtime: null, hint: null };
}

function failed(error: unknown): Reading {
  const found = without(`it could not be read: ${explain(error)}`);
  return { ...found, staleTailBytes: 0, complete: false, lasting: false, bytesRead: 0, reads: 0 };
}
