import type { NodeFacts, PolicyFacts } from '../../policy/node-facts.ts';
import { HEARTBEAT_MS } from '../../policy/node-schema.ts';
import type { NodesOfPolicy } from '../../policy/standing.ts';
import type { Instant } from '../../policy/types.ts';

/** Three writes in a row that did not come. */
const SILENT_MS = 3 * HEARTBEAT_MS;
const JOINING_MS = 10 * 60_000;
/** Before all versions. */
const NEVER = -1;
/** Nodes not heard of that are named. */
const MOST_NAMES = 4;

/** What is to be said of policies at one moment. */
export interface BoardView {
  /** Changes where something does that every policy is judged by. */
  readonly key: string;
  /** Changes with what single nodes say of a policy, by its UID. */
  revision(uid: string): number;
  /**
   * What there is to say of a policy, by its UID.
   * @param changedAt when this version of it came, or 0 where it was in force at the start: a node that went by all
   *   policies at a later time, and takes in others now, goes by this one.
   */
  of(uid: string, changedAt: Instant): NodesOfPolicy;
}

/** What all nodes say of policies, by policy: a node that says something new costs what it says. */
export class NodeBoard {
  readonly #nodes = new Map<string, NodeFacts>();
  readonly #byPolicy = new Map<string, Map<string, PolicyFacts>>();
  readonly #revisions = new Map<string, number>();
  /** When a node last went by all policies as they were. */
  readonly #currentAt = new Map<string, Instant>();
  readonly #startedAt: Instant;
  #takes = 0;

  constructor(now: Instant) {
    this.#startedAt = now;
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Takes in what there is now. */
  take(nodes: Iterable<NodeFacts>): void {
    this.#takes += 1;
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
        this.#revisions.set(uid, this.#takes);
      }
    }
    for (const [name, node] of this.#nodes) {
      if (there.has(name)) continue;
      this.#forget(node);
      this.#nodes.delete(name);
      this.#currentAt.delete(name);
    }
  }

  /** @param seen the digest of all policies as they are. */
  view(seen: string, now: Instant): BoardView {
    const [current, lagging, silent] = [new Set<string>(), new Map<string, Instant>(), new Set<string>()];
    let joining = 0;
    for (const node of this.#nodes.values()) {
      const { name, namesAllWaiting } = node;
      if (!isAlive(node, now)) silent.add(name);
      else if (node.seen === seen) {
        this.#currentAt.set(name, now);
        if (namesAllWaiting) current.add(name);
      } else if (isJoining(node, now) && !this.#currentAt.has(name)) joining += 1;
      else if (namesAllWaiting) lagging.set(name, this.#currentAt.get(name) ?? this.#presumed(node));
    }
    const silentNames = [...silent].sort();
    const alive = this.#nodes.size - silent.size - joining;
    const since = [...lagging.values()].sort((one, other) => one - other);
    const counts = { alive, silent: silent.size, silentNames: silentNames.slice(0, MOST_NAMES) };
    return {
      key: JSON.stringify([seen, alive, current.size, silentNames, since.length, since.at(0), since.at(-1)]),
      revision: (uid) => this.#revisions.get(uid) ?? 0,
      of: (uid, changedAt) => {
        const named = Array.from(this.#byPolicy.get(uid) ?? [], ([node, facts]) => {
          return { node, isAlive: !silent.has(node), facts };
        });
        const goesByIt = (node: string) => current.has(node) || (lagging.get(node) ?? NEVER) >= changedAt;
        const all = current.size + countFrom(since, changedAt);
        const unnamed = named.reduce((left, { node }) => left - Number(goesByIt(node)), all);
        return { ...counts, unnamed, named };
      },
    };
  }

  /** Of a node that lags since before this began, the status of each policy says what it has taken in. */
  #presumed({ createdAt }: NodeFacts): Instant {
    return createdAt < this.#startedAt ? 0 : NEVER;
  }

  #forget({ name, policies }: NodeFacts): void {
    for (const uid of policies.keys()) {
      this.#revisions.set(uid, this.#takes);
      const named = this.#byPolicy.get(uid);
      named?.delete(name);
      if (named?.size === 0) this.#byPolicy.delete(uid);
    }
  }
}

/** How many of these, which are sorted, are no less. */
function countFrom(sorted: readonly number[], least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return sorted.length - low;
}

/** A node that has come takes in the policies; for a while it is not missing anywhere. */
function isJoining({ createdAt }: NodeFacts, now: Instant): boolean {
  return now - createdAt < JOINING_MS;
}

/** One that has looked at nothing yet has only begun. */
function isAlive({ scannedAt }: NodeFacts, now: Instant): boolean {
  return scannedAt === null || now - scannedAt < SILENT_MS;
}
