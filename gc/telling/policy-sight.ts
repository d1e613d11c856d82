import { Owners } from '../../policy/candidate.ts';
import { type PolicySet, resourceKey } from '../../policy/govern.ts';
import type { PolicyState } from '../../policy/node-schema.ts';
import type { Archive, PolicyResource } from '../../policy/types.ts';
import { seenDigest } from '../../source/seen.ts';
import type { PolicySource } from '../../source/source.ts';
import type { ActivePolicies } from '../deciding/active.ts';
import type { PassReport } from '../deciding/pass.ts';
import { Pace } from '../system/pace.ts';

/** One policy on this node, as the node's object names it. */
export interface PolicyOnNode {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly state: PolicyState;
  readonly archives: number;
  readonly bytes: number;
  readonly plan?: {
    readonly digest: string;
    readonly deletions: number;
    readonly bytes: number;
    readonly archives: number;
  };
}

export interface PolicySight {
  /** Which versions of all resources were taken in and planned by; null while some were not. */
  readonly seen: string | null;
  /** Those that govern something here, or wait; what waits first, then by bytes. */
  readonly policies: readonly PolicyOnNode[];
}

export interface PolicySightParts {
  readonly source: Pick<PolicySource, 'stored'>;
  readonly active: Pick<ActivePolicies, 'set' | 'pending' | 'elsewhere' | 'isKnown'>;
  readonly governed: GovernedArchives;
  /** Of the last pass; null before the first. */
  readonly report: () => Pick<PassReport, 'policies' | 'held'> | null;
}

/** What the policies do here. */
export async function policySight(parts: PolicySightParts): Promise<PolicySight | null> {
  const { source, active, governed: counted, report } = parts;
  const stored = source.stored?.();
  if (stored === undefined || !active.isKnown) return null;
  const { set, pending, elsewhere } = active;
  const { policies: planned = null, held = [] } = report() ?? {};
  const governed = await counted.by(set);
  const states = new Map<PolicyResource, Pick<PolicyOnNode, 'state' | 'plan'>>();
  for (const resource of governed.keys()) {
    states.set(resource, { state: planned?.get(resource.reference) === resource ? 'Acting' : 'Planning' });
  }
  for (const resource of elsewhere) states.set(resource, { state: 'OtherDirectory' });
  for (const { resource, digest, deletions, bytes, archives: of } of held) {
    const plan = { digest, deletions, bytes, archives: of };
    if (set.get(resource.reference) === resource)
      states.set(resource, { state: 'WaitsForConfirmation', plan });
  }
  for (const resource of pending) {
    const former = set.get(resource.reference);
    if (former) states.delete(former);
    states.set(resource, { state: 'WaitsForCheckpoint' });
  }
  const policies = [...states].map(([resource, state]): PolicyOnNode => {
    const { namespace, name, uid = '', generation = 0 } = resource.reference;
    const acting = set.get(resource.reference);
    const { archives: count, bytes } = (acting && governed.get(acting)) ?? NOTHING;
    return { namespace, name, uid, generation, archives: count, bytes, ...state };
  });
  return { seen: planned === set ? seenDigest(stored) : null, policies: policies.sort(byWeight) };
}

interface Sum {
  archives: number;
  bytes: number;
}

const NOTHING: Sum = { archives: 0, bytes: 0 };

/** How many archives each resource has a say in, counted anew only where something has changed. */
export class GovernedArchives {
  readonly #archives: () => Iterable<Archive>;
  #known: { readonly set: PolicySet; readonly sums: ReadonlyMap<PolicyResource, Sum> } | null = null;
  #changes = 0;

  constructor(archives: () => Iterable<Archive>) {
    this.#archives = archives;
  }

  /** The archives are not the same any more. */
  changed(): void {
    this.#known = null;
    this.#changes += 1;
  }

  async by(set: PolicySet): Promise<ReadonlyMap<PolicyResource, Sum>> {
    if (this.#known?.set === set) return this.#known.sums;
    const changes = this.#changes;
    const sums = await governedBy(set, this.#archives());
    if (changes === this.#changes) this.#known = { set, sums };
    return sums;
  }
}

/** An administrator's and a tenant's resource may both govern one archive. */
async function governedBy(set: PolicySet, archives: Iterable<Archive>): Promise<Map<PolicyResource, Sum>> {
  const sums = new Map<PolicyResource, Sum>();
  const owners = new Owners(set);
  const pace = new Pace();
  const count = (resource: PolicyResource | undefined, bytes: number) => {
    if (resource === undefined) return;
    const sum = sums.get(resource) ?? { archives: 0, bytes: 0 };
    sum.archives += 1;
    sum.bytes += bytes;
    sums.set(resource, sum);
  };
  for (const { identity, bytes } of archives) {
    if (pace.due()) await pace.rest();
    if (identity === null) {
      count(set.unidentified ?? undefined, bytes);
      continue;
    }
    const { administrator, tenant } = owners.of(identity).governing;
    count(administrator?.resource, bytes);
    if (tenant?.resource !== administrator?.resource) count(tenant?.resource, bytes);
  }
  return sums;
}

const RANK: Readonly<Record<PolicyState, number>> = {
  WaitsForConfirmation: 0,
  WaitsForCheckpoint: 1,
  OtherDirectory: 2,
  Planning: 3,
  Acting: 4,
};

function byWeight(one: PolicyOnNode, other: PolicyOnNode): number {
  const byRank = RANK[one.state] - RANK[other.state];
  if (byRank !== 0) return byRank;
  return other.bytes - one.bytes || (resourceKey(one) < resourceKey(other) ? -1 : 1);
}
