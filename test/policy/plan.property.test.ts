import assert from 'node:assert/strict';
import fc from 'fast-check';
import { withinBudget } from '../../policy/breaker.ts';
import { PolicySet } from '../../policy/govern.ts';
import { plan, planNamespace } from '../../policy/plan.ts';
import type { Archive, Decision, Inventory, PolicyResource } from '../../policy/types.ts';
import { holds } from './cases.ts';
import { Tally } from './tally.ts';
import { NOW, type World, without, worlds } from './worlds.ts';

function planOf({ resources, inventory }: World, now = NOW) {
  return plan(inventory, new PolicySet(resources), now);
}

function deletionsOf(world: World, now = NOW): Decision[] {
  return planOf(world, now)
    .decisions.filter((each) => each.action === 'delete')
    .sort((one, other) => (one.turn ?? 0) - (other.turn ?? 0));
}

function filesOf(decisions: readonly Decision[]): string[] {
  return decisions.map((each) => each.archive.file).sort();
}

function apply({ resources, inventory }: World, deletions: readonly Decision[]): World {
  return { resources, inventory: without(inventory, new Set(deletions.map((each) => each.archive))) };
}

const pins = new Tally();
holds(
  'a pinned archive is never deleted, nor one that grows or is promised',
  worlds(),
  (world) => {
    for (const { archive, action, rule } of planOf(world).decisions) {
      if (archive.pinned) assert.deepEqual([action, rule], ['keep', 'pinned']);
      if (archive.state !== 'complete') assert.equal(action, 'keep');
      if (archive.pinned) pins.add('pinned');
      if (archive.pinned && planOf(unpinned(world)).decisions.some((each) => each.action === 'delete')) {
        pins.add('pinned beside deletions');
      }
    }
  },
  { afterwards: (cases) => pins.expect(cases, { pinned: 0.3, 'pinned beside deletions': 0.15 }) },
);

function unpinned({ resources, inventory }: World): World {
  const archives = inventory.archives.map((each) => ({ ...each, pinned: false }));
  return { resources, inventory: { ...inventory, archives } };
}

holds('without a policy nothing is deleted', worlds({ mostResources: 0 }), (world) => {
  const { decisions, unmet, nextDue } = planOf(world);
  assert.deepEqual(
    decisions.filter((each) => each.action === 'delete'),
    [],
  );
  assert.deepEqual([unmet, nextDue], [[], null]);
});

const asked = new Tally();
holds(
  'each deletion is asked for by a policy over that very archive, of a resource without errors',
  worlds(),
  (world) => {
    for (const { archive, policy, resource, rule, field, reason } of deletionsOf(world)) {
      asked.add(rule);
      assert.ok(resource?.sound);
      assert.ok(field && reason);
      assert.equal(policy?.resource ?? resource, resource);
      if (archive.identity === null) {
        assert.equal(rule, 'unidentified');
        assert.ok(resource.unidentified);
        assert.equal(resource.authority, 'administrator');
        continue;
      }
      assert.ok(policy);
      const { scope } = policy;
      if (resource.authority === 'tenant')
        assert.equal(archive.identity.namespace, resource.reference.namespace);
      if (scope.kind === 'global') continue;
      asked.add('narrow');
      assert.equal(scope.namespace, archive.identity.namespace);
      if (scope.kind !== 'namespace') assert.equal(scope.pod, archive.identity.pod);
      if (scope.kind === 'container') assert.equal(scope.container, archive.identity.container);
    }
  },
  {
    afterwards: (cases) =>
      asked.expect(cases, { count: 0.1, narrow: 0.2, unidentified: 0.03, pressure: 0.05 }),
  },
);

const apart = new Tally();
holds(
  'what another namespace holds changes nothing, except through the disk',
  worlds({ withoutDisk: true }),
  ({ resources, inventory }) => {
    const policies = new PolicySet(resources);
    const whole = plan(inventory, policies, NOW);
    for (const namespace of new Set(inventory.archives.flatMap((each) => each.identity?.namespace ?? []))) {
      const own = inventory.archives.filter((each) => each.identity?.namespace === namespace);
      const alone = fates(planNamespace(own, policies, NOW).decisions);
      assert.deepEqual(fates(whole.decisions.filter((each) => own.includes(each.archive))), alone);
      if (own.length < inventory.archives.length && alone.some(([, action]) => action === 'delete')) {
        apart.add('deletions beside others');
      }
    }
  },
  { afterwards: (cases) => apart.expect(cases, { 'deletions beside others': 0.15 }) },
);

