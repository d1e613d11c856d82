import fc from 'fast-check';
import type {
  Archive,
  ArchiveState,
  Authority,
  BucketLimits,
  Disk,
  DiskPressure,
  Identity,
  Inventory,
  PolicyResource,
  Rule,
  Scope,
} from '../../policy/types.ts';
import { Dice, roll } from './dice.ts';

export const NOW = 1_000_000;
const SECOND = 1_000;

/** Names that collide as strings: `team` and `team-prod`, `a` + `b-c` and `a-b` + `c`. */
const CONTAINERS: readonly [Identity, ...Identity[]] = [
  identity('team', 'cart', 'main'),
  identity('team-prod', 'cart', 'main'),
  identity('a', 'twin', 'b-c'),
  identity('a-b', 'twin', 'c'),
  identity('team', 'cart', 'main'),
  identity('team', 'cart', 'side'),
  identity('team', 'web', 'main'),
  identity('team-prod', 'cart', 'main'),
  identity('a', 'twin', 'b-c'),
  identity('a', 'b-c', 'twin'),
  identity('team', 'cart', 'side'),
];
export const NAMESPACES = ['team', 'team-prod', 'a', 'a-b'] as const;

function identity(namespace: string, pod: string, container: string): Identity {
  return { namespace, pod, container, podUid: null };
}

/** Resources, archives and a disk, as small as collisions, ties and limits allow. */
export interface World {
  readonly resources: readonly PolicyResource[];
  readonly inventory: Inventory;
}

export interface WorldOptions {
  readonly mostArchives?: number;
  readonly mostResources?: number;
  /** Default: both. */
  readonly authority?: Authority;
  readonly withoutDisk?: boolean;
  /** A disk always, and a global policy that says what pressure is. */
  readonly pressed?: boolean;
}

export function worlds(options: WorldOptions = {}): fc.Arbitrary<World> {
  const { mostArchives = 14, mostResources = 3, authority, withoutDisk = false, pressed = false } = options;
  const archives = fc.array(roll, { minLength: 3, maxLength: mostArchives, size: 'max' });
  const rules = fc.array(roll, { minLength: 1, maxLength: 4, size: 'max' });
  const resources = fc.array(fc.tuple(roll, rules), {
    minLength: Math.min(1, mostResources),
    maxLength: mostResources,
    size: 'max',
  });
  return fc.tuple(archives, resources, roll).map(([archiveRolls, resourceRolls, diskRoll]) => {
    const all = archiveRolls.map(archiveOf);
    const disk = withoutDisk ? undefined : diskOf(new Dice(diskRoll), all, pressed);
    const resources = resourceRolls.map(([own, rules], index) => resourceOf(own, rules, index, authority));
    return {
      resources: pressed ? [pressing(resources[0], diskRoll), ...resources.slice(1)] : resources,
      inventory: { archives: all, ...(disk && { disk }) },
    };
  });
}

function archiveOf(number: number, index: number): Archive {
  const dice = new Dice(number);
  const unidentified = dice.once(6);
  const whose = dice.pick(CONTAINERS);
  const state = dice.pick<ArchiveState>([
    'complete',
    'complete',
    'complete',
    'complete',
    'complete',
    'complete',
    'growing',
    'reserved',
  ]);
  const modifiedAt = NOW - (dice.roll(14) - 3) * SECOND + dice.pick([0, 1, -1, 0.5]);
  const bytes = (1 + dice.roll(8)) * 1024;
  const pinned = dice.once(6) && state !== 'reserved';
  const staleTailBytes = dice.once(8) ? 512 : 0;
  const gone = dice.once(4);
  const since = NOW - dice.roll(8) * SECOND + dice.roll(3) - 1;
  const linked = dice.once(10);
  const file = `checkpoint-${whose.pod}_${whose.namespace}-${whose.container}-${dice.roll(50)}-${index}.tar`;
  const isUnread = unidentified && dice.once(4);
  const isOrphan = gone && !unidentified && state === 'complete';
  return {
    file,
    bytes,
    allocatedBytes: linked ? 0 : bytes,
    modifiedAt,
    state: unidentified && state === 'reserved' ? 'complete' : state,
    pinned,
    identity: unidentified ? null : whose,
    staleTailBytes: state === 'complete' ? staleTailBytes : 0,
    orphan: isOrphan ? { since, why: 'absent' } : null,
    ...(isUnread && { unread: true }),
  };
}

