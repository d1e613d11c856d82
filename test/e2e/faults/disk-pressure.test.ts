import assert from 'node:assert/strict';
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import type { GcProcess } from '../gc-process.ts';
import { MIB, put, tars, writeSparse } from './archives.ts';
import { collect, deleted, times } from './collecting.ts';
import { type Mounted, type Mounts, makeMounts } from './mounts.ts';

const HOUR_S = 3_600;
/** Milliseconds. */
const SOON = 20_000;

let mounts: Mounts;

before(async () => {
  mounts = await makeMounts();
});

after(async () => {
  await mounts?.end();
});

/** What the file system itself says. */
function usage(disk: Mounted): { readonly used: number; readonly free: number; readonly freeInodes: number } {
  const { blocks, bavail, bsize, ffree } = statfsSync(disk.outside);
  return { used: 1 - bavail / blocks, free: bavail * bsize, freeInodes: ffree };
}

async function once(disk: Mounted, spec: object): Promise<GcProcess> {
  const gc = collect(mounts, at(disk), spec, '--once');
  const { code } = await gc.ended;
  assert.equal(code, 0, `${gc.out}${JSON.stringify(gc.lines)}`);
  return gc;
}

const at = (disk: Mounted) => join(disk.path, 'checkpoints');

const directoryOf = (disk: Mounted) => {
  const directory = join(disk.outside, 'checkpoints');
  mkdirSync(directory, { recursive: true });
  return directory;
};

/** Archives of a mebibyte of one pod, the first the oldest. */
function fill(directory: string, pod: string, count: number, memory = MIB): string[] {
  return Array.from({ length: count }, (_, number) =>
    put(directory, { namespace: 'shop', pod, memory }, (count - number) * HOUR_S),
  );
}

/** Does something until the disk is full. */
function untilFull(act: (number: number) => void): void {
  try {
    for (let number = 0; ; number += 1) act(number);
  } catch (error) {
    assert.match(String(error), /ENOSPC/);
  }
}

function useBlocks(disk: Mounted): void {
  const filler = openSync(join(disk.outside, 'filler'), 'w');
  // What is written late takes blocks late.
  for (const bytes of [MIB, 4_096, 4_096, 4_096]) {
    untilFull(() => void writeSync(filler, Buffer.alloc(bytes, 1)));
    fsyncSync(filler);
  }
  closeSync(filler);
}

function useInodes(disk: Mounted): void {
  untilFull((number) => writeFileSync(join(disk.outside, `filler-${number}`), ''));
}

const KINDS: readonly (readonly [string, () => Promise<Mounted>])[] = [
  ['tmpfs', () => mounts.tmpfs('size=40m,nr_inodes=400')],
  ['ext4', () => mounts.ext4(40, '-N', '400', '-O', '^has_journal')],
];

