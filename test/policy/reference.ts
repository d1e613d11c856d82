import type {
  Amount,
  Archive,
  Authority,
  BucketLimits,
  DecisionRule,
  Disk,
  DiskPressure,
  Identity,
  Instant,
  Inventory,
  Level,
  PolicyResource,
  Rule,
} from '../../policy/types.ts';

/** What the reference says of one archive; for a deletion also which rule asks for it. */
export interface Fate {
  readonly action: 'keep' | 'delete';
  readonly rule: DecisionRule;
  readonly by: Rule | PolicyResource | null;
}

/**
 * The meaning of policies once more, from the design alone: slow, without an index, with nothing shared with
 * `policy/plan.ts`. Each step is a sentence of the design; whoever changes one changes it here too.
 */
export function referencePlan(
  inventory: Inventory,
  resources: readonly PolicyResource[],
  now: Instant,
): Map<string, Fate> {
  const fates = new Map<string, Fate>();
  const saved = new Set<Archive>();
  const world: World = { all: [...inventory.archives].sort((a, b) => older(a, b, now)), fates, saved, now };
  // The tenant's first: what he gives up himself needs no other archive of his to go for the administrator's limit.
  for (const authority of ['tenant', 'administrator'] as const) {
    for (const rule of resources.flatMap((each) => each.rules)) {
      const governed = world.all.filter((each) => governs(rule, each, authority, resources));
      if (governed.length > 0) actRule(world, rule, governed);
    }
  }
  actUnidentified(world, resources);
  if (inventory.disk) actPressure(world, resources, inventory.disk);
  for (const archive of inventory.archives) {
    if (!fates.has(archive.file)) fates.set(archive.file, kept(archive, saved.has(archive)));
  }
  return fates;
}

interface World {
  /** Oldest first. */
  readonly all: readonly Archive[];
  readonly fates: Map<string, Fate>;
  /** Archives that only a floor saved. */
  readonly saved: Set<Archive>;
  readonly now: Instant;
}

function kept(archive: Archive, saved: boolean): Fate {
  const rule = archive.pinned
    ? 'pinned'
    : saved
      ? 'keepLast'
      : archive.identity === null
        ? 'unidentified'
        : 'none';
  return { action: 'keep', rule, by: null };
}

/** Age and order go by mtime; a future mtime counts as now; of equals the name decides. */
function older(one: Archive, other: Archive, now: Instant): number {
  const a = one.modifiedAt > now ? now : one.modifiedAt;
  const b = other.modifiedAt > now ? now : other.modifiedAt;
  if (a !== b) return a < b ? -1 : 1;
  return one.file < other.file ? -1 : 1;
}

/** In each layer exactly one rule governs: the narrowest; of two alike that of the older resource, then name. */
function governs(
  rule: Rule,
  archive: Archive,
  authority: Authority,
  resources: readonly PolicyResource[],
): boolean {
  return governingRule(archive.identity, authority, resources) === rule;
}

const NARROWEST_FIRST = ['container', 'pod', 'namespace', 'global'] as const;

export function governingRule(
  identity: Identity | null,
  authority: Authority,
  resources: readonly PolicyResource[],
): Rule | null {
  if (identity === null) return null;
  const matching = resources
    .filter((each) => each.authority === authority)
    .sort(senior)
    .flatMap((each) => each.rules)
    .filter((each) => matches(each, identity));
  for (const kind of NARROWEST_FIRST) {
    const first = matching.find((each) => each.scope.kind === kind);
    if (first) return first;
  }
  return null;
}

function senior(one: PolicyResource, other: PolicyResource): number {
  if (one.createdAt !== other.createdAt) return one.createdAt - other.createdAt;
  return `${one.reference.namespace}/${one.reference.name}` <
    `${other.reference.namespace}/${other.reference.name}`
    ? -1
    : 1;
}

function matches({ scope }: Rule, identity: Identity): boolean {
  if (scope.kind === 'global') return true;
  if (scope.namespace !== identity.namespace) return false;
  if (scope.kind === 'namespace') return true;
  if (scope.pod !== identity.pod) return false;
  return scope.kind === 'pod' || scope.container === identity.container;
}

