import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { freePort } from '../../cluster/port.ts';
import { type GcProcess, startGc } from '../gc-process.ts';
import { put, tars } from './archives.ts';
import { collect, deleted, keep, metric, times, writePolicy } from './collecting.ts';
import { type Mounts, makeMounts } from './mounts.ts';

/** Milliseconds: a deletion that failed is tried again after 5 s, 10 s, 20 s. */
const SOON = 30_000;

const CART = { namespace: 'shop', pod: 'cart', memory: 512 };

let mounts: Mounts;
let made = 0;

before(async () => {
  mounts = await makeMounts();
});

after(async () => {
  await mounts?.end();
});

function newDirectory(): string {
  const directory = join(mounts.scratch, `node-${++made}`);
  mkdirSync(directory);
  return directory;
}

/** Of one pod, the first the oldest. */
function fill(directory: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => put(directory, CART, 600 + 60 * (count - number)));
}

/** Root without what lets root pass: rights count for it as for anybody. */
const MERE_ROOT = [
  'setpriv',
  '--bounding-set=-dac_override,-dac_read_search,-fowner',
  '--inh-caps=-dac_override,-dac_read_search,-fowner',
];

describe('what keeps a collector from deleting is told once, tried again, and holds up nothing else', {
  concurrency: 3,
}, () => {
  it('a read-only file system: all of it waits, and goes when it can be written again', async () => {
    const disk = await mounts.tmpfs('size=8m');
    const names = fill(disk.outside, 20);
    await mounts.run('mount', '-o', 'remount,ro', disk.path);
    const port = await freePort();
    const gc = collect(mounts, disk.path, keep(5), '--metrics', `127.0.0.1:${port}`);
    try {
      await eventually(async () => assert.ok(gc.said(/rename failed/)), SOON);
      await sleep(7_000);
      assert.equal(
        times(gc, /^rename failed: the file system is read-only \(EROFS\); it stays and is tried again/),
        1,
      );
      assert.ok((await metric(port, 'errors_total{operation="rename"}')) >= 30, 'tried again, and counted');
      assert.equal(await metric(port, 'failing_deletions'), 15);
      assert.deepEqual(tars(disk.outside), names);
      await mounts.run('mount', '-o', 'remount,rw', disk.path);
      await eventually(async () => assert.deepEqual(tars(disk.outside), names.slice(-5)), SOON);
      await eventually(async () => assert.equal(times(gc, /what failed before fails no more/), 1), SOON);
      await eventually(async () => assert.equal(await metric(port, 'failing_deletions'), 0), SOON);
      assert.deepEqual(readdirSync(disk.outside).length, 5, 'and no tombstone is left');
    } finally {
      await gc.kill();
    }
  });

  it('an immutable file stays; the others go', async () => {
    const disk = await mounts.ext4(8);
    const names = fill(disk.outside, 6);
    await mounts.run('chattr', '+i', join(disk.path, names[0] ?? ''), join(disk.path, names[2] ?? ''));
    const gc = collect(mounts, disk.path, keep(2));
    try {
      const left = [names[0], names[2], names[4], names[5]];
      await eventually(async () => assert.deepEqual(tars(disk.outside), left), SOON);
      await sleep(6_000);
      assert.equal(times(gc, /rename failed: not permitted, as for an immutable file \(EPERM\)/), 1);
      await mounts.run('chattr', '-i', join(disk.path, names[0] ?? ''), join(disk.path, names[2] ?? ''));
      await eventually(async () => assert.deepEqual(tars(disk.outside), names.slice(-2)), SOON);
    } finally {
      await gc.kill();
    }
  });

  it('a directory that it may not write to, and one that it may not read', async () => {
    const directory = newDirectory();
    const names = fill(directory, 5);
    const port = await freePort();
    const policy = writePolicy(mounts.scratch, keep(2));
    chmodSync(directory, 0o500);
    const args = [
      '--directory',
      directory,
      '--policies',
      policy,
      '--metrics',
      `127.0.0.1:${port}`,
      '--rescan',
      '2s',
    ];
    const gc = startGc(args, MERE_ROOT);
    try {
      await eventually(
        async () => assert.equal(times(gc, /rename failed: permission denied \(EACCES\)/), 1),
        SOON,
      );
      chmodSync(directory, 0o000);
      const unread =
        /cannot be read: permission denied \(EACCES\); nothing is deleted until it can be read again/;
      await eventually(async () => assert.equal(times(gc, unread), 1), SOON);
      assert.equal(await metric(port, 'directory_ok'), 0);
      await sleep(5_000);
      assert.equal(times(gc, unread), 1);
      assert.equal(times(gc, /rename failed/), 1);
      chmodSync(directory, 0o700);
      await eventually(async () => assert.deepEqual(tars(directory), names.slice(-2)), SOON);
      assert.equal(times(gc, /the directory can be read again/), 1);
      assert.equal(await metric(port, 'directory_ok'), 1);
    } finally {
      await gc.kill();
    }
  });

  it('archives that it may not read have no identity: they stay, with the reason, until they can be read', async () => {
    const directory = newDirectory();
    const names = fill(directory, 4);
    for (const name of names) chmodSync(join(directory, name), 0o000);
    const policy = writePolicy(mounts.scratch, { ...keep(1), unidentified: { timeThreshold: '300d' } });
    const gc = startGc(['--directory', directory, '--policies', policy, '--rescan', '2s'], MERE_ROOT);
    try {
      const unread =
        /cannot be attributed to a container: it could not be read: permission denied \(EACCES\)/;
      await eventually(async () => assert.equal(times(gc, unread), 4), SOON);
      await sleep(3_000);
      assert.equal(times(gc, unread), 4);
      assert.deepEqual(tars(directory), names);
      for (const name of names) chmodSync(join(directory, name), 0o600);
      await eventually(async () => assert.deepEqual(tars(directory), names.slice(-1)), SOON);
    } finally {
      await gc.kill();
    }
  });

  it('a state directory that is full: archives go all the same, and the state is written when there is room', async () => {
    const state = await mounts.tmpfs('size=64k,nr_inodes=20');
    let fillers = 0;
    try {
      for (;;) writeFileSync(join(state.outside, `filler-${++fillers}`), Buffer.alloc(16_384));
    } catch (error) {
      assert.match(String(error), /ENOSPC/);
    }
    const directory = newDirectory();
    const names = fill(directory, 4);
    const gc = collect(mounts, directory, keep(2), '--state-directory', state.path, '--rescan', '2s');
    try {
      await eventually(async () => assert.deepEqual(tars(directory), names.slice(-2)), SOON);
      await sleep(5_000);
      assert.equal(
        times(
          gc,
          /the state file cannot be written: no space left \(ENOSPC\); it is tried again at each scan/,
        ),
        1,
      );
      for (let number = 1; number <= fillers; number += 1)
        rmSync(join(state.outside, `filler-${number}`), { force: true });
      await eventually(async () => assert.equal(times(gc, /the state file can be written again/), 1), SOON);
    } finally {
      await gc.kill();
    }
  });

  it('a state directory without an inode left keeps nobody from making room', async () => {
    const state = await mounts.tmpfs('size=1m,nr_inodes=2');
    writeFileSync(join(state.outside, 'filler'), '');
    const directory = newDirectory();
    const names = fill(directory, 4);
    const gc = collect(mounts, directory, keep(2), '--state-directory', state.path, '--once');
    const { code } = await gc.ended;
    assert.equal(code, 0, `${gc.out}${JSON.stringify(gc.lines)}`);
    assert.deepEqual(tars(directory), names.slice(-2));
    assert.equal(times(gc, /the lock cannot be taken: no space left \(ENOSPC\)/), 1);
  });
});