function fates(decisions: readonly Decision[]): [string, string, string, string][] {
  return decisions
    .map(({ archive, action, rule, reason }): [string, string, string, string] => [
      archive.file,
      action,
      rule,
      reason,
    ])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

const again = new Tally();
holds(
  'planning again after applying deletes nothing',
  worlds(),
  (world) => {
    const deletions = deletionsOf(world);
    assert.deepEqual(filesOf(deletionsOf(apply(world, deletions))), []);
    if (deletions.length > 1) again.add('several deletions');
    if (deletions.some((each) => each.rule === 'pressure')) again.add('pressure');
  },
  { afterwards: (cases) => again.expect(cases, { 'several deletions': 0.2, pressure: 0.02 }) },
);

holds(
  'the order of archives, resources and rules of different targets does not matter',
  fc.tuple(worlds(), fc.nat()),
  ([world, seed]) => {
    const { archives, disk } = world.inventory;
    const inventory: Inventory = { archives: shuffled(archives, seed), ...(disk && { disk }) };
    const one = planOf(world);
    const other = planOf({ resources: shuffled(world.resources, seed), inventory });
    assert.deepEqual(
      other.decisions.map((each) => each.archive),
      inventory.archives,
    );
    const byFile = (a: Decision, b: Decision) => (a.archive.file < b.archive.file ? -1 : 1);
    assert.deepEqual([...other.decisions].sort(byFile), [...one.decisions].sort(byFile));
    assert.deepEqual([other.unmet, other.nextDue], [one.unmet, one.nextDue]);
  },
);

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const rest = [...items];
  let state = seed;
  return items.flatMap(() => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return rest.splice(state % rest.length, 1);
  });
}

/** Whether the deletions differ at `nextDue`; asserts that they do not before. */
function changesWhenDue(world: World, random: number): 'never' | 'changes' | 'stays' {
  const { nextDue } = planOf(world);
  const now = filesOf(deletionsOf(world));
  const end = nextDue === null ? NOW + 100_000 : Math.ceil(nextDue);
  assert.ok(end > NOW);
  for (const instant of [end - 1, NOW + (random % (end - NOW))]) {
    assert.deepEqual(filesOf(deletionsOf(world, instant)), now, `at ${instant - NOW} ms of ${end - NOW}`);
  }
  if (nextDue === null) return 'never';
  return filesOf(deletionsOf(world, end)).join() === now.join() ? 'stays' : 'changes';
}

const due = new Tally();
holds(
  'until nextDue the same archives are to go',
  fc.tuple(worlds(), fc.nat()),
  ([world, random]) => due.add(changesWhenDue(world, random)),
  { share: 0.3, afterwards: (cases) => due.expect(cases, { never: 0.2, stays: 0.05, changes: 0.06 }) },
);

const dueUnderPressure = new Tally();
holds(
  'until nextDue the same archives are to go under pressure',
  fc.tuple(worlds({ pressed: true }), fc.nat()),
  ([world, random]) => dueUnderPressure.add(changesWhenDue(world, random)),
  {
    share: 0.3,
    afterwards: (cases) => dueUnderPressure.expect(cases, { never: 0.1, stays: 0.05, changes: 0.04 }),
  },
);

const halves = new Tally();
holds(
  'whoever stops after some deletions, in their turn, leaves the rest to the next plan',
  fc.tuple(worlds({ withoutDisk: true }), fc.nat()),
  ([world, random]) => {
    const deletions = deletionsOf(world);
    const done = deletions.slice(0, random % (deletions.length + 1));
    const left = deletionsOf(apply(world, done));
    assert.deepEqual(filesOf(left), filesOf(deletions.slice(done.length)));
    if (done.length > 0 && left.length > 0) halves.add('stopped half way');
  },
  { share: 0.3, afterwards: (cases) => halves.expect(cases, { 'stopped half way': 0.1 }) },
);

/** Pass after pass, as the collector does; all that went. */
function passes(world: World): { readonly gone: Archive[]; readonly passes: number } {
  const gone: Archive[] = [];
  for (let count = 0; ; count += 1) {
    const current = apply(
      world,
      gone.map((archive) => ({ archive }) as Decision),
    );
    const deletions = deletionsOf(current);
    const now = withinBudget(deletions);
    if (deletions.length === 0) return { gone, passes: count };
    assert.ok(now.length > 0, 'a pass that deletes nothing');
    assert.ok(isWithin(now), 'over budget');
    gone.push(...now.map((each) => each.archive));
  }
}

function isWithin(deletions: readonly Decision[]): boolean {
  const counts = new Map<PolicyResource, number>();
  for (const { resource } of deletions) if (resource) counts.set(resource, (counts.get(resource) ?? 0) + 1);
  return [...counts].every(([{ budget }, count]) => count <= (budget.maxArchives ?? count));
}

const budgets = new Tally();
holds(
  'within its budget each pass goes on where the last stopped, until the whole plan is done',
  worlds({ authority: 'administrator', withoutDisk: true }),
  (world) => {
    const { gone, passes: count } = passes(world);
    assert.deepEqual(gone.map((each) => each.file).sort(), filesOf(deletionsOf(world)));
    if (count > 1) budgets.add('several passes');
  },
  { share: 0.3, afterwards: (cases) => budgets.expect(cases, { 'several passes': 0.05 }) },
);

holds(
  'passes end with tenants and a full disk, too',
  worlds({ pressed: true }),
  (world) => void passes(world),
  { share: 0.3 },
);
