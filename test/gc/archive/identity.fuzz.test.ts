import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identify, type Reading } from '../../../gc/archive/identity.ts';
import { Pace } from '../../../gc/system/pace.ts';
import type { Identity } from '../../../policy/types.ts';
import { SEED } from '../../policy/cases.ts';
import { bytesOf, type ManifestEntry, manifest } from '../archives.ts';
import { FakeFiles } from '../fake-files.ts';
import { overlaid } from '../model/content.ts';
import { seeded } from '../random.ts';
import { type Mutated, mutate, restore, type Subject, subjectOf, touches } from './mutations.ts';
import { type Said, saidBy } from './said.ts';

/** `MUTATIONS=1000000` in CI. */
const MUTATIONS = Number(process.env.MUTATIONS ?? 6_000);
const PACKED_MUTATIONS = Math.max(200, MUTATIONS / 500);
/** One round alone, as a failure names it. */
const ROUND = process.env.ROUND === undefined ? null : Number(process.env.ROUND);

/** What the reader may read beside what it needs: what it reads ahead, and a last record of zeros. */
const SPARE_BYTES = 8 * 1_024 + 10_240;

/**
 * What is refused, although the bytes say something to a reader that is less strict: two readers could read it in two
 * ways.
 */
const STRICT =
  /is of an unknown kind|is no file's, and has a size|^the extended header|^the global header|has two names/;

const files = new FakeFiles();
const pace = new Pace();

async function read(bytes: Buffer): Promise<Reading> {
  files.place('/archive', bytes);
  const reading = await identify(files, '/archive', files.lstat('/archive') ?? assert.fail(), pace);
  assert.ok(reading?.lasting);
  return reading;
}

/** No more is read than what an identity needs, however the archive is made. */
function requireSane({ identity, because, staleTailBytes, bytesRead }: Reading, said: Said): void {
  assert.equal(identity === null, because !== null);
  assert.ok(Number.isSafeInteger(staleTailBytes));
  const most = said.neededBytes + SPARE_BYTES;
  assert.ok(bytesRead <= most, `${bytesRead} bytes read, where ${most} are enough`);
}

/** It says what the bytes say, no more and, but for what it is strict in, no less: whole, whose, with what behind it. */
function requireAgreement(reading: Reading, said: Said): void {
  const { because, complete, identity, staleTailBytes } = reading;
  assert.ok(said.whole || !complete, 'whole, though another reader finds no sound end');
  if (complete) assert.equal(staleTailBytes, said.staleTailBytes, 'a stale tail, as another reader finds it');
  else assert.equal(staleTailBytes, 0, 'a tail of what has no end');
  if (textOf(identity) === textOf(said.identity) && complete === said.whole) return;
  assert.equal(identity, null, `another reader finds ${textOf(said.identity)}`);
  assert.match(because ?? '', STRICT, `refused, though it is ${textOf(said.identity)}'s`);
}

/**
 * What must come out of a mutated archive. It is its owner's, or nobody's, with two exceptions: a mutation that fell
 * into the names in its spec, and one that lets the headers lead past its spec and its end marker, whole, to those of
 * the archive whose end stands behind it. Then the bytes truly are that archive's, to the last checksum.
 */
function requireTruth(subject: Subject, mutated: Mutated, reading: Reading, said: Said): void {
  const { row, frame, spec, deciding, specBehind, pristine } = subject;
  const { changed, tail, movedFrom } = mutated;
  const identity = textOf(reading.identity);
  const isMoved = movedFrom < pristine.length;
  // Where only content was changed the end marker stands where it stood, and all that is behind it is a stale tail.
  if (!isMoved && !touches(changed, frame)) {
    assert.equal(reading.staleTailBytes, row.complete ? tailOf(row) + tail : 0, 'a stale tail');
    if (!touches(changed, [spec])) assert.equal(identity, truthOf(row));
  }
  if (reading.identity === null || identity === truthOf(row)) return;
  assert.ok(said.spec !== null, `${identity} out of no spec`);
  if (specBehind?.equals(said.spec)) {
    assert.ok(isMoved || touches(changed, frame), 'the end marker was passed, and no header was changed');
    assert.equal(identity, 'a/pair/b-c/8a6b6415-ff9f-4eac-950b-2900cc60718a');
    return;
  }
  const isItsOwn = said.spec.equals(pristine.subarray(...spec));
  assert.ok(!isItsOwn, `${identity} out of the spec of ${truthOf(row)}`);
  const isCutWithin = isMoved && deciding.some(([from, to]) => from < movedFrom && movedFrom < to);
  assert.ok(isCutWithin || touches(changed, deciding), `${identity} out of no name that was changed`);
}