describe('others in the same directory', { concurrency: 2 }, () => {
  it('another process that deletes, too: what is to stay stays, and nobody deletes for the other', async () => {
    const directory = newDirectory();
    const names = fill(directory, 400);
    const gc = collect(mounts, directory, { ...keep(100), circuitBreaker: { maxShare: '100%' } });
    try {
      // The oldest first, as the public operator does, and some that would have stayed.
      const others = [...names.slice(0, 200), ...names.slice(300, 320)];
      for (const [index, name] of others.entries()) {
        rmSync(join(directory, name), { force: true });
        if (index % 10 === 0) await sleep(5);
      }
      const left = names.filter((name, index) => index >= 300 && !others.includes(name));
      await eventually(async () => assert.ok(gc.said(/^deleted$/)), SOON);
      await sleep(3_000);
      const now = tars(directory);
      for (const name of left) assert.ok(now.includes(name), `${name} is gone`);
      // As many as the policy keeps, if they were there when it was decided.
      assert.ok(now.length >= 80 && now.length <= 100, `${now.length}`);
      assert.equal(
        gc.lines.filter(({ level }) => level === 'error').length,
        0,
        JSON.stringify(gc.lines.slice(0, 9)),
      );
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.startsWith('.')),
        [],
      );
    } finally {
      await gc.kill();
    }
  });

  it('a second collector does not start, whatever its state directory; it names process and node of the first', async () => {
    const directory = newDirectory();
    const names = fill(directory, 3);
    const [state, other] = [newDirectory(), newDirectory()];
    const first = collect(mounts, directory, keep(3), '--state-directory', state, '--node', 'worker-7');
    try {
      await eventually(async () => assert.ok(first.said(/ holds 3 archives/)), SOON);
      for (const more of [['--state-directory', state], ['--state-directory', other], [], ['--once']]) {
        const second = collect(mounts, directory, keep(1), ...more);
        const { code } = await second.ended;
        assert.notEqual(code, 0);
        const holder = new RegExp(
          `another collector has this directory \\(process ${first.pid} on worker-7, since `,
        );
        assert.ok(second.said(holder), JSON.stringify(second.lines));
      }
      assert.deepEqual(tars(directory), names);
      // A dry run changes nothing, and is let.
      const dry = collect(mounts, directory, keep(1), '--once', '--dry-run');
      assert.deepEqual(await dry.ended, { code: 0, signal: null });
      await first.kill();
      const next: GcProcess = collect(mounts, directory, keep(1), '--once', '--state-directory', state);
      assert.deepEqual(await next.ended, { code: 0, signal: null }, `${hostname()} ${next.out}`);
      assert.deepEqual(deleted(next).sort(), names.slice(0, 2));
    } finally {
      await first.kill();
    }
  });
});
