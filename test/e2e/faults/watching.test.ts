import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { freePort } from '../../cluster/port.ts';
import { type GcProcess, startGc } from '../gc-process.ts';
import { put, tars } from './archives.ts';
import { collect, deleted, keep, metric, times, writePolicy } from './collecting.ts';
import { type Mounts, makeMounts } from './mounts.ts';

/** Milliseconds; a scan without a hint comes after 60 s only. */
const SOON = 25_000;

const CART = { namespace: 'shop', pod: 'cart', memory: 512 };

let mounts: Mounts;
let directories = 0;

before(async () => {
  mounts = await makeMounts();
});

after(async () => {
  await mounts?.end();
});

function newDirectory(): string {
  const directory = join(mounts.scratch, `node-${++directories}`);
  mkdirSync(directory);
  return directory;
}

async function watching(gc: GcProcess): Promise<void> {
  await eventually(async () => assert.ok(gc.said(/ holds \d+ archives/)), SOON);
}

describe('inotify', { concurrency: 3 }, () => {
  it('an overflow of its queue, of which Node says nothing: 30,000 archives at once are all seen', async () => {
    const disk = await mounts.tmpfs('size=100m,nr_inodes=100000');
    const directory = disk.outside;
    const gc = collect(mounts, disk.path, keep(29_990));
    try {
      await watching(gc);
      // Its loop is as busy as can be: the kernel keeps 16,384 events for it, and drops the rest.
      process.kill(gc.pid, 'SIGSTOP');
      const first = put(directory, CART, 60);
      for (let number = 1; number < 30_000; number += 1)
        linkSync(
          join(directory, first),
          join(directory, `checkpoint-${String(number).padStart(5, '0')}.tar`),
        );
      process.kill(gc.pid, 'SIGCONT');
      await eventually(async () => assert.equal(deleted(gc).length, 10), SOON);
      assert.equal(tars(directory).length, 29_990);
    } finally {
      process.kill(gc.pid, 'SIGCONT');
      await gc.kill();
    }
  });

  for (const [limit, says] of [
    [
      'max_inotify_instances',
      /no inotify instance is left \(EMFILE\), raise fs\.inotify\.max_user_instances/,
    ],
    ['max_inotify_watches', /no inotify watch is left \(ENOSPC\), raise fs\.inotify\.max_user_watches/],
  ] as const) {
    it(`${limit} used up: it polls, says so once, and obeys policies that change`, async () => {
      const directory = newDirectory();
      for (const age of [300, 200, 100]) put(directory, CART, age);
      const policy = writePolicy(mounts.scratch, keep(2), limit);
      // The limit of a user namespace of its own.
      const script = `echo 0 > /proc/sys/user/${limit} && exec "$@"`;
      const through = ['unshare', '--user', '--map-root-user', 'sh', '-c', script, 'sh'];
      const port = await freePort();
      const args = ['--directory', directory, '--policies', policy, '--metrics', `127.0.0.1:${port}`];
      const gc = startGc(args, through);
      try {
        await eventually(async () => assert.equal(tars(directory).length, 2), SOON);
        const younger = put(directory, CART, 50);
        await eventually(async () => assert.equal(deleted(gc).length, 2), SOON);
        assert.ok(tars(directory).includes(younger));
        assert.equal(times(gc, /in place of being watched/), 1);
        assert.equal(times(gc, says), 1);
        assert.equal(await metric(port, 'watching'), 0);
        writePolicy(mounts.scratch, keep(1), limit);
        await eventually(async () => assert.deepEqual(tars(directory), [younger]), 90_000);
        assert.equal(times(gc, /in place of being watched/), 1);
        const { code } = await gc.stop();
        assert.equal(code, 0);
      } finally {
        await gc.kill();
      }
    });
  }
});

describe('a directory that goes and comes', { concurrency: 3 }, () => {
  it('removed and made anew, on ext4 with the inode it had: it is watched again at once', async () => {
    const disk = await mounts.ext4(16);
    const path = join(disk.path, 'checkpoints');
    const directory = join(disk.outside, 'checkpoints');
    mkdirSync(directory);
    const gc = collect(mounts, path, keep(1));
    try {
      await watching(gc);
      for (let round = 0; round < 3; round += 1) {
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
        put(directory, CART, 200);
        const younger = put(directory, CART, 100);
        await eventually(async () => assert.deepEqual(tars(directory), [younger]), SOON);
      }
    } finally {
      await gc.kill();
    }
  });

  it('replaced by another by rename: that one is watched, and the first again when it is back', async () => {
    const directory = newDirectory();
    const aside = `${directory}-aside`;
    const [old, kept] = [put(directory, CART, 300), put(directory, CART, 200)];
    const gc = collect(mounts, directory, keep(2));
    try {
      await watching(gc);
      renameSync(directory, aside);
      mkdirSync(directory);
      const [other, others] = [put(directory, CART, 99), put(directory, CART, 98)];
      put(directory, CART, 400);
      await eventually(async () => assert.deepEqual(tars(directory), [other, others].sort()), SOON);
      rmSync(directory, { recursive: true });
      renameSync(aside, directory);
      const younger = put(directory, CART, 97);
      await eventually(async () => assert.deepEqual(tars(directory), [kept, younger].sort()), SOON);
      // The line comes after the unlink. Of what went from the other one there may be none: it was removed with it.
      await eventually(async () => assert.equal(deleted(gc).at(-1), old), SOON);
    } finally {
      await gc.kill();
    }
  });

  it('unmounted, it shows the empty one below: no archive counts as gone, and none goes when it is back', async () => {
    const disk = await mounts.ext4(16);
    const audit = join(mounts.scratch, 'audit.jsonl');
    const names = [put(disk.outside, CART, 300), put(disk.outside, CART, 200)];
    const gc = collect(mounts, disk.path, keep(2), '--rescan', '2s', '--audit', audit);
    const records = () => (existsSync(audit) ? readFileSync(audit, 'utf8') : '');
    try {
      await watching(gc);
      for (let round = 1; round <= 2; round += 1) {
        await mounts.run('umount', disk.path);
        await eventually(
          async () =>
            assert.equal(times(gc, /now lies on another file system; nothing is deleted/), 2 * round - 1),
          SOON,
        );
        await eventually(async () => assert.ok(gc.said(/ holds 0 archives/)), SOON);
        await mounts.run('mount', '-o', 'loop', `${disk.path}.img`, disk.path);
        await eventually(async () => assert.equal(times(gc, / holds 2 archives/), 1 + round), SOON);
      }
      await sleep(3_000);
      assert.deepEqual(tars(disk.outside), names.sort());
      assert.equal(records(), '', 'nobody has taken or removed an archive');
      const younger = put(disk.outside, CART, 100);
      await eventually(
        async () => assert.deepEqual(tars(disk.outside), [names[1] ?? '', younger].sort()),
        SOON,
      );
    } finally {
      await gc.kill();
    }
  });
});