function diskOf(dice: Dice, archives: readonly Archive[], always: boolean): Disk | undefined {
  if (dice.once(3) && !always) return undefined;
  const ours = archives.reduce((sum, each) => sum + each.allocatedBytes, 0);
  const others = dice.roll(40) * 1024;
  const freeBytes = dice.roll(60) * 1024;
  const freeInodes = dice.roll(20);
  return {
    totalBytes: ours + others + freeBytes,
    freeBytes,
    totalInodes: dice.once(4) ? 0 : 100,
    freeInodes,
  };
}

function resourceOf(
  number: number,
  ruleRolls: readonly number[],
  index: number,
  only: Authority | undefined,
): PolicyResource {
  const dice = new Dice(number);
  const authority = only ?? dice.pick<Authority>(['administrator', 'tenant']);
  const namespace = dice.pick(NAMESPACES);
  const rules: Rule[] = [];
  const administrator = authority === 'administrator';
  const unidentified = administrator && dice.once(2) ? limitsOf(dice) : undefined;
  const sound = !dice.once(12);
  const createdAt = dice.roll(2);
  const tainted = dice.pick(['Keep', 'Delete'] as const);
  const orphanGraceMs = dice.roll(6) * SECOND;
  const pressure = administrator && !dice.once(3) ? pressureOf(dice) : undefined;
  const maxArchives = dice.maybe(2, 1, 3);
  const resource: PolicyResource = {
    reference: { namespace, name: `r${index}` },
    authority,
    createdAt,
    directory: '/checkpoints',
    applyImmediately: true,
    orphanGraceMs,
    tainted,
    ...(unidentified && { unidentified: sound ? unidentified : {} }),
    budget: { ...(maxArchives !== undefined && { maxArchives }) },
    breaker: { maxShare: 0.5, minArchives: 100 },
    ...(pressure && sound && { pressure }),
    rules,
    canonicalSpec: '',
    sound,
    confirmed: [],
  };
  ruleRolls.forEach((each, position) => {
    const rule = ruleOf(new Dice(each), resource, position);
    rules.push(sound ? rule : { ...rule, retainOrphan: true, keepLast: 0, buckets: [] });
  });
  return resource;
}

/** The resource with few limits, so that much is left for pressure to evict. */
function pressing(resource: PolicyResource | undefined, number: number): PolicyResource {
  const { tainted = 'Keep', orphanGraceMs = 1_000, createdAt = 0 } = resource ?? {};
  const [first] = resource?.rules ?? [];
  const rules: Rule[] = [];
  const copy: PolicyResource = {
    reference: { namespace: 'ops', name: 'pressing' },
    authority: 'administrator',
    createdAt,
    directory: '/checkpoints',
    applyImmediately: true,
    orphanGraceMs,
    tainted,
    budget: {},
    breaker: { maxShare: 0.5, minArchives: 100 },
    pressure: pressureOf(new Dice(Math.floor(number / 10_000))),
    rules,
    canonicalSpec: '',
    sound: true,
    confirmed: [],
  };
  const dice = new Dice(number);
  if (first && dice.once(2)) rules.push({ ...first, resource: copy });
  const keepLast = dice.maybe(3, 1, 2) ?? 0;
  rules.push({
    scope: { kind: 'global' },
    resource: copy,
    field: 'spec.globalPolicy',
    orphanField: null,
    retainOrphan: true,
    keepLast,
    buckets: [],
    whenFull: 'EvictOldest',
    checkpointing: 'Allow',
  });
  return copy;
}

