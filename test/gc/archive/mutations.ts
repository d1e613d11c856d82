import assert from 'node:assert/strict';
import { TarWalk } from '../../../gc/archive/tar.ts';
import { MeteredFile, walkFile } from '../../../gc/archive/tar-file.ts';
import { Pace } from '../../../gc/system/pace.ts';
import { bytesOf, type ManifestEntry, sealed } from '../archives.ts';
import { readAt } from '../fake-files.ts';

const BLOCK = 512;
/** Bytes that a mutation may add behind an archive's end. */
const SPARE = 64 * 1024;
const LONGEST_TAIL = 4_096;

export type Range = readonly [from: number, to: number];
type Random = (below: number) => number;

/** A real archive in memory, where it can be changed and put back. */
export interface Subject {
  readonly row: ManifestEntry;
  /** Room for more than the archive. */
  readonly buffer: Buffer;
  readonly pristine: Buffer;
  readonly headersAt: readonly number[];
  /** Headers, and the two blocks of the end marker. */
  readonly frame: readonly Range[];
  readonly spec: Range;
  /** Where the spec says which runtime wrote it, and whose it is. */
  readonly deciding: readonly Range[];
  /** The spec of the archive whose end stands behind the end marker; null where nothing does. */
  readonly specBehind: Buffer | null;
}

export async function subjectOf(row: ManifestEntry): Promise<Subject> {
  const pristine = bytesOf(row);
  const headersAt = row.compression === 'none' ? headersIn(pristine) : [];
  const read = (into: Buffer, length: number, position: number) => readAt(pristine, into, length, position);
  const file = new MeteredFile({ facts: () => assert.fail(), read, close() {} });
  const walk = row.compression === 'none' ? await walkFile(file, pristine.length, new Pace()) : new TarWalk();
  const [place] = walk.specs;
  const spec: Range = place === undefined ? [0, 0] : [place.at, place.at + place.bytes];
  return {
    row,
    buffer: Buffer.concat([pristine, Buffer.alloc(SPARE)]),
    pristine,
    headersAt,
    frame: headersAt.map((at) => [at, at + BLOCK]),
    spec,
    deciding: decidingIn(pristine, spec),
    specBehind: specBehind(pristine, row.endMarkerAt),
  };
}

/** Where the headers stand, and the two blocks of the end marker. */
function headersIn(archive: Buffer): number[] {
  const headers: number[] = [];
  let zeros = 0;
  for (let at = 0; at + BLOCK <= archive.length && zeros < 2; ) {
    headers.push(at);
    const block = archive.subarray(at, at + BLOCK);
    zeros = block.every((byte) => byte === 0) ? zeros + 1 : 0;
    const bytes = Number.parseInt(block.toString('latin1', 124, 136), 8) || 0;
    at += BLOCK * (1 + Math.ceil(bytes / BLOCK));
  }
  return headers;
}

const DECIDING =
  /"(?:io\.container\.manager|io\.kubernetes\.[-.\w]+|annotations)":\s*(?:"(?:[^"\\]|\\.)*"|\{)/g;

/**
 * A flipped byte in one of these names somebody else, or lets forged keys speak: nothing in an archive says that it
 * was not so from the beginning.
 */
function decidingIn(bytes: Buffer, [from, to]: Range): Range[] {
  const text = bytes.toString('latin1', from, to);
  return [...text.matchAll(DECIDING)].map(({ 0: match, index }) => [
    from + index,
    from + index + match.length,
  ]);
}

/** What was left of a longer archive begins anywhere in it; its headers stand at multiples of a block all the same. */
function specBehind(bytes: Buffer, endMarkerAt: number | null): Buffer | null {
  const at = endMarkerAt === null ? -1 : bytes.indexOf('spec.dump\0', endMarkerAt, 'latin1');
  if (at < 0) return null;
  assert.equal(at % BLOCK, 0);
  const length = Number.parseInt(bytes.toString('latin1', at + 124, at + 136), 8);
  return bytes.subarray(at + BLOCK, at + BLOCK + length);
}

/** What was done to an archive. */
export interface Mutated {
  readonly end: number;
  readonly changed: readonly Range[];
  /** What was done where, in words. */
  readonly did: readonly string[];
  /** Bytes behind the end marker that were not there before. */
  readonly tail: number;
  /** Everything behind this was moved. */
  readonly movedFrom: number;
}

type Mutation = (subject: Subject, random: Random) => Range;

function pick<T>(all: readonly T[], random: Random): T {
  return all[random(all.length)] ?? assert.fail('nothing to pick from');
}

