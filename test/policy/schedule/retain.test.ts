import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinBudget } from '../../../policy/breaker.ts';
import { PolicySet } from '../../../policy/govern.ts';
import { plan } from '../../../policy/plan.ts';
import { Retentions } from '../../../policy/schedule/retentions.ts';
import type { Archive, Decision, PolicyResource } from '../../../policy/types.ts';
import { archive as archiveOf, GI, HOUR, MI, NOW, resource } from '../build.ts';
import { holds } from '../cases.ts';
import { schedule, scheduleSpec } from './build.ts';

const MADE_BY = 'shop/hourly';
const archive = (more: Partial<Archive>) => archiveOf('shop/cart-0/main', 0, more);
const hours = (count: number, more: Partial<Archive> = {}): Archive[] =>
  Array.from({ length: count }, (_, index) =>
    archive({ file: `c${index}.tar`, modifiedAt: NOW - (index + 1) * HOUR, madeBy: MADE_BY, ...more }),
  );

function decide(
  archives: readonly Archive[],
  retain: object,
  {
    policies = [],
    byAdministrator = false,
  }: { readonly policies?: readonly PolicyResource[]; readonly byAdministrator?: boolean } = {},
): Record<string, string> {
  const each = schedule(scheduleSpec({ retain }), byAdministrator ? STAMP : {});
  const set = new PolicySet(policies, new Retentions([each]));
  const { decisions } = plan({ archives }, set, NOW);
  return Object.fromEntries(
    decisions.map(({ archive: { file }, action, rule }) => [file, `${action} ${rule}`]),
  );
}

const STAMP = { annotations: { 'checkpoint.criu.org/authority': 'administrator' } };
const ops = (spec: unknown) => resource(spec, { namespace: 'ops', authority: 'administrator' });
const tenants = (spec: unknown) => resource(spec, { namespace: 'shop', name: 'own', authority: 'tenant' });

describe('the ceiling', () => {
  test('deletes the oldest that the schedule made, and no others', () => {
    const archives = [...hours(4), archive({ file: 'by-hand.tar', modifiedAt: NOW - 90 * HOUR })];
    assert.deepEqual(decide(archives, { max: 2 }), {
      'c0.tar': 'keep none',
      'c1.tar': 'keep none',
      'c2.tar': 'delete retain',
      'c3.tar': 'delete retain',
      'by-hand.tar': 'keep none',
    });
  });
  test('counts each container by itself, and nothing of another schedule', () => {
    const identity = { namespace: 'shop', pod: 'other', container: 'main', podUid: null };
    const archives = [
      ...hours(2),
      ...hours(2, { identity }).map((each) => ({ ...each, file: `o${each.file}` })),
      ...hours(2, { madeBy: 'shop/nightly' }).map((each) => ({ ...each, file: `n${each.file}` })),
    ];
    assert(Object.values(decide(archives, { max: 2 })).every((each) => each === 'keep none'));
  });
  test('a pin counts and stays', () => {
    const [first, second, third] = hours(3);
    assert(first && second && third);
    assert.deepEqual(decide([first, second, { ...third, pinned: true }], { max: 1 }), {
      'c0.tar': 'keep none',
      'c1.tar': 'delete retain',
      'c2.tar': 'keep pinned',
    });
  });
  test('what goes as tainted takes no place', () => {
    const [first, second, third] = hours(3);
    assert(first && second && third);
    const policies = [ops({ tainted: 'Delete', globalPolicy: { timeThreshold: '9d' } })];
    assert.deepEqual(decide([{ ...first, staleTailBytes: 7 }, second, third], { max: 2 }, { policies }), {
      'c0.tar': 'delete tainted',
      'c1.tar': 'keep none',
      'c2.tar': 'keep none',
    });
  });
  test('says so, and needs no budget', () => {
    const set = new PolicySet([], new Retentions([schedule(scheduleSpec({ retain: { max: 1 } }))]));
    const { decisions } = plan({ archives: hours(3) }, set, NOW);
    const deletions = decisions.filter(({ action }) => action === 'delete');
    assert.deepEqual(
      withinBudget(deletions).map(({ archive: { file } }) => file),
      ['c2.tar', 'c1.tar'],
    );
    assert.equal(
      deletions[0]?.reason,
      'is beyond the newest 1 archive that schedule shop/hourly keeps (retain.max)',
    );
    assert.deepEqual([deletions[0]?.policy, deletions[0]?.field], [null, 'spec.retain.max']);
  });
});

