import { Retentions } from './schedule/retentions.ts';
import type { Authority, Identity, PolicyResource, Rule, Scope } from './types.ts';

/** The rules over one container: an administrator's, and a tenant's that can only tighten it. */
export interface Governing {
  readonly administrator: Rule | null;
  readonly tenant: Rule | null;
}

/** `global`, `namespace/shop`, `pod/shop/cart`, `container/shop/cart/main`. */
export function scopeLabel(scope: Scope): string {
  switch (scope.kind) {
    case 'global':
      return 'global';
    case 'namespace':
      return `namespace/${scope.namespace}`;
    case 'pod':
      return `pod/${scope.namespace}/${scope.pod}`;
    case 'container':
      return `container/${scope.namespace}/${scope.pod}/${scope.container}`;
  }
}

/** The scopes that hold a container, narrowest first. */
function scopesOf(identity: Omit<Identity, 'podUid'>): string[] {
  const { namespace, pod, container } = identity;
  return [
    `container/${namespace}/${pod}/${container}`,
    `pod/${namespace}/${pod}`,
    `namespace/${namespace}`,
    'global',
  ];
}

let [podsOf, around]: [namespace: string, labels: readonly string[]] = ['', []];

/** Most rules of a resource are for pods of one namespace: one text for all of them is found by what it is. */
function aroundPods(namespace: string): readonly string[] {
  if (namespace !== podsOf) [podsOf, around] = [namespace, [`namespace/${namespace}`, 'global']];
  return around;
}

/** The scopes around one, by their labels, narrowest first. */
export function broaderLabels(scope: Scope): readonly string[] {
  switch (scope.kind) {
    case 'global':
      return [];
    case 'namespace':
      return ['global'];
    case 'pod':
      return aroundPods(scope.namespace);
    case 'container':
      return [`pod/${scope.namespace}/${scope.pod}`, `namespace/${scope.namespace}`, 'global'];
  }
}

export function resourceKey(reference: PolicyResource['reference']): string {
  return `${reference.namespace}/${reference.name}`;
}

/** The older resource is senior; of two made in one second the one whose name comes first. */
export function seniority(one: PolicyResource, other: PolicyResource): number {
  const [oneKey, otherKey] = [resourceKey(one.reference), resourceKey(other.reference)];
  return one.createdAt - other.createdAt || (oneKey < otherKey ? -1 : oneKey > otherKey ? 1 : 0);
}

/** A tenant's word holds for the namespace of his resource, whatever it says. */
function mayGovern({ authority, reference }: PolicyResource, { scope }: Rule): boolean {
  if (authority === 'administrator') return true;
  return scope.kind !== 'global' && scope.namespace === reference.namespace;
}

const NO_RULES: readonly Rule[] = [];

/**
 * The policies for one directory, indexed by target: a look-up and a change cost the same with five policies and
 * with five thousand.
 */
export class PolicySet {
  readonly #resources = new Map<string, PolicyResource>();
  /** All rules of one target, the senior first; only that one acts. */
  readonly #byTarget: Readonly<Record<Authority, Map<string, Rule[]>>> = {
    administrator: new Map(),
    tenant: new Map(),
  };
  readonly #unidentified = new Map<string, PolicyResource>();
  /** What schedules keep of the archives that they had made. */
  readonly retentions: Retentions;

  constructor(resources: Iterable<PolicyResource> = [], retentions = new Retentions()) {
    this.retentions = retentions;
    for (const resource of resources) this.put(resource);
  }

  get size(): number {
    return this.#resources.size;
  }

  resources(): Iterable<PolicyResource> {
    return this.#resources.values();
  }

  get(reference: PolicyResource['reference']): PolicyResource | undefined {
    return this.#resources.get(resourceKey(reference));
  }

  /** Adds a resource, or takes it in the place of the one of that name. */
  put(resource: PolicyResource): void {
    const former = this.get(resource.reference);
    if (former !== undefined && !this.#exchange(former, resource)) this.remove(resource.reference);
    else if (former !== undefined) return;
    this.#resources.set(resourceKey(resource.reference), resource);
    const byTarget = this.#byTarget[resource.authority];
    for (const rule of resource.rules) {
      if (!mayGovern(resource, rule)) continue;
      const label = scopeLabel(rule.scope);
      const rules = byTarget.get(label) ?? [];
      // Of two rules of one resource the first stays first.
      const index = rules.findLastIndex((each) => seniority(each.resource, resource) <= 0);
      rules.splice(index + 1, 0, rule);
      byTarget.set(label, rules);
    }
    if (resource.unidentified && resource.authority === 'administrator') {
      this.#unidentified.set(resourceKey(resource.reference), resource);
    }
  }

  /**
   * Takes a resource in the place of one for the same targets, each of which is its alone, as when it is applied again:
   * to take rules out of the index and put others in costs more than to judge them.
   * @returns false where it cannot be done so; then nothing has changed.
   */
  #exchange(former: PolicyResource, resource: PolicyResource): boolean {
    const { authority, rules } = resource;
    if (former.authority !== authority || former.rules.length !== rules.length) return false;
    if ((former.unidentified ?? resource.unidentified) !== undefined) return false;
    const byTarget = this.#byTarget[authority];
    const slots: Rule[][] = [];
    for (const [index, rule] of rules.entries()) {
      const slot = byTarget.get(scopeLabel(rule.scope));
      if (slot?.length !== 1 || slot[0] !== former.rules[index]) return false;
      slots.push(slot);
    }
    for (const [index, rule] of rules.entries()) slots[index]?.splice(0, 1, rule);
    this.#resources.set(resourceKey(resource.reference), resource);
    return true;
  }

  remove(reference: PolicyResource['reference']): void {
    const resource = this.#resources.get(resourceKey(reference));
    if (resource === undefined) return;
    this.#resources.delete(resourceKey(reference));
    const byTarget = this.#byTarget[resource.authority];
    for (const rule of resource.rules) {
      const label = scopeLabel(rule.scope);
      const rest = (byTarget.get(label) ?? []).filter((each) => each.resource !== resource);
      if (rest.length > 0) byTarget.set(label, rest);
      else byTarget.delete(label);
    }
    this.#unidentified.delete(resourceKey(reference));
  }

  /** The exact container policy, else the pod's, else the namespace's, else the global one; by authority. */
  governing(identity: Omit<Identity, 'podUid'>): Governing {
    const scopes = scopesOf(identity);
    return { administrator: this.#first('administrator', scopes), tenant: this.#first('tenant', scopes) };
  }

  /** The administrator's rule over a container, which a tenant's can only tighten. */
  ruling(identity: Omit<Identity, 'podUid'>): Rule | null {
    return this.#byTarget.administrator.size === 0 ? null : this.#first('administrator', scopesOf(identity));
  }

  /** Every rule for one target, which its label names, the one that acts first. */
  rulesFor(label: string, authority: Authority): readonly Rule[] {
    return this.#byTarget[authority].get(label) ?? NO_RULES;
  }

  /** The resource whose `spec.unidentified` acts. */
  get unidentified(): PolicyResource | null {
    return [...this.#unidentified.values()].sort(seniority)[0] ?? null;
  }

  unidentifiedOwners(): readonly PolicyResource[] {
    return [...this.#unidentified.values()];
  }

  /** The global rule that acts; its resource says what disk pressure is. */
  get global(): Rule | null {
    return this.#first('administrator', ['global']);
  }

  #first(authority: Authority, scopes: readonly string[]): Rule | null {
    for (const scope of scopes) {
      const rule = this.#byTarget[authority].get(scope)?.[0];
      if (rule !== undefined) return rule;
    }
    return null;
  }
}
