import { PolicySet, resourceKey } from './govern.ts';
import type { PolicyResource, ResourceReference } from './types.ts';

/** All resources of a cluster, by the directory that they are for. */
export class PolicyCatalog {
  readonly #sets = new Map<string, PolicySet>();
  readonly #directoryOf = new Map<string, string>();

  constructor(resources: Iterable<PolicyResource> = []) {
    for (const resource of resources) this.put(resource);
  }

  get size(): number {
    return this.#directoryOf.size;
  }

  put(resource: PolicyResource): void {
    const key = resourceKey(resource.reference);
    const former = this.#directoryOf.get(key);
    if (former !== undefined && former !== resource.directory) this.remove(resource.reference);
    this.#directoryOf.set(key, resource.directory);
    const set = this.#sets.get(resource.directory) ?? new PolicySet();
    set.put(resource);
    this.#sets.set(resource.directory, set);
  }

  remove(reference: ResourceReference): void {
    const key = resourceKey(reference);
    const directory = this.#directoryOf.get(key);
    if (directory === undefined) return;
    this.#directoryOf.delete(key);
    const set = this.#sets.get(directory);
    set?.remove(reference);
    if (set?.size === 0) this.#sets.delete(directory);
  }

  /** The policies for one directory; an empty set where there are none. */
  of(directory: string): PolicySet {
    return this.#sets.get(directory) ?? new PolicySet();
  }

  directories(): Iterable<string> {
    return this.#sets.keys();
  }

  *resources(): Iterable<PolicyResource> {
    for (const set of this.#sets.values()) yield* set.resources();
  }
}
