import type { NodeFacts, PolicyFacts } from '../../policy/node-facts.ts';
import { HEARTBEAT_MS } from '../../policy/node-schema.ts';
import type { NodesOfPolicy } from '../../policy/standing.ts';
import type { Instant } from '../../policy/types.ts';

/** Three writes in a row that did not come. */
const SILENT_MS = 3 * HEARTBEAT_MS;
/** Nodes not heard of that are named. */
const MOST_NAMES = 4;

/** What all nodes say of policies, by policy: a node that says something new costs what it says. */
export class NodeBoard {
  readonly #nodes = new Map<string, NodeFacts>();
  readonly #byPolicy = new Map<string, Map<string, PolicyFacts>>();

  get size(): number {
    return this.#nodes.size;
  }

  /** Takes in what there is now. */
  take(nodes: Iterable<NodeFacts>): void {
    const there = new Set<string>();
    for (const node of nodes) {
      there.add(node.name);
      const former = this.#nodes.get(node.name);
      if (former === node) continue;
      if (former) this.#forget(former);
      this.#nodes.set(node.name, node);
      for (const [uid, facts] of node.policies) {
        const named = this.#byPolicy.get(uid) ?? new Map<string, PolicyFacts>();
        this.#byPolicy.set(uid, named.set(node.name, facts));
      }
    }
    for (const [name, node] of this.#nodes) {
      if (there.has(name)) continue;
      this.#forget(node);
      this.#nodes.delete(name);
    }
  }

  /**
   * @param seen the digest of all policies as they are.
   * @returns what there is to say of a policy, by its UID.
   */
  view(seen: string, now: Instant): (uid: string) => NodesOfPolicy {
    const silentNames: string[] = [];
    const current = new Set<string>();
    for (const node of this.#nodes.values()) {
      if (!isAlive(node, now)) silentNames.push(node.name);
      else if (node.seen === seen && node.namesAllWaiting) current.add(node.name);
    }
    const silent = new Set(silentNames);
    const counts = {
      alive: this.#nodes.size - silent.size,
      silent: silent.size,
      silentNames: silentNames.sort().slice(0, MOST_NAMES),
    };
    return (uid) => {
      const named = Array.from(this.#byPolicy.get(uid) ?? [], ([node, facts]) => {
        return { node, isAlive: !silent.has(node), facts };
      });
      const unnamed = named.reduce((left, { node }) => left - Number(current.has(node)), current.size);
      return { ...counts, unnamed, named };
    };
  }

  #forget({ name, policies }: NodeFacts): void {
    for (const uid of policies.keys()) {
      const named = this.#byPolicy.get(uid);
      named?.delete(name);
      if (named?.size === 0) this.#byPolicy.delete(uid);
    }
  }
}

/** One that has looked at nothing yet has only begun. */
function isAlive({ scannedAt }: NodeFacts, now: Instant): boolean {
  return scannedAt === null || now - scannedAt < SILENT_MS;
}
