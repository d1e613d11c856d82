import assert from 'node:assert/strict';
import { PolicySet } from '../../policy/govern.ts';
import { plan } from '../../policy/plan.ts';
import type { Archive, Authority, PolicyResource, Rule, Unmet } from '../../policy/types.ts';
import { holds } from './cases.ts';
import {
  bucketOf,
  globalRule,
  governingRule,
  isPressed,
  overCount,
  overTotal,
  provenOrphan,
  sum,
} from './reference.ts';
import { Tally } from './tally.ts';
import { NAMESPACES, NOW, type World, without, worlds } from './worlds.ts';

/** A limit that is broken now, by `limit of what`, with the archives that are there under it. */
interface Broken {
  readonly policy: Rule | null;
  readonly limit: Unmet['limit'];
  readonly left: readonly Archive[];
}

/** What is broken in a world as it stands, counted from scratch. */
function brokenIn({ resources, inventory }: World): Broken[] {
  const counted = inventory.archives.filter((each) => each.state !== 'growing');
  const layers: readonly Authority[] = ['administrator', 'tenant'];
  const rules = resources.filter((each) => each.sound).flatMap((each) => each.rules);
  const byRule = layers.flatMap((authority) =>
    rules.flatMap((rule) =>
      brokenUnder(
        rule,
        counted.filter((each) => governingRule(each.identity, authority, resources) === rule),
      ),
    ),
  );
  return [
    ...byRule,
    ...brokenUnidentified(resources, counted),
    ...brokenDisk(resources, inventory.disk, counted),
  ];
}

function brokenUnder(policy: Rule, governed: readonly Archive[]): Broken[] {
  const { maxArchiveBytes, maxAgeMs } = policy;
  const there = governed.filter((each) => each.state === 'complete');
  const broken: Broken[] = [];
  const large = there.filter((each) => maxArchiveBytes !== undefined && each.bytes > maxArchiveBytes);
  const old = there.filter((each) => maxAgeMs !== undefined && NOW - each.modifiedAt >= maxAgeMs + 1);
  for (const namespace of NAMESPACES) {
    const own = (each: Archive) => each.identity?.namespace === namespace;
    if (large.some(own)) broken.push({ policy, limit: 'size', left: large.filter(own) });
    if (old.some(own)) broken.push({ policy, limit: 'age', left: old.filter(own) });
  }
  for (const bucket of policy.buckets) {
    for (const name of new Set(governed.map((each) => bucketOf(each, bucket.level)))) {
      const left = governed.filter((each) => bucketOf(each, bucket.level) === name);
      if (overCount(left, bucket)) broken.push({ policy, limit: 'count', left });
      if (overTotal(left, bucket)) broken.push({ policy, limit: 'total', left });
    }
  }
  return broken;
}

function brokenUnidentified(resources: readonly PolicyResource[], counted: readonly Archive[]): Broken[] {
  const limits = new PolicySet(resources).unidentified?.unidentified;
  const left = counted.filter((each) => each.identity === null && !each.unread);
  const { maxAgeMs, maxTotalBytes, restMs = 0 } = limits ?? {};
  const rests = (each: Archive) => NOW < each.modifiedAt + restMs;
  const rested = left.filter((each) => each.pinned || !rests(each));
  const old = left.filter(
    (each) => !rests(each) && maxAgeMs !== undefined && NOW - each.modifiedAt >= maxAgeMs + 1,
  );
  const broken: Broken[] = [];
  if (old.length > 0) broken.push({ policy: null, limit: 'unidentified', left: old });
  // What still rests goes later, and is no broken limit.
  if (maxTotalBytes !== undefined && sum(rested) > maxTotalBytes)
    broken.push({ policy: null, limit: 'unidentified', left: rested });
  return broken;
}

function brokenDisk(
  resources: readonly PolicyResource[],
  disk: World['inventory']['disk'],
  counted: readonly Archive[],
): Broken[] {
  const policy = globalRule(resources);
  const pressure = policy?.resource.pressure;
  if (!disk || !policy || !pressure || !isPressed(disk, pressure, pressure.high)) return [];
  return [{ policy, limit: 'pressure', left: counted.filter((each) => each.identity !== null) }];
}

/** May a plan leave this archive although a limit of that rule is broken? */
function isHeld(archive: Archive, { policy, limit }: Broken, { resources, inventory }: World): boolean {
  if (archive.pinned || archive.state === 'reserved') return true;
  if (policy === null) return false;
  const administrators = governingRule(archive.identity, 'administrator', resources);
  if (limit === 'pressure' && (administrators?.resource.sound !== true || archive.allocatedBytes === 0))
    return true;
  // Each rule's own floor holds against it, and against pressure the administrators'.
  const keepLast = (limit === 'pressure' ? administrators?.keepLast : policy.keepLast) ?? 0;
  const newer = inventory.archives.filter(
    (each) =>
      each.state === 'complete' &&
      bucketOf(each, 'container') === bucketOf(archive, 'container') &&
      isNewer(each, archive),
  );
  return newer.length < keepLast;
}

function isNewer(one: Archive, other: Archive): boolean {
  const [a, b] = [Math.min(one.modifiedAt, NOW), Math.min(other.modifiedAt, NOW)];
  return a > b || (a === b && one.file > other.file);
}

