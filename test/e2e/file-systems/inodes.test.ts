import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { makeArchive } from '../../fixtures/make-archive.ts';
import { type Mounts, makeMounts } from '../faults/mounts.ts';
import { startGc } from '../gc-process.ts';

let mounts: Mounts;
before(async () => {
  mounts = await makeMounts();
});
after(() => mounts?.end());

const ARCHIVES = 6;
const KEEP = 4;

/** An overlay marks the inodes of a lower layer on another file system in their upper bits. */
async function markedInodes(): Promise<{ readonly path: string; readonly outside: string }> {
  const [lower, upper] = [await mounts.ext4(64), await mounts.tmpfs('size=64m')];
  for (const name of ['upper', 'work', 'merged']) mkdirSync(join(upper.outside, name));
  const directory = join(lower.outside, 'checkpoints');
  mkdirSync(directory);
  for (let number = 0; number < ARCHIVES; number += 1) {
    const file = join(directory, `checkpoint-db_shop-main-${number}.tar`);
    writeFileSync(file, makeArchive({ namespace: 'shop', pod: 'db' }));
    utimesSync(file, 1_700_000_000 + number, 1_700_000_000 + number);
  }
  const layers = `lowerdir=${lower.path},upperdir=${upper.path}/upper,workdir=${upper.path}/work`;
  await mounts.run('mount', '-t', 'overlay', '-o', `${layers},xino=on`, 'overlay', `${upper.path}/merged`);
  const below = (path: string) => join(path, 'merged', 'checkpoints');
  return { path: below(upper.path), outside: below(upper.outside) };
}

it('archives whose inodes no double holds are known, and deleted, as others are', async () => {
  const { path, outside } = await markedInodes();
  const names = readdirSync(outside).sort();
  assert.equal(names.length, ARCHIVES);
  for (const name of names) {
    const { ino } = lstatSync(join(outside, name), { bigint: true });
    assert.ok(BigInt.asUintN(64, ino) > Number.MAX_SAFE_INTEGER, `${name} has inode ${ino}`);
  }
  const policies = join(mounts.scratch, 'policy.yaml');
  const resource = {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { name: 'quotas', namespace: 'ops' },
    spec: { applyPoliciesImmediately: true, globalPolicy: { maxCheckpointsPerContainer: KEEP } },
  };
  writeFileSync(policies, JSON.stringify(resource));
  const state = join(mounts.scratch, 'state');
  const gc = startGc(
    ['--directory', path, '--policies', policies, '--state-directory', state, '--once'],
    mounts.enter,
  );
  const { code } = await gc.ended;
  assert.equal(code, 0, JSON.stringify(gc.lines));
  assert.deepEqual(readdirSync(outside).sort(), names.slice(ARCHIVES - KEEP));
});
