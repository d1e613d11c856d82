import { readResource } from '../../../policy/read.ts';
import type { Authority, PolicyResource } from '../../../policy/types.ts';
import type { Dice } from '../../policy/dice.ts';
import { CONTAINERS } from './containers.ts';

interface Slot {
  readonly namespace: string;
  readonly name: string;
  readonly authority: Authority;
}

/** Names that resources have; those in a tenant's namespace speak for it alone. */
const SLOTS: readonly [Slot, ...Slot[]] = [
  { namespace: 'ops', name: 'a', authority: 'administrator' },
  { namespace: 'ops', name: 'b', authority: 'administrator' },
  { namespace: 'shop', name: 'own', authority: 'tenant' },
];

/** What a node's authors write: where the disk is short they do without narrow circuit breakers. */
export const FLAVOURS = ['breaker', 'pressure', 'budget'] as const;

export type Flavour = (typeof FLAVOURS)[number];

/** One that an author applies: new, or in the place of one of that name. */
export function drawResource(
  dice: Dice,
  flavour: Flavour,
  former: (key: string) => PolicyResource | undefined,
  uid: () => string,
): PolicyResource {
  const slot = dice.pick(SLOTS);
  const before = former(`${slot.namespace}/${slot.name}`);
  const isAnew = before === undefined || dice.once(4);
  const spec = {
    applyPoliciesImmediately: !dice.once(4),
    orphanGracePeriod: dice.pick(['10m', '1m', '20s', '2s']),
    ...(dice.once(3) && { tainted: 'Delete' }),
    ...(flavour === 'breaker' && {
      circuitBreaker: { maxShare: dice.pick(['100%', '50%', '20%']), minArchives: 1 + dice.roll(6) },
    }),
    ...((flavour === 'budget' || dice.once(4)) && { deletionBudget: budget(dice) }),
    ...(slot.authority === 'administrator' && administrators(dice, flavour)),
    ...rules(dice, slot.authority === 'tenant'),
  };
  const metadata = {
    namespace: slot.namespace,
    name: slot.name,
    uid: isAnew ? uid() : (before.reference.uid ?? ''),
    creationTimestamp: `2026-11-2${dice.roll(2)}T00:00:00Z`,
  };
  return read(spec, metadata, slot.authority);
}

function budget(dice: Dice): object {
  return {
    maxArchivesPerPass: 1 + dice.roll(3),
    ...(dice.once(4) && { maxBytesPerPass: dice.pick(['2Ki', '6Ki']) }),
  };
}

/** The same with the digest that somebody confirms. */
export function confirmed(resource: PolicyResource, digest: string): PolicyResource {
  const copy = {
    ...resource,
    confirmed: [...resource.confirmed, digest],
    rules: [] as PolicyResource['rules'][number][],
  };
  for (const rule of resource.rules) copy.rules.push({ ...rule, resource: copy });
  return copy;
}

function administrators(dice: Dice, flavour: Flavour): object {
  return {
    ...(dice.once(3) && {
      unidentified: dice.once(2) ? { timeThreshold: '1h' } : { maxTotalSize: dice.pick(['4Ki', '12Ki']) },
    }),
    ...(dice.once(2) && {
      globalPolicy: {
        ...limits(dice, 'PerContainer'),
        ...(dice.once(3) && { maxCheckpointsPerNamespace: 2 + dice.roll(4) }),
        ...(flavour === 'pressure' && {
          diskPressure: { highWatermark: '60%', lowWatermark: dice.pick(['55%', '30%']) },
        }),
      },
    }),
  };
}

function rules(dice: Dice, isTenant: boolean): object {
  const namespaces = isTenant ? ['shop'] : ['shop', 'shop-prod', 'a', 'a-b'];
  const chosen = namespaces.filter(() => dice.once(2));
  const { namespace, pod, container } = dice.pick(CONTAINERS);
  const mine = !isTenant || namespace === 'shop';
  return {
    namespacePolicies: chosen.map((each) => ({ namespace: each, ...limits(dice) })),
    ...(mine && dice.once(3) && { podPolicies: [{ namespace, pod, ...limits(dice) }] }),
    ...(mine && dice.once(3) && { containerPolicies: [{ namespace, pod, container, ...limits(dice) }] }),
  };
}

function limits(dice: Dice, suffix = ''): object {
  const count = 1 + dice.roll(4);
  return {
    ...(dice.once(2) && { [`maxCheckpoints${suffix}`]: count }),
    ...(dice.once(3) && { timeThreshold: dice.pick(['30m', '2h', '5h']) }),
    ...(dice.once(3) && { retainOrphan: false }),
    ...(dice.once(5) && { keepLast: Math.min(count, 1 + dice.roll(2)) }),
    ...(dice.once(6) && { maxCheckpointSize: dice.pick(['4Ki', '8Ki']) }),
    ...(dice.once(5) && { [`maxTotalSize${suffix}`]: dice.pick(['12Ki', '24Ki']) }),
    ...(dice.once(5) && { whenFull: 'RejectNew' }),
    // A slip of the author: the resource holds its targets, and deletes nothing.
    ...(dice.once(25) && { [`maxCheckpoints${suffix}`]: -1 }),
  };
}

const known = new Map<string, PolicyResource>();

function read(spec: object, metadata: object, authority: Authority): PolicyResource {
  const key = JSON.stringify([spec, metadata]);
  const seen = known.get(key);
  if (seen !== undefined) return seen;
  const { resource } = readResource(
    { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator', metadata, spec },
    { authority },
  );
  if (resource === null) throw new Error(`not a resource: ${key}`);
  known.set(key, resource);
  return resource;
}