const seen = new Tally();
holds(
  'every limit holds after the plan, unless pins, floors or promises prevent it, and then unmet says so',
  worlds(),
  (world) => {
    const { decisions, unmet } = plan(world.inventory, new PolicySet(world.resources), NOW);
    const gone = new Set(decisions.filter((each) => each.action === 'delete').map((each) => each.archive));
    const after: World = { resources: world.resources, inventory: without(world.inventory, gone) };
    const broken = brokenIn(after);
    for (const each of broken) {
      seen.add(`broken ${each.limit}`);
      const loose = each.left.filter((archive) => !isHeld(archive, each, after));
      assert.deepEqual(loose, [], `${each.limit} of ${each.policy?.field} is broken and nothing holds these`);
      const files = each.left
        .filter((archive) => archive.state === 'complete')
        .map((archive) => archive.file);
      const told = unmet.filter(({ policy, limit }) => policy === each.policy && limit === each.limit);
      const isTold = told.some(
        ({ heldBy }) => each.limit === 'pressure' || [...heldBy].sort().join() === files.sort().join(),
      );
      assert.ok(isTold, `unmet is silent on ${each.limit} of ${each.policy?.field}`);
    }
    // Between the watermarks `unmet` may speak of pressure that no fresh plan would see.
    const tellsOf = unmet.filter((each) => each.limit !== 'pressure');
    assert.equal(tellsOf.length, broken.filter((each) => each.limit !== 'pressure').length, 'false alarms');
    for (const { message, heldBy, of, field } of unmet) {
      assert.match(message, /, and (nothing more|no more archives) can be/);
      assert.ok(of && field);
      assert.deepEqual(
        heldBy.filter((file) => [...gone].some((each) => each.file === file)),
        [],
      );
    }
  },
  {
    afterwards: (cases) =>
      seen.expect(cases, {
        'broken count': 0.02,
        'broken total': 0.02,
        'broken size': 0.02,
        'broken age': 0.02,
        'broken unidentified': 0.01,
        'broken pressure': 0.02,
      }),
  },
);

const tightened = new Tally();
holds(
  "a tenant's resource saves no archive that the administrators' delete for what it is",
  worlds(),
  (world) => {
    const { inventory, resources } = world;
    const administrators = resources.filter((each) => each.authority === 'administrator');
    const alone = plan(inventory, new PolicySet(administrators), NOW).decisions;
    const together = new Map(
      plan(inventory, new PolicySet(resources), NOW).decisions.map((each) => [each.archive, each]),
    );
    for (const { archive, action, rule, policy } of alone) {
      const other = together.get(archive);
      const certain = rule === 'tainted' || rule === 'orphan' || rule === 'unidentified';
      const byItself = (rule === 'size' || rule === 'age') && policy?.keepLast === 0;
      if (action !== 'delete' || !(certain || byItself)) continue;
      assert.equal(other?.action, 'delete');
      if (other?.resource?.authority === 'tenant') tightened.add('by either');
    }
    if (
      [...together.values()].some((each) => each.action === 'delete' && each.resource?.authority === 'tenant')
    ) {
      tightened.add('tenant deletes');
      return;
    }
    if (administrators.length === resources.length) return;
    tightened.add('tenant deletes nothing');
    const fates = ({ archive, action }: { archive: Archive; action: string }) => [archive.file, action];
    assert.deepEqual(
      [...together.values()].map(fates),
      alone.map(fates),
      'who deletes nothing saves nothing',
    );
  },
  {
    afterwards: (cases) =>
      tightened.expect(cases, { 'by either': 0.01, 'tenant deletes': 0.1, 'tenant deletes nothing': 0.1 }),
  },
);

const kept = new Tally();
holds(
  "a tenant's keepLast holds nothing against the administrators",
  worlds(),
  ({ resources, inventory }) => {
    const without = resources.map((each) => (each.authority === 'tenant' ? loosened(each) : each));
    const lax = plan(inventory, new PolicySet(without), NOW).decisions;
    // With limits and floors gone a tenant's resource says nothing: what it says with floors alone is the same.
    const floors = resources.map((each) => (each.authority === 'tenant' ? floored(each) : each));
    const held = plan(inventory, new PolicySet(floors), NOW).decisions;
    const fates = held.map(({ archive, action, rule }) => [archive.file, action, rule]);
    assert.deepEqual(
      fates,
      lax.map(({ archive, action, rule }) => [archive.file, action, rule]),
    );
    if (floors.some((each) => each.authority === 'tenant') && held.some((each) => each.action === 'delete'))
      kept.add('both');
  },
  { afterwards: (cases) => kept.expect(cases, { both: 0.1 }) },
);

function floored(resource: PolicyResource): PolicyResource {
  const rules: Rule[] = [];
  const copy = { ...resource, tainted: 'Keep' as const, rules };
  for (const { scope, field, orphanField, whenFull, checkpointing } of resource.rules) {
    rules.push({
      scope,
      field,
      orphanField,
      whenFull,
      checkpointing,
      resource: copy,
      retainOrphan: true,
      keepLast: 5,
      buckets: [],
    });
  }
  return copy;
}

function loosened(resource: PolicyResource): PolicyResource {
  const copy = floored(resource);
  return { ...copy, rules: copy.rules.map((each) => ({ ...each, keepLast: 0 })) };
}

const orphans = new Tally();
holds(
  'an orphan goes only where a rule asks for it and its grace is over, or under pressure',
  worlds(),
  (world) => {
    const { decisions } = plan(world.inventory, new PolicySet(world.resources), NOW);
    for (const { archive, action, rule, policy } of decisions) {
      if (action !== 'delete' || rule !== 'orphan') continue;
      assert.ok(policy && !policy.retainOrphan && provenOrphan(archive, policy, NOW));
      orphans.add('orphan');
    }
  },
  { afterwards: (cases) => orphans.expect(cases, { orphan: 0.05 }) },
);
