import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plan } from '../../policy/plan.ts';
import { pressureOn } from '../../policy/pressure.ts';
import type { Archive, Disk, DiskPressure, Plan, PolicyResource } from '../../policy/types.ts';
import { archive, GI, MI, MINUTE, NOW, policies, resource } from './build.ts';

const LEVELS: DiskPressure = { high: 0.85, low: 0.75 };

function disk(usedGi: number, more: Partial<Disk> = {}): Disk {
  return {
    totalBytes: 100 * GI,
    freeBytes: (100 - usedGi) * GI,
    totalInodes: 1000,
    freeInodes: 500,
    ...more,
  };
}

test('what is wrong with a disk', () => {
  const rows: readonly (readonly [string, Disk, DiskPressure, string | null])[] = [
    ['at the watermark', disk(85), LEVELS, null],
    [
      'a byte over it',
      disk(85, { freeBytes: 15 * GI - 1 }),
      LEVELS,
      'the disk is just over 85% full, 85% allowed (highWatermark)',
    ],
    ['over it', disk(91), LEVELS, 'the disk is 91% full, 85% allowed (highWatermark)'],
    [
      'too little free',
      disk(50),
      { ...LEVELS, minFree: { absolute: BigInt(60 * GI) } },
      '50Gi of the disk are free, 60Gi wanted (minFree)',
    ],
    [
      'too small a part free',
      disk(50),
      { ...LEVELS, minFree: { share: 0.51 } },
      '50Gi of the disk are free, 51% wanted (minFree)',
    ],
    ['enough free', disk(50), { ...LEVELS, minFree: { share: 0.5 } }, null],
    [
      'too few inodes',
      disk(5),
      { ...LEVELS, minFreeInodes: { absolute: 501n } },
      '500 inodes are free, 501 wanted (minFreeInodes)',
    ],
    [
      'a file system without inodes to count',
      disk(5, { totalInodes: 0, freeInodes: 0 }),
      { ...LEVELS, minFreeInodes: { share: 0.5 } },
      null,
    ],
    ['a disk of no size', { totalBytes: 0, freeBytes: 0, totalInodes: 0, freeInodes: 0 }, LEVELS, null],
  ];
  for (const [name, each, pressure, wanted] of rows)
    assert.equal(pressureOn(each, pressure, pressure.high), wanted, name);
});

const evicting = (more: object = {}, about = {}): PolicyResource =>
  resource({ globalPolicy: { maxCheckpointsPerPod: 99, diskPressure: {}, ...more } }, about);
const large = (path: string, hours: number, more: Partial<Archive> = {}) =>
  archive(path, hours, { bytes: 5 * GI, ...more });

function planned(archives: readonly Archive[], on: Disk, ...resources: readonly PolicyResource[]): Plan {
  return plan({ archives, disk: on }, policies(...resources), NOW);
}

function gone({ decisions }: Plan): string {
  return decisions
    .filter((each) => each.action === 'delete')
    .map(
      (each) =>
        `${each.archive.identity?.namespace ?? '?'} ${Number(/(\d+)h/.exec(each.archive.file)?.[1])} ${each.rule}`,
    )
    .join(', ');
}

const THREE = [large('shop/a/main', 1), large('shop/a/main', 2), large('shop/a/main', 3)];

test('down to the low watermark and no further', () => {
  assert.equal(gone(planned(THREE, disk(85), evicting())), '');
  assert.equal(
    gone(planned(THREE, disk(86), evicting())),
    'shop 1 pressure, shop 2 pressure, shop 3 pressure',
  );
  assert.equal(
    gone(
      planned(
        THREE,
        disk(85, { freeBytes: 15 * GI - 1 }),
        evicting({ diskPressure: { lowWatermark: '80%' } }),
      ),
    ),
    'shop 2 pressure, shop 3 pressure',
  );
});

test('what the limits delete anyway counts first', () => {
  const limited = evicting({ maxCheckpointsPerPod: 1 });
  assert.equal(gone(planned(THREE, disk(90), limited)), 'shop 2 count, shop 3 count');
});