/** One rule over the archives that it governs: tainted, orphans, size, age, then each bucket's count and total. */
function actRule(world: World, rule: Rule, governed: readonly Archive[]): void {
  const { resource } = rule;
  if (!resource.sound) return;
  const touchable = (each: Archive) => each.state === 'complete' && !each.pinned;
  const present = () => governed.filter((each) => each.state !== 'growing' && !world.fates.has(each.file));

  for (const each of present()) {
    if (resource.tainted === 'Delete' && each.staleTailBytes > 0 && touchable(each)) {
      remove(world, each, 'tainted', rule);
    }
  }
  for (const each of present()) {
    if (!rule.retainOrphan && provenOrphan(each, rule, world.now) && touchable(each)) {
      remove(world, each, 'orphan', rule);
    }
  }
  const floor = newestOfEachContainer(present(), rule.keepLast);
  const want = (each: Archive, why: DecisionRule) => {
    if (!touchable(each)) return;
    if (floor.has(each)) world.saved.add(each);
    else remove(world, each, why, rule);
  };
  for (const each of present()) {
    if (rule.maxArchiveBytes !== undefined && BigInt(each.bytes) > rule.maxArchiveBytes) want(each, 'size');
  }
  for (const each of present()) {
    if (rule.maxAgeMs !== undefined && world.now >= each.modifiedAt + rule.maxAgeMs + 1) want(each, 'age');
  }
  for (const bucket of rule.buckets) {
    for (const name of new Set(present().map((each) => bucketOf(each, bucket.level)))) {
      const inside = () => present().filter((each) => bucketOf(each, bucket.level) === name);
      for (const each of inside()) if (overCount(inside(), bucket)) want(each, 'count');
      for (const each of inside()) if (overTotal(inside(), bucket)) want(each, 'total');
    }
  }
}

function remove(world: World, archive: Archive, rule: DecisionRule, by: Rule | PolicyResource): void {
  world.fates.set(archive.file, { action: 'delete', rule, by });
}

export function provenOrphan(archive: Archive, rule: Rule, now: Instant): boolean {
  return archive.orphan !== null && now - archive.orphan.since >= rule.resource.orphanGraceMs;
}

/** Oldest first goes in. A reservation is a promise, and no promise takes the place of an archive that is there. */
function newestOfEachContainer(archives: readonly Archive[], count: number): Set<Archive> {
  const there = archives.filter((each) => each.state === 'complete');
  const names = new Set(there.map((each) => bucketOf(each, 'container')));
  const newest = [...names].flatMap((name) => {
    const ofOne = there.filter((each) => bucketOf(each, 'container') === name);
    return count === 0 ? [] : ofOne.slice(-count);
  });
  return new Set(newest);
}

export function bucketOf({ identity }: Archive, level: Level): string {
  if (identity === null) return 'unidentified';
  const { namespace, pod, container } = identity;
  const parts = { container: [namespace, pod, container], pod: [namespace, pod], namespace: [namespace] };
  return JSON.stringify(parts[level]);
}

export function overCount(archives: readonly Archive[], { maxCount }: BucketLimits): boolean {
  return maxCount !== undefined && archives.length > maxCount;
}

export function overTotal(archives: readonly Archive[], { maxTotalBytes }: BucketLimits): boolean {
  return maxTotalBytes !== undefined && sum(archives) > maxTotalBytes;
}

export function sum(archives: readonly Archive[]): bigint {
  return archives.reduce((total, each) => total + BigInt(each.bytes), 0n);
}