describe('disk pressure', { concurrency: 3 }, () => {
  for (const [kind, mount] of KINDS) {
    describe(`on ${kind} of 40 MiB`, () => {
      it('above the high watermark: the oldest go until the file system itself is at the low one', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        const names = fill(directory, 'cart', 36);
        assert.ok(usage(disk).used > 0.85);
        const gc = await once(disk, {
          globalPolicy: { diskPressure: { highWatermark: '85%', lowWatermark: '50%' } },
        });
        const { used } = usage(disk);
        assert.ok(used <= 0.5 && used > 0.44, `${used}`);
        const left = tars(directory);
        assert.deepEqual(left, names.slice(-left.length), 'the youngest are left');
        for (const line of gc.lines.filter(({ message }) => message === 'deleted'))
          assert.equal(line.rule, 'pressure');
        // Below the high watermark nothing goes, and the same run again finds nothing to do.
        const again = await once(disk, {
          globalPolicy: { diskPressure: { highWatermark: '85%', lowWatermark: '10%' } },
        });
        assert.deepEqual(deleted(again), []);
      });

      it('minFree: until so much is free', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        fill(directory, 'cart', 20);
        await once(disk, {
          globalPolicy: { diskPressure: { highWatermark: '99%', lowWatermark: '98%', minFree: '25Mi' } },
        });
        const { free } = usage(disk);
        assert.ok(free >= 25 * MIB && free < 27 * MIB, `${free}`);
      });

      it('minFreeInodes: until so many are free', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        fill(directory, 'cart', 250, 1_024);
        const { freeInodes } = usage(disk);
        await once(disk, {
          circuitBreaker: { maxShare: '100%' },
          globalPolicy: {
            diskPressure: { highWatermark: '99%', lowWatermark: '98%', minFreeInodes: freeInodes + 40 },
          },
        });
        assert.equal(usage(disk).freeInodes, freeInodes + 40);
        assert.equal(tars(directory).length, 210);
      });

      it('something else fills the disk: it says so, and goes no lower than keepLast', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        const cart = fill(directory, 'cart', 4);
        const till = fill(directory, 'till', 4);
        writeFileSync(join(disk.outside, 'somebody-elses.log'), Buffer.alloc(29 * MIB, 1));
        const gc = await once(disk, {
          globalPolicy: { keepLast: 2, diskPressure: { highWatermark: '80%', lowWatermark: '60%' } },
        });
        assert.deepEqual(tars(directory), [...cart.slice(-2), ...till.slice(-2)].sort());
        const [line, ...others] = gc.lines.filter(({ message }) =>
          /no more archives can be evicted/.test(String(message)),
        );
        assert.deepEqual(others, []);
        assert.match(
          String(line?.message),
          /4 are held by keepLast.*archives take 4.*Mi of the disk, other files (29|30).*Mi/,
        );
      });

      it('sparse archives count by their blocks: small ones do not stand for the room that they only claim', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        // 12 × 16 MiB by their length, on a disk of 40.
        const sparse = Array.from({ length: 12 }, (_, number) =>
          put(
            directory,
            { namespace: 'shop', pod: 'sparse', memory: 16 * MIB },
            99 * HOUR_S + number,
            writeSparse,
          ),
        );
        for (const name of sparse) assert.ok(lstatSync(join(directory, name)).blocks < 256);
        fill(directory, 'cart', 34);
        await once(disk, { globalPolicy: { diskPressure: { highWatermark: '80%', lowWatermark: '40%' } } });
        const { used } = usage(disk);
        assert.ok(used <= 0.4 && used > 0.33, `${used}`);
      });

      it('hard-linked archives give nothing back: they stay, others go, and nothing turns in circles', async () => {
        const disk = await mount();
        const directory = directoryOf(disk);
        const names = fill(directory, 'cart', 30);
        const elsewhere = join(disk.outside, 'backup');
        mkdirSync(elsewhere);
        for (const name of names.slice(0, 25)) linkSync(join(directory, name), join(elsewhere, name));
        const gc = collect(
          mounts,
          at(disk),
          { globalPolicy: { diskPressure: { highWatermark: '60%', lowWatermark: '10%' } } },
          '--rescan',
          '1s',
        );
        try {
          await eventually(async () => assert.equal(deleted(gc).length, 5), SOON);
          await sleep(3_000);
          assert.deepEqual(tars(directory), names.slice(0, 25));
          assert.equal(times(gc, /no more archives can be evicted/), 1);
        } finally {
          await gc.stop();
        }
      });
    });
  }

  for (const [what, use] of [
    ['a block', useBlocks],
    ['an inode', useInodes],
  ] as const) {
    it(`without ${what} left on the disk that its state is on, too, it starts and makes room`, async () => {
      const disk = await mounts.ext4(40, '-b', '4096', '-N', '200');
      const directory = directoryOf(disk);
      // 66 names of 50 bytes fill the one block of the directory: there is no room for the name of a tombstone.
      const names = fill(directory, 'cart', 66, 512);
      assert.equal(lstatSync(directory).size, 4_096);
      use(disk);
      const { free, freeInodes } = usage(disk);
      assert.equal(what === 'a block' ? free : freeInodes, 0);
      const state = join(at(disk), '.s');
      const spec = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 5 }] };
      const gc = collect(mounts, at(disk), spec, '--state-directory', state, '--rescan', '1s');
      try {
        await eventually(async () => assert.deepEqual(tars(directory), names.slice(-5)), SOON);
        const without = times(gc, /the lock cannot be taken: no space left \(ENOSPC\); it is gone without/);
        // Told once. On a busy machine ext4 may have found itself a block by then, never an inode.
        assert.ok(without === 1 || (what === 'a block' && without === 0), `told ${without} times`);
        await eventually(async () => {
          const [own = ''] = readdirSync(join(directory, '.s'));
          const kept = readdirSync(join(directory, '.s', own));
          // What was read of archives may stand beside them.
          assert.deepEqual(kept.filter((name) => !name.startsWith('readings')).toSorted(), [
            'circuit-breaker.json',
            'collector.sock',
          ]);
        }, SOON);
      } finally {
        await gc.stop();
      }
    });
  }

  describe('where deletions do not help', () => {
    it('archives that another process holds open: what is deleted gives nothing back, so it stops', async () => {
      const disk = await mounts.ext4(40, '-O', '^has_journal');
      const directory = directoryOf(disk);
      const names = fill(directory, 'cart', 32);
      const open = names.map((name) => openSync(join(directory, name), 'r'));
      const pressure = { globalPolicy: { diskPressure: { highWatermark: '70%', lowWatermark: '60%' } } };
      try {
        const run = await once(disk, pressure);
        assert.match(
          run.out,
          /^! deletions should have given .*Mi back to the disk, and it shows 0B; another process may hold/m,
        );
        const first = deleted(run).length;
        assert.ok(first >= 7 && first <= 12, `${first}`);
        const gc = collect(mounts, at(disk), pressure, '--rescan', '1s');
        try {
          await eventually(async () => assert.ok(gc.said(/archives go one by one now/)), 30_000);
          await sleep(3_000);
          assert.equal(times(gc, /one by one/), 1);
          assert.equal(tars(directory).length, 32 - first - deleted(gc).length);
          assert.ok(deleted(gc).length <= 12, `${deleted(gc).length} more`);
        } finally {
          await gc.stop();
        }
      } finally {
        for (const file of open) closeSync(file);
      }
    });
  });
});