test('orphans first, retained or not; then who is over the equal share; then the oldest', () => {
  const archives = [
    large('shop/a/main', 9),
    large('team/a/main', 1, { orphan: { since: NOW - 20 * MINUTE, why: 'absent' } }),
    large('team/a/main', 2, { orphan: { since: NOW - 9 * MINUTE, why: 'absent' } }),
    large('flood/a/main', 3),
    large('flood/a/main', 4),
    large('flood/a/main', 5),
  ];
  assert.equal(
    gone(planned(archives, disk(86), evicting({ diskPressure: { lowWatermark: '85%' } }))),
    'team 1 pressure',
  );
  assert.equal(
    gone(planned(archives, disk(86), evicting({ diskPressure: { lowWatermark: '80%' } }))),
    'team 1 pressure, flood 5 pressure',
  );
  // The share: five archives of three namespaces. After one flood is still over it, after two no more.
  assert.equal(
    gone(planned(archives, disk(95), evicting({ diskPressure: { lowWatermark: '75%' } }))),
    'shop 9 pressure, team 1 pressure, flood 4 pressure, flood 5 pressure',
  );
});

test('never below keepLast, never a pin, never what it would not help, never what has no identity', () => {
  const archives = [
    large('shop/a/main', 1),
    large('shop/a/main', 2),
    large('shop/b/main', 3, { pinned: true }),
    large('shop/c/main', 4, { allocatedBytes: 0 }),
    large('shop/c/main', 5, { state: 'growing' }),
    archive(null, 6, { bytes: 5 * GI }),
    large('shop/c/main', 0, { state: 'reserved' }),
  ];
  const plan = planned(archives, disk(99), evicting({ keepLast: 1 }));
  assert.equal(gone(plan), 'shop 2 pressure');
  const [unmet] = plan.unmet;
  assert.equal(unmet?.limit, 'pressure');
  assert.equal(unmet?.heldBy.length, 3);
  assert.equal(
    unmet?.message,
    'the disk is 94% full, 75% allowed (lowWatermark), and no more archives can be evicted (1 is pinned, 2 are held by keepLast): archives take 20Gi of the disk, other files 74Gi',
  );
});

test("the governing policy's floor holds, and a tenant's does not", () => {
  const own = resource(
    { podPolicies: [{ namespace: 'shop', pod: 'a', keepLast: 3 }] },
    { namespace: 'shop', name: 'own', authority: 'tenant' },
  );
  const administrators = evicting({}, {});
  const narrower = resource(
    { podPolicies: [{ namespace: 'shop', pod: 'a', keepLast: 2 }] },
    { name: 'narrower' },
  );
  assert.equal(
    gone(planned(THREE, disk(99), administrators, own)),
    'shop 1 pressure, shop 2 pressure, shop 3 pressure',
  );
  assert.equal(gone(planned(THREE, disk(99), administrators, narrower, own)), 'shop 3 pressure');
});

test('something else fills the disk: it says so', () => {
  const { unmet } = planned([], disk(97), evicting());
  assert.deepEqual(
    unmet.map((each) => each.message),
    [
      'the disk is 97% full, 75% allowed (lowWatermark), and no more archives can be evicted (none is left): archives take 0B of the disk, other files 97Gi',
    ],
  );
});

test('without a disk, a global policy or its word on pressure nothing is evicted', () => {
  assert.equal(gone(plan({ archives: THREE }, policies(evicting()), NOW)), '');
  assert.equal(gone(planned(THREE, disk(99), evicting({ diskPressure: undefined }))), '');
  assert.equal(
    gone(
      planned(THREE, disk(99), resource({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 9 }] })),
    ),
    '',
  );
});

test('inodes, too', () => {
  const small = [1, 2, 3].map((hours) => archive('shop/a/main', hours, { bytes: MI }));
  const policy = evicting({ diskPressure: { minFreeInodes: 502 } });
  assert.equal(gone(planned(small, disk(5), policy)), 'shop 2 pressure, shop 3 pressure');
});

test('a grace that ends under pressure changes the order, and nextDue tells when', () => {
  const archives = [
    ...THREE,
    large('team/a/main', 1, { orphan: { since: NOW - 9 * MINUTE, why: 'absent' } }),
  ];
  const policy = evicting({ diskPressure: { lowWatermark: '80%' } });
  assert.equal(planned(archives, disk(86), policy).nextDue, NOW + MINUTE);
  assert.equal(planned(archives, disk(80), policy).nextDue, null);
});
