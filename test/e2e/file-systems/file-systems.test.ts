import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { makeArchive } from '../../fixtures/make-archive.ts';
import { seeded } from '../../gc/random.ts';
import { filesContract } from '../../gc/system/files-contract.ts';
import { realWorld } from '../../gc/worlds.ts';
import { SEED } from '../../policy/cases.ts';
import { type Mounted, type Mounts, makeMounts } from '../faults/mounts.ts';
import { type GcProcess, startGc } from '../gc-process.ts';
import { PLACES } from './places.ts';
import { Whims } from './whims.ts';

const KEEP = 4;
const SPEC = {
  applyPoliciesImmediately: true,
  circuitBreaker: { maxShare: '100%' },
  globalPolicy: { maxCheckpointsPerContainer: KEEP },
  unidentified: { timeThreshold: '1h' },
};
/** Milliseconds of whims on each file system. */
const WHIMS_MS = Number(process.env.WHIMS_MS ?? 15_000);
const SOON = 20_000;

let mounts: Mounts;
const mounted = new Map<string, Mounted>();

before(async () => {
  mounts = await makeMounts();
  for (const [name, make] of Object.entries(PLACES)) mounted.set(name, await make(mounts));
});

after(() => mounts?.end());

function placeOf(name: string): Mounted {
  const place = mounted.get(name);
  assert.ok(place, `${name} could not be mounted`);
  return place;
}

function start(directory: string, state: string): GcProcess {
  const policies = join(mounts.scratch, 'policy.yaml');
  const resource = {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { name: 'quotas', namespace: 'ops' },
    spec: SPEC,
  };
  writeFileSync(policies, JSON.stringify(resource));
  const args = ['--directory', directory, '--policies', policies, '--state-directory', state];
  return startGc(args, mounts.enter);
}

for (const name of Object.keys(PLACES)) {
  filesContract(name, () => realWorld(placeOf(name).outside));

  describe(`a collector on ${name}`, () => {
    it(`is killed again and again, whatever happens to its directory (SEED=${SEED})`, async (test) => {
      const { path, outside } = placeOf(name);
      const directory = join(outside, 'checkpoints');
      const beside = join(outside, 'beside');
      for (const each of [directory, beside]) mkdirSync(each);
      const whims = new Whims(directory, beside, SEED);
      const random = seeded(SEED);
      const end = Date.now() + WHIMS_MS;
      let kills = 0;
      let deleted = 0;
      let gc = start(join(path, 'checkpoints'), join(path, 's'));
      const count = () => gc.lines.filter(({ message }) => message === 'deleted').length;
      try {
        for (let killAt = Date.now() + 1_500; Date.now() < end; ) {
          await whims.act();
          whims.look();
          await sleep(random(12));
          if (Date.now() < killAt) continue;
          await gc.kill();
          deleted += count();
          kills += 1;
          gc = start(join(path, 'checkpoints'), join(path, 's'));
          killAt = Date.now() + 700 + random(1_500);
        }
        for (let left = 0; left < 12; left += 1) {
          whims.look();
          await sleep(100);
        }
        await eventually(async () => whims.requireSound(KEEP), SOON);
        await requireWatched(gc, directory);
        deleted += count();
        const { code } = await gc.stop();
        assert.equal(code, 0);
      } finally {
        await gc.kill();
      }
      assert.ok(deleted > 20, `only ${deleted} deletions`);
      assert.ok(kills >= 3, `only ${kills} kills`);
      test.diagnostic(`${whims.actions} whims, ${kills} kills, ${deleted} deletions that were told`);
    });
  });
}

/** The next scan is a minute away: what happens now was heard of. */
async function requireWatched(gc: GcProcess, directory: string): Promise<void> {
  assert.ok(!gc.said(/cannot be watched/));
  for (let number = 0; number <= KEEP; number += 1) {
    writeFileSync(
      join(directory, `checkpoint-heard_shop-main-${number}.tar`),
      makeArchive({ namespace: 'shop', pod: 'heard' }),
    );
    await sleep(20);
  }
  const heard = () => readdirSync(directory).filter((name) => name.startsWith('checkpoint-heard'));
  await eventually(async () => {
    assert.deepEqual(
      heard().sort(),
      Array.from({ length: KEEP }, (_, index) => `checkpoint-heard_shop-main-${index + 1}.tar`),
    );
  }, SOON);
}