describe('the floor', () => {
  const aged = { globalPolicy: { timeThreshold: '90m', maxCheckpointsPerPod: 99 } };
  test('of an administrator holds against every policy', () => {
    const fates = decide(hours(3), { min: 2 }, { policies: [ops(aged)], byAdministrator: true });
    assert.deepEqual(fates, { 'c0.tar': 'keep none', 'c1.tar': 'keep retain', 'c2.tar': 'delete age' });
  });
  test('of a tenant gives way to an administrator', () => {
    const fates = decide(hours(3), { min: 2 }, { policies: [ops(aged)] });
    assert.deepEqual(fates, { 'c0.tar': 'keep none', 'c1.tar': 'delete age', 'c2.tar': 'delete age' });
  });
  test('of a tenant holds against a tenant', () => {
    const policies = [tenants({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] })];
    const fates = decide(hours(3), { min: 2 }, { policies });
    assert.deepEqual(fates, { 'c0.tar': 'keep retain', 'c1.tar': 'keep retain', 'c2.tar': 'delete count' });
  });
  test('holds what the schedule made, while others go in their place', () => {
    const policies = [ops({ globalPolicy: { maxCheckpointsPerContainer: 2 } })];
    const archives = [
      ...hours(2).map((each) => ({ ...each, modifiedAt: each.modifiedAt - 9 * HOUR })),
      archive({ file: 'by-hand.tar', modifiedAt: NOW - HOUR }),
    ];
    const fates = decide(archives, { min: 2 }, { policies, byAdministrator: true });
    assert.deepEqual(fates, {
      'c0.tar': 'keep retain',
      'c1.tar': 'keep retain',
      'by-hand.tar': 'delete count',
    });
  });
  test('does not hold what an orphan is', () => {
    const policies = [ops({ globalPolicy: { retainOrphan: false, maxCheckpointsPerPod: 99 } })];
    const orphan = { since: NOW - 9 * HOUR, why: 'absent' } as const;
    const fates = decide(hours(2, { orphan }), { min: 2 }, { policies, byAdministrator: true });
    assert.deepEqual(fates, { 'c0.tar': 'delete orphan', 'c1.tar': 'delete orphan' });
  });
  test('holds against disk pressure, and says so', () => {
    const disk = { totalBytes: 10 * GI, freeBytes: GI, totalInodes: 1e6, freeInodes: 9e5 };
    const archives = hours(3, { bytes: MI, allocatedBytes: MI });
    const policies = [
      ops({ globalPolicy: { maxCheckpointsPerPod: 99, diskPressure: { highWatermark: '50%' } } }),
    ];
    const each = schedule(scheduleSpec({ retain: { min: 2 } }), STAMP);
    const { decisions, unmet } = plan(
      { archives, disk },
      new PolicySet(policies, new Retentions([each])),
      NOW,
    );
    assert.deepEqual(
      decisions.map(({ action, rule }) => `${action} ${rule}`),
      ['keep retain', 'keep retain', 'delete pressure'],
    );
    assert.match(decisions[0]?.reason ?? '', /^is held by retain\.min of schedule shop\/hourly, although /);
    assert.equal(unmet.length, 1);
  });
});

