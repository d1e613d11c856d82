import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identify, type Reading } from '../../../gc/archive/identity.ts';
import { TarWalk } from '../../../gc/archive/tar.ts';
import { MeteredFile, walkFile } from '../../../gc/archive/tar-file.ts';
import { Pace } from '../../../gc/system/pace.ts';
import type { Identity } from '../../../policy/types.ts';
import { bytesOf, type ManifestEntry, manifest, sealed } from '../archives.ts';
import { FakeFiles, readAt } from '../fake-files.ts';
import { seeded } from '../random.ts';

const PLAIN_MUTATIONS = 20_000;
const PACKED_MUTATIONS = 400;
const DNS = /^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;

/** A real archive, its content in memory where it can be changed and put back. */
interface Subject {
  readonly row: ManifestEntry;
  readonly bytes: Buffer;
  readonly pristine: Buffer;
  readonly headersAt: readonly number[];
  readonly spec: { readonly from: number; readonly to: number };
}

async function subjectOf(row: ManifestEntry): Promise<Subject> {
  const bytes = bytesOf(row);
  const headersAt: number[] = [];
  const read = (into: Buffer, length: number, position: number) => {
    headersAt.push(position);
    return readAt(bytes, into, length, position);
  };
  const file = new MeteredFile({ facts: () => assert.fail(), read, close() {} });
  const walk = row.compression === 'none' ? await walkFile(file, bytes.length, new Pace()) : new TarWalk();
  const [spec] = walk.specs;
  const from = spec === undefined ? 0 : spec.at;
  return {
    row,
    bytes,
    pristine: Buffer.from(bytes),
    headersAt,
    spec: { from, to: from + (spec?.bytes ?? 0) },
  };
}

type Random = (below: number) => number;
/** Changes some bytes; returns the ranges that it has changed. */
type Mutation = (subject: Subject, random: Random) => readonly (readonly [from: number, to: number])[];

function pick<T>(all: readonly T[], random: Random): T {
  return all[random(all.length)] ?? assert.fail('nothing to pick from');
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip({ bytes }, random) {
    const at = random(bytes.length);
    bytes[at] = random(256);
    return [[at, at + 1]];
  },
  flipInHeader({ bytes, headersAt }, random) {
    const at = pick(headersAt, random) + random(512);
    bytes[at] = random(256);
    return [[at, at + 1]];
  },
  flipInSpec({ bytes, spec }, random) {
    const at = spec.from + random(spec.to - spec.from);
    bytes[at] = random(256);
    return [[at, at + 1]];
  },
  zeroBlock({ bytes }, random) {
    const at = random(bytes.length >> 9) << 9;
    bytes.fill(0, at, at + 512);
    return [[at, at + 512]];
  },
  copyHeader({ bytes, headersAt }, random) {
    const [from, to] = [pick(headersAt, random), pick(headersAt, random)];
    bytes.copy(bytes, to, from, from + 512);
    return [[to, to + 512]];
  },
  /** With a checksum that holds, as nothing but intent makes it. */
  forgeHeader({ bytes, headersAt }, random) {
    const at = pick(headersAt, random);
    const block = bytes.subarray(at, at + 512);
    const field = pick([0, 124, 135, 156, 257, 345], random);
    for (let i = 0; i < 4; i++)
      block[field + random(12)] = pick(
        [0, 32, 48, 49, 55, 46, 47, 120, 103, 76, 128, 255, random(256)],
        random,
      );
    sealed(block);
    return [[at, at + 512]];
  },
};

function mutate(subject: Subject, random: Random): { touchedSpec: boolean; restore: () => void } {
  const { bytes, pristine, spec } = subject;
  const changed: (readonly [from: number, to: number])[] = [];
  for (let left = 1 + random(3); left > 0; left--) {
    changed.push(...pick(Object.values(MUTATIONS), random)(subject, random));
  }
  return {
    touchedSpec: changed.some(([from, to]) => from < spec.to && to > spec.from),
    restore() {
      for (const [from, to] of changed) pristine.copy(bytes, from, from, to);
    },
  };
}

/** Names that could be a pod's, whatever was done to them. */
function assertSane({ identity, because, staleTailBytes }: Reading, size: number): void {
  assert.equal(identity === null, because !== null);
  assert.ok(staleTailBytes >= 0 && staleTailBytes <= size);
  if (identity === null) return;
  for (const name of [identity.namespace, identity.pod, identity.container]) assert.match(name, DNS);
}

function textOf({ namespace, pod, container, podUid }: Identity): string {
  return `${namespace}/${pod}/${container}/${podUid}`;
}

function truthOf({ row }: Subject): string {
  return `${row.namespace}/${row.pod}/${row.container}/${row.podUID}`;
}

describe('identity: mutated archives', () => {
  it(`${PLAIN_MUTATIONS} times: no crash, and no identity but the true one`, async () => {
    const random = seeded(20_261_121);
    const files = new FakeFiles();
    const subjects = await Promise.all(
      manifest
        .filter(({ complete, compression, bytes }) => complete && compression === 'none' && bytes < 1e6)
        .map(subjectOf),
    );
    const pace = new Pace();
    const counts = { identified: 0, refused: 0 };
    for (let round = 0; round < PLAIN_MUTATIONS; round++) {
      const subject = pick(subjects, random);
      const { touchedSpec, restore } = mutate(subject, random);
      const end = random(8) === 0 ? random(subject.bytes.length) : subject.bytes.length;
      files.place('/archive', subject.bytes.subarray(0, end));
      const reading = await identify(files, '/archive', files.lstat('/archive') ?? assert.fail(), pace);
      restore();
      assert.ok(reading?.lasting);
      assertSane(reading, end);
      const { identity } = reading;
      if (identity === null) counts.refused++;
      else counts.identified++;
      if (identity !== null && !touchedSpec) {
        assert.equal(textOf(identity), truthOf(subject), `round ${round}`);
      }
    }
    assert.ok(
      counts.identified > PLAIN_MUTATIONS / 10 && counts.refused > PLAIN_MUTATIONS / 10,
      JSON.stringify(counts),
    );
  });

  it(`${PACKED_MUTATIONS} times compressed: no crash, and no identity`, async () => {
    const random = seeded(7);
    const files = new FakeFiles();
    const packed = manifest.filter(({ compression }) => compression !== 'none').map((row) => bytesOf(row));
    for (let round = 0; round < PACKED_MUTATIONS; round++) {
      const bytes = Buffer.from(pick(packed, random));
      for (let left = 1 + random(3); left > 0; left--) bytes[random(bytes.length)] = random(256);
      files.place('/archive', bytes);
      const reading = await identify(files, '/archive', files.lstat('/archive') ?? assert.fail(), new Pace());
      assert.ok(reading?.lasting);
      assertSane(reading, 1e9);
      assert.equal(reading.identity, null);
    }
  });
});