function limitsOf(dice: Dice): NonNullable<PolicyResource['unidentified']> {
  const maxAgeMs = dice.maybe(2, 1, 8);
  const total = dice.maybe(2, 1, 12);
  return {
    restMs: dice.pick([0, 2, 5]) * SECOND,
    ...(maxAgeMs !== undefined && { maxAgeMs: maxAgeMs * SECOND }),
    ...(total !== undefined && { maxTotalBytes: BigInt(total * 1024) }),
  };
}

function pressureOf(dice: Dice): DiskPressure {
  const high = 0.3 + dice.roll(6) / 10;
  const low = high - dice.roll(4) / 10;
  const minFree = dice.maybe(4, 1, 40);
  const inodes = dice.maybe(4, 1, 20);
  return {
    high,
    low: Math.max(0, low),
    ...(minFree !== undefined && {
      minFree: dice.once(2) ? { share: minFree / 100 } : { absolute: BigInt(minFree * 1024) },
    }),
    ...(inodes !== undefined && { minFreeInodes: { absolute: BigInt(inodes) } }),
  };
}

function ruleOf(dice: Dice, resource: PolicyResource, position: number): Rule {
  const scope = scopeOf(dice, resource);
  const retainOrphan = !dice.once(3);
  const maxAge = dice.maybe(3, 1, 9);
  const size = dice.maybe(4, 1, 7);
  const keepLast = dice.maybe(3, 1, 2) ?? 0;
  const levels: readonly BucketLimits['level'][] =
    scope.kind === 'global' ? ['container', 'pod', 'namespace'] : [scope.kind];
  return {
    scope,
    resource,
    field: `spec.policies[${position}]`,
    orphanField: 'retainOrphan',
    retainOrphan,
    ...(size !== undefined && { maxArchiveBytes: BigInt(size * 1024) }),
    ...(maxAge !== undefined && { maxAgeMs: maxAge * SECOND }),
    keepLast,
    buckets: levels.map((level) => bucketLimitsOf(dice, level)),
    whenFull: dice.pick(['EvictOldest', 'RejectNew'] as const),
    checkpointing: 'Allow',
  };
}

function bucketLimitsOf(dice: Dice, level: BucketLimits['level']): BucketLimits {
  const maxCount = dice.maybe(2, 1, 4);
  const total = dice.maybe(3, 1, 24);
  return {
    level,
    countField: `maxCheckpoints.${level}`,
    totalField: `maxTotalSize.${level}`,
    ...(maxCount !== undefined && { maxCount }),
    ...(total !== undefined && { maxTotalBytes: BigInt(total * 1024) }),
  };
}

function scopeOf(dice: Dice, { authority, reference }: PolicyResource): Scope {
  const kind = dice.pick(['global', 'namespace', 'global', 'pod', 'container'] as const);
  const { pod, container } = dice.pick(CONTAINERS);
  const { namespace } = authority === 'tenant' ? reference : dice.pick(CONTAINERS);
  const narrow = kind === 'global' && authority === 'tenant' ? 'namespace' : kind;
  switch (narrow) {
    case 'global':
      return { kind: 'global' };
    case 'namespace':
      return { kind: 'namespace', namespace };
    case 'pod':
      return { kind: 'pod', namespace, pod };
    case 'container':
      return { kind: 'container', namespace, pod, container };
  }
}

/** The inventory once a plan's deletions are carried out, the disk included. */
export function without({ archives, disk }: Inventory, gone: ReadonlySet<Archive>): Inventory {
  const freed = [...gone].filter((each) => each.allocatedBytes > 0);
  const bytes = freed.reduce((sum, each) => sum + each.allocatedBytes, 0);
  return {
    archives: archives.filter((each) => !gone.has(each)),
    ...(disk && {
      disk: { ...disk, freeBytes: disk.freeBytes + bytes, freeInodes: disk.freeInodes + freed.length },
    }),
  };
}