test('while nobody knows the schedules, nothing that one made goes by a limit', () => {
  const policies = [ops({ globalPolicy: { timeThreshold: '1m', maxCheckpointsPerPod: 1 } })];
  const unknown = new Retentions(null);
  const archives = [...hours(2), archive({ file: 'by-hand.tar', modifiedAt: NOW - HOUR })];
  const fates = (retentions: Retentions) =>
    plan({ archives }, new PolicySet(policies, retentions), NOW).decisions.map(({ action }) => action);
  assert.deepEqual(fates(unknown), ['keep', 'keep', 'delete']);
  assert.equal(unknown.take([]), true);
  assert.deepEqual(fates(unknown), ['delete', 'delete', 'delete']);
  assert.equal(unknown.take([]), false);
});

const worlds = fc.record({
  made: fc.array(
    fc.record({
      age: fc.integer({ min: -2, max: 40 }),
      schedule: fc.constantFrom(undefined, MADE_BY, 'shop/other'),
      pod: fc.constantFrom('a', 'b'),
      pinned: fc.boolean(),
      staleTailBytes: fc.constantFrom(0, 0, 512),
      orphaned: fc.boolean(),
      state: fc.constantFrom('complete', 'complete', 'growing', 'reserved'),
    }),
    { maxLength: 25 },
  ),
  min: fc.integer({ min: 0, max: 3 }),
  over: fc.option(fc.integer({ min: 0, max: 3 })),
  byAdministrator: fc.boolean(),
  limits: fc.record({
    maxCheckpointsPerPod: fc.integer({ min: 1, max: 6 }),
    timeThreshold: fc.constantFrom('5h', '20h', '90d'),
    retainOrphan: fc.boolean(),
  }),
  tainted: fc.constantFrom('Keep', 'Delete'),
});

holds(
  'a plan is whole at once, keeps the floor, leaves no more than the ceiling, and deletes no other’s',
  worlds,
  (world) => {
    const archives = world.made.map(
      (each, index): Archive => ({
        ...archive({
          file: `c${index}.tar`,
          modifiedAt: NOW - each.age * HOUR,
          pinned: each.pinned,
          staleTailBytes: each.staleTailBytes,
        }),
        identity: { namespace: 'shop', pod: each.pod, container: 'main', podUid: null },
        orphan: each.orphaned ? { since: NOW - 99 * HOUR, why: 'absent' } : null,
        state: each.state as Archive['state'],
        ...(each.schedule && { madeBy: each.schedule }),
      }),
    );
    const retain = { min: world.min, ...(world.over !== null && { max: world.min + world.over + 1 }) };
    const mine = schedule(scheduleSpec({ retain }), world.byAdministrator ? STAMP : {});
    const policies = [ops({ tainted: world.tainted, globalPolicy: world.limits })];
    const set = new PolicySet(policies, new Retentions([mine]));
    const { decisions } = plan({ archives }, set, NOW);
    const gone = decisions.filter(({ action }) => action === 'delete');
    assert(gone.every(({ archive: { pinned, state } }) => !pinned && state === 'complete'));
    assert(gone.every(({ rule, archive: { madeBy } }) => rule !== 'retain' || madeBy === MADE_BY));
    const left = archives.filter((each) => !gone.some(({ archive: other }) => other === each));
    assert.deepEqual(
      plan({ archives: left }, set, NOW).decisions.filter(({ action }) => action === 'delete'),
      [],
    );
    for (const pod of ['a', 'b']) {
      const isMade = (each: Archive) =>
        each.madeBy === MADE_BY && each.identity?.pod === pod && each.state === 'complete';
      const before = archives.filter(isMade);
      const after = left.filter(isMade);
      if (retain.max !== undefined) assert(after.filter((each) => !each.pinned).length <= retain.max);
      const certain = (each: Decision) => each.rule === 'orphan' || each.rule === 'tainted';
      const lost = gone.filter((each) => isMade(each.archive) && certain(each)).length;
      if (world.byAdministrator) assert(after.length >= Math.min(world.min, before.length - lost));
    }
  },
);