/** Only `spec.unidentified` deletes what has no identity: age, then total, oldest first; pins hold and count. */
function actUnidentified(world: World, resources: readonly PolicyResource[]): void {
  const owner = resources
    .filter((each) => each.unidentified !== undefined && each.authority === 'administrator')
    .sort(senior)[0];
  const limits = owner?.unidentified;
  if (owner === undefined || limits === undefined) return;
  const present = () =>
    world.all.filter(
      (each) =>
        each.identity === null && !each.unread && each.state !== 'growing' && !world.fates.has(each.file),
    );
  const rests = (each: Archive) => world.now < each.modifiedAt + (limits.restMs ?? 600_000);
  for (const each of present()) {
    if (rests(each)) continue;
    const over = limits.maxAgeMs !== undefined && world.now >= each.modifiedAt + limits.maxAgeMs + 1;
    if (over && !each.pinned && each.state === 'complete') remove(world, each, 'unidentified', owner);
  }
  for (const each of present()) {
    if (rests(each)) continue;
    const over = limits.maxTotalBytes !== undefined && sum(present()) > limits.maxTotalBytes;
    if (over && !each.pinned && each.state === 'complete') remove(world, each, 'unidentified', owner);
  }
}

/** Above high, or below a floor of free room, evict down to low: orphans, what is over its share, the oldest. */
function actPressure(world: World, resources: readonly PolicyResource[], disk: Disk): void {
  const owner = globalRule(resources);
  const pressure = owner?.resource.pressure;
  if (owner === null || pressure === undefined) return;
  const now = (): Disk => {
    const gone = world.all.filter((each) => world.fates.has(each.file) && each.allocatedBytes > 0);
    const room = gone.reduce((total, each) => total + each.allocatedBytes, 0);
    return { ...disk, freeBytes: disk.freeBytes + room, freeInodes: disk.freeInodes + gone.length };
  };
  if (!isPressed(now(), pressure, pressure.high)) return;

  const present = () =>
    world.all.filter(
      (each) => each.identity !== null && each.state === 'complete' && !world.fates.has(each.file),
    );
  const floors = new Set(
    present().filter((each) => {
      const keepLast = governingRule(each.identity, 'administrator', resources)?.keepLast ?? 0;
      const same = present().filter((other) => bucketOf(other, 'container') === bucketOf(each, 'container'));
      return keepLast > 0 && same.slice(-keepLast).includes(each);
    }),
  );
  const pass = (wanted: (archive: Archive) => boolean) => {
    for (const each of present()) {
      const rule = governingRule(each.identity, 'administrator', resources);
      const useful = each.allocatedBytes > 0 && !each.pinned && rule?.resource.sound === true;
      if (!useful || !isPressed(now(), pressure, pressure.low) || !wanted(each)) continue;
      if (floors.has(each)) world.saved.add(each);
      else remove(world, each, 'pressure', owner);
    }
  };
  const takenBy = (archive: Archive) =>
    present()
      .filter((each) => each.identity?.namespace === archive.identity?.namespace)
      .reduce((total, each) => total + each.allocatedBytes, 0);
  pass((each) => {
    const rule = governingRule(each.identity, 'administrator', resources);
    return rule !== null && provenOrphan(each, rule, world.now);
  });
  const holding = present().filter((each) => each.allocatedBytes > 0);
  const namespaces = new Set(holding.map((each) => each.identity?.namespace));
  const share = holding.reduce((total, each) => total + each.allocatedBytes, 0) / namespaces.size;
  pass((each) => takenBy(each) > share);
  pass(() => true);
}

export function globalRule(resources: readonly PolicyResource[]): Rule | null {
  const rules = resources
    .filter((each) => each.authority === 'administrator')
    .sort(senior)
    .flatMap((each) => each.rules);
  return rules.find((each) => each.scope.kind === 'global') ?? null;
}

export function isPressed(disk: Disk, pressure: DiskPressure, mayBeUsed: number): boolean {
  const part = (amount: Amount, of: number) =>
    'share' in amount ? amount.share * of : Number(amount.absolute);
  const { minFree, minFreeInodes } = pressure;
  if (disk.totalBytes - disk.freeBytes > mayBeUsed * disk.totalBytes) return true;
  if (minFree && disk.freeBytes < part(minFree, disk.totalBytes)) return true;
  // File systems without a fixed number of inodes report none at all.
  return (
    minFreeInodes !== undefined &&
    disk.totalInodes > 0 &&
    disk.freeInodes < part(minFreeInodes, disk.totalInodes)
  );
}