const IN_PLACE: readonly Mutation[] = [
  function flip({ buffer, pristine }, random) {
    const at = random(pristine.length);
    buffer[at] = random(256);
    return [at, at + 1];
  },
  function flipInHeader({ buffer, headersAt }, random) {
    const at = pick(headersAt, random) + random(BLOCK);
    buffer[at] = random(256);
    return [at, at + 1];
  },
  function flipInSpec({ buffer, spec: [from, to] }, random) {
    const at = from + random(Math.max(1, to - from));
    buffer[at] = random(256);
    return [at, at + 1];
  },
  function flipInNames({ buffer, pristine, deciding }, random) {
    const [from, to] = deciding.length > 0 ? pick(deciding, random) : [0, pristine.length];
    const at = from + random(to - from);
    buffer[at] = random(256);
    return [at, at + 1];
  },
  function zeroBlock({ buffer, pristine }, random) {
    const at = random(pristine.length >> 9) << 9;
    buffer.fill(0, at, at + BLOCK);
    return [at, at + BLOCK];
  },
  function copyBlocks({ buffer, pristine }, random) {
    const blocks = pristine.length >> 9;
    const [from, to] = [random(blocks) << 9, random(blocks) << 9];
    const length = Math.min((1 + random(8)) << 9, pristine.length - Math.max(from, to));
    buffer.copy(buffer, to, from, from + length);
    return [to, to + length];
  },
  function copyHeader({ buffer, headersAt }, random) {
    const [from, to] = [pick(headersAt, random), pick(headersAt, random)];
    buffer.copy(buffer, to, from, from + BLOCK);
    return [to, to + BLOCK];
  },
  /** With a checksum that holds, as nothing but intent makes it. */
  function forgeHeader({ buffer, headersAt }, random) {
    const at = pick(headersAt, random);
    const block = buffer.subarray(at, at + BLOCK);
    const field = pick([0, 124, 135, 156, 257, 345], random);
    for (let i = 0; i < 4; i++)
      block[field + random(12)] = pick(
        [0, 32, 48, 49, 55, 46, 47, 120, 103, 76, 128, 255, random(256)],
        random,
      );
    sealed(block);
    return [at, at + BLOCK];
  },
];

/** Changes an archive in its buffer; `restore` takes it back. */
export function mutate(subject: Subject, random: Random): Mutated {
  const { buffer, pristine } = subject;
  const changed: Range[] = [];
  const did: string[] = [];
  for (let left = random(4); left > 0; left--) {
    const mutation = pick(IN_PLACE, random);
    const range = mutation(subject, random);
    changed.push(range);
    did.push(`${mutation.name} ${range.join('-')}`);
  }
  const whole = { end: pristine.length, changed, did, tail: 0, movedFrom: pristine.length };
  switch (random(10)) {
    case 0:
      return { ...whole, did: [...did, 'cut off'], end: random(pristine.length), movedFrom: 0 };
    case 1:
    case 2: {
      // What an earlier and longer archive leaves, which begins anywhere in a record of tar.
      const tail = 1 + random(LONGEST_TAIL);
      for (let at = 0; at < tail; at += 1) buffer[pristine.length + at] = 1 + random(255);
      return { ...whole, did: [...did, `${tail} bytes behind it`], end: pristine.length + tail, tail };
    }
    case 3: {
      const [at, bytes] = [random(pristine.length), pick([1, BLOCK, random(2_000)], random)];
      buffer.copyWithin(at, Math.min(at + bytes, pristine.length), pristine.length);
      did.push(`${bytes} bytes taken out at ${at}`);
      return { ...whole, end: Math.max(at, pristine.length - bytes), movedFrom: at };
    }
    case 4: {
      const [at, bytes] = [random(pristine.length), pick([1, BLOCK, random(2_000)], random)];
      buffer.copyWithin(at + bytes, at, pristine.length);
      did.push(`${bytes} bytes put in at ${at}`);
      return { ...whole, end: pristine.length + bytes, movedFrom: at };
    }
    case 5: {
      // A second spec, in front of the end marker.
      const { endMarkerAt } = subject.row;
      const [from, to] = [subject.spec[0] - BLOCK, Math.ceil(subject.spec[1] / BLOCK) * BLOCK];
      if (endMarkerAt === null || from < 0 || to - from > SPARE) return whole;
      buffer.copyWithin(endMarkerAt + to - from, endMarkerAt, pristine.length);
      pristine.copy(buffer, endMarkerAt, from, to);
      did.push('a second spec before the end marker');
      return { ...whole, end: pristine.length + to - from, movedFrom: endMarkerAt };
    }
    default:
      return whole;
  }
}

export function restore({ buffer, pristine }: Subject, { changed, movedFrom, end }: Mutated): void {
  for (const [from, to] of changed) pristine.copy(buffer, from, from, to);
  if (movedFrom < pristine.length && end > 0) pristine.copy(buffer, movedFrom, movedFrom);
}

export function touches(changed: readonly Range[], ranges: readonly Range[]): boolean {
  return changed.some(([from, to]) => ranges.some(([start, end]) => from < end && to > start));
}
