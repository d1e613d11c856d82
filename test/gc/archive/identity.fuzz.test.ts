import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identify, type Reading } from '../../../gc/archive/identity.ts';
import { Pace } from '../../../gc/system/pace.ts';
import type { Identity } from '../../../policy/types.ts';
import { SEED } from '../../policy/cases.ts';
import { bytesOf, type ManifestEntry, manifest } from '../archives.ts';
import { FakeFiles } from '../fake-files.ts';
import { overlaid, readContent } from '../model/content.ts';
import { seeded } from '../random.ts';
import { type Mutated, mutate, restore, type Subject, subjectOf, touches } from './mutations.ts';

/** `MUTATIONS=1000000` in CI. */
const MUTATIONS = Number(process.env.MUTATIONS ?? 6_000);
const PACKED_MUTATIONS = Math.max(200, MUTATIONS / 500);
const DNS = /^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;

/** How often another reader is asked. */
const STRIDE = 8;

const files = new FakeFiles();
const pace = new Pace();

async function read(bytes: Buffer): Promise<Reading> {
  files.place('/archive', bytes);
  const reading = await identify(files, '/archive', files.lstat('/archive') ?? assert.fail(), pace);
  assert.ok(reading?.lasting);
  return reading;
}

/** Names that could be a pod's, whatever was done to them; and no more read than the archive and its specs twice. */
function requireSane({ identity, because, staleTailBytes, bytesRead }: Reading, size: number): void {
  assert.equal(identity === null, because !== null);
  assert.ok(staleTailBytes >= 0 && staleTailBytes <= size);
  assert.ok(bytesRead <= 2 * size + 1_024, `${bytesRead} bytes read of ${size}`);
  if (identity === null) return;
  for (const name of [identity.namespace, identity.pod, identity.container]) assert.match(name, DNS);
}

/** What must come out of a mutated archive. */
function requireTruth(subject: Subject, mutated: Mutated, { identity, staleTailBytes }: Reading): void {
  const { row, frame, spec, deciding, behind } = subject;
  const { changed, tail, movedFrom } = mutated;
  const isMoved = movedFrom < subject.pristine.length;
  // Where only content was changed the end marker stands where it stood, and all that is behind it is a stale tail.
  if (!isMoved && !touches(changed, frame)) {
    assert.equal(staleTailBytes, row.complete ? tailOf(row) + tail : 0, 'a stale tail');
    if (!touches(changed, [spec])) assert.equal(textOf(identity), truthOf(row));
  }
  const couldSay = touches(changed, deciding) || (isMoved && deciding.some(([, to]) => movedFrom < to));
  if (identity === null || couldSay) return;
  const isOther = touches(changed, frame) && textOf(identity) === behind;
  if (!isOther) assert.equal(textOf(identity), truthOf(row));
}

/** What another reader says, which knows little of formats: nothing is whole here that is not whole there. */
function requireAgreement({ buffer, frame }: Subject, mutated: Mutated, reading: Reading): void {
  const { identity, complete } = reading;
  const { whole, specs } = readContent(buffer.subarray(0, mutated.end));
  assert.ok(whole || !complete, 'whole, though another reader finds no sound end');
  // Readers of a forged header may differ in its name.
  if (touches(mutated.changed, frame)) return;
  assert.ok(identity === null || specs === 1, `an identity, though it holds ${specs} specs`);
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
    const random = seeded(SEED);
    const subjects = await Promise.all(plain.map(({ row }) => subjectOf(row)));
    // The largest is five times as large as the others, and the same in kind.
    const small = subjects.filter(({ pristine }) => pristine.length < 1e6);
    const counts = { identified: 0, refused: 0, tainted: 0 };
    for (let round = 0; round < MUTATIONS; round++) {
      const choice = round % 100 === 0 ? subjects : small;
      const subject = choice[random(choice.length)] ?? assert.fail();
      const mutated = mutate(subject, random);
      const reading = await read(subject.buffer.subarray(0, mutated.end));
      try {
        requireSane(reading, mutated.end);
        requireTruth(subject, mutated, reading);
        // It takes three times as long as the reading.
        if (round % STRIDE === 0) requireAgreement(subject, mutated, reading);
      } catch (error) {
        const what = `round ${round}, SEED=${SEED}: ${subject.row.file} ${JSON.stringify(mutated)}`;
        throw new Error(`${what}: ${JSON.stringify(reading)}`, { cause: error });
      }
      restore(subject, mutated);
      counts[reading.identity === null ? 'refused' : 'identified']++;
      if (reading.staleTailBytes > 0) counts.tainted++;
    }
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
      const reading = await read(overlaid(under.bytes, over.bytes, random(over.bytes.length)));
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