function textOf(identity: Identity | null): string {
  if (identity === null) return 'nobody';
  return `${identity.namespace}/${identity.pod}/${identity.container}/${identity.podUid}`;
}

function truthOf({ namespace, pod, container, podUID, complete }: ManifestEntry): string {
  return namespace === null || !complete ? 'nobody' : `${namespace}/${pod}/${container}/${podUID}`;
}

function tailOf({ bytes, endMarkerAt }: ManifestEntry): number {
  return endMarkerAt === null ? 0 : bytes - endMarkerAt - 1_024;
}

const plain = manifest
  .filter(({ compression }) => compression === 'none')
  .map((row) => ({ row, bytes: bytesOf(row) }));

describe('identity: mutated archives', () => {
  it(`${MUTATIONS} times: no crash, no identity but the true one, and no stale tail unseen (SEED=${SEED})`, async () => {
    const subjects = await Promise.all(plain.map(({ row }) => subjectOf(row)));
    // The largest is five times as large as the others, and the same in kind.
    const small = subjects.filter(({ pristine }) => pristine.length < 1e6);
    const counts = { identified: 0, refused: 0, tainted: 0 };
    const [first, end] = ROUND === null ? [0, MUTATIONS] : [ROUND, ROUND + 1];
    for (let round = first; round < end; round++) {
      const random = seeded(SEED ^ Math.imul(round + 1, 0x9e37_79b1));
      const choice = round % 100 === 0 ? subjects : small;
      const subject = choice[random(choice.length)] ?? assert.fail();
      const mutated = mutate(subject, random);
      const bytes = subject.buffer.subarray(0, mutated.end);
      const reading = await read(bytes);
      const said = saidBy(bytes);
      try {
        requireSane(reading, said);
        requireAgreement(reading, said);
        requireTruth(subject, mutated, reading, said);
      } catch (error) {
        const again = `SEED=${SEED} ROUND=${round} npm run test:fuzz`;
        const what = `${subject.row.file}: ${mutated.did.join(', ')} (${again})`;
        throw new Error(`${what}: ${JSON.stringify(reading)}`, { cause: error });
      }
      restore(subject, mutated);
      counts[reading.identity === null ? 'refused' : 'identified']++;
      if (reading.staleTailBytes > 0) counts.tainted++;
    }
    if (ROUND !== null) return;
    for (const [what, count] of Object.entries(counts))
      assert.ok(count > MUTATIONS / 10, `${count} were ${what}`);
    // Each mutation was taken back.
    for (const { buffer, pristine } of subjects)
      assert.ok(buffer.subarray(0, pristine.length).equals(pristine));
  });

  it('one written over another, as a runtime does it, is its own, and what is left of the other is seen', async () => {
    for (const { row: under, bytes: below } of plain) {
      for (const { row: over, bytes: above } of plain) {
        const reading = await read(overlaid(below, above, above.length));
        const name = `${over.file} over ${under.file}`;
        if (!over.complete) continue;
        assert.equal(textOf(reading.identity), truthOf(over), name);
        const left = Math.max(0, below.length - above.length);
        const tail = tailOf(over) > 0 ? tailOf(over) + left : left;
        assert.equal(reading.staleTailBytes, tail, name);
      }
    }
  });

  it('while one is written over another, it is nobody’s or one of the two', async () => {
    const random = seeded(SEED);
    for (let round = 0; round < MUTATIONS / 50; round++) {
      const [under, over] = [plain[random(plain.length)], plain[random(plain.length)]];
      if (under === undefined || over === undefined) continue;
      const bytes = overlaid(under.bytes, over.bytes, random(over.bytes.length));
      const reading = await read(bytes);
      requireAgreement(reading, saidBy(bytes));
      assert.ok(['nobody', truthOf(under.row), truthOf(over.row)].includes(textOf(reading.identity)));
    }
  });

  it(`${PACKED_MUTATIONS} times compressed: no crash, and no identity`, async () => {
    const random = seeded(7);
    const packed = manifest.filter(({ compression }) => compression !== 'none').map((row) => bytesOf(row));
    for (let round = 0; round < PACKED_MUTATIONS; round++) {
      const bytes = Buffer.from(packed[random(packed.length)] ?? assert.fail());
      for (let left = 1 + random(3); left > 0; left--) bytes[random(bytes.length)] = random(256);
      const reading = await read(bytes);
      assert.ok(reading.staleTailBytes >= 0);
      assert.equal(reading.identity, null);
    }
  });
});
