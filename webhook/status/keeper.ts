import type { PolicyStatusWriter } from '../../kube/policy-status.ts';
import type { Log } from '../../kube/types.ts';
import type { PolicyCatalog } from '../../policy/catalog.ts';
import type { JsonObject } from '../../policy/json.ts';
import type { NodeFacts } from '../../policy/node-facts.ts';
import { conditionStatus, essenceOfStatus, graveOfStatus, policyStatus } from '../../policy/policy-status.ts';
import { overruled } from '../../policy/precedence.ts';
import { type NodesOfPolicy, standing, type Verdict } from '../../policy/standing.ts';
import type { Instant } from '../../policy/types.ts';
import { seenDigest } from '../../source/seen.ts';
import type { StoredPolicy } from '../../source/source.ts';
import { NodeBoard } from './node-board.ts';

export type StatusWrite = 'written' | 'outdated' | 'failed';

export interface StatusKeeperOptions {
  readonly policies: {
    stored(): Iterable<StoredPolicy>;
    isFresh(): boolean;
  };
  /** Those in force, to see who stands in whose way. */
  readonly catalog: () => PolicyCatalog;
  readonly nodes: { values(): Iterable<NodeFacts>; isFresh(): boolean };
  readonly writer: PolicyStatusWriter;
  readonly now: () => Instant;
  /** Calls back after that many milliseconds. @returns a function that forgets it. */
  readonly after: (ms: number, act: () => void) => () => void;
  /** 0 to 1: so that two replicas do not write at one moment. */
  readonly random: () => number;
  /** Each write. */
  readonly onWrite: (outcome: StatusWrite) => void;
  /** A condition was written that says otherwise than before. */
  readonly onTurn?: (policy: StoredPolicy, verdict: Verdict) => void;
  readonly log: Log;
}

/** What comes together is written together; a second replica sees what the first has written. */
const GATHER_MS = 1_000;
const SPREAD_MS = 3_000;
/** Figures of one policy. */
const FIGURES_MS = 10_000;
/**
 * Each write of a policy goes to every collector that watches it. Figures give way so that no more than this many
 * copies a second are sent, however many nodes there are.
 */
const COPIES_A_SECOND = 250;
/** What people wait for may be ten times as much, and some of it at once; what somebody has just edited comes first. */
const GRAVE_COPIES_A_SECOND = 2_500;
const GRAVE_BURST_MS = 10_000;
/** What time alone changes: a node that is not heard of. */
const LOOK_MS = 60_000;
/** What the API server has not taken, or has changed at once, is not written again before this. */
const AGAIN_MS = 60_000;
/** Milliseconds of judging in one go: reviews wait meanwhile. */
const HOLD_MS = 2;

/** Failures in a row after which nothing is written for a while. */
const MOST_FAILURES = 3;

interface Tried {
  readonly essence: string;
  readonly at: Instant;
}

interface Settled {
  readonly policy: StoredPolicy;
  readonly key: string;
  readonly revision: number;
}

/**
 * Writes the status of each policy out of what the nodes say. Every replica does: all see the same, and one that finds
 * written what it would write does nothing.
 */
export class StatusKeeper {
  readonly #options: StatusKeeperOptions;
  readonly #board: NodeBoard;
  readonly #tried = new Map<string, Tried>();
  /** What a policy was judged by when there was nothing to write: as long as it is so, nothing is. */
  #settled = new Map<string, Settled>();
  /** Since when which version of a policy is there; 0 where it was in force at the start. */
  readonly #versions = new Map<string, { readonly generation: number; readonly at: Instant }>();
  #figuresAt: Instant = 0;
  #graveAt: Instant = 0;
  #failures = 0;
  #cancel: (() => void) | null = null;
  #dueAt: Instant = Number.POSITIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: StatusKeeperOptions) {
    this.#options = options;
    this.#board = new NodeBoard(options.now());
  }

  /** Something may have changed. */
  wake(): void {
    this.#lookIn(GATHER_MS + SPREAD_MS * this.#options.random());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#looking;
  }

  #lookIn(ms: number): void {
    if (this.#stopped) return;
    const { now, after } = this.#options;
    const dueAt = now() + ms;
    if (this.#dueAt <= dueAt && this.#cancel !== null) return;
    this.#cancel?.();
    this.#dueAt = dueAt;
    this.#cancel = after(ms, () => {
      this.#cancel = null;
      // One at a time; what has changed meanwhile is seen in the next.
      this.#looking = (this.#looking ?? Promise.resolve()).then(() => this.#look());
    });
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    const { policies, nodes, log } = this.#options;
    let nextMs = LOOK_MS;
    try {
      // What was so a while ago is not to be told as if it were so now.
      if (policies.isFresh() && nodes.isFresh()) nextMs = await this.#writeAll();
    } catch (err) {
      if (this.#failures === 0) log.error({ err }, 'the status of policies cannot be worked out');
      nextMs = AGAIN_MS;
    }
    this.#lookIn(nextMs);
  }

  /** @returns after how many milliseconds there is more to do. */
  async #writeAll(): Promise<number> {
    const { policies, nodes, now } = this.#options;
    this.#board.take(nodes.values());
    const stored = [...policies.stored()];
    const view = this.#board.view(seenDigest(stored), now());
    const there = new Set(stored.map(({ uid }) => uid));
    for (const known of [this.#tried, this.#versions]) {
      for (const uid of known.keys()) if (!there.has(uid)) known.delete(uid);
    }
    // Each has its turn at what there is room for, what was edited before the rest.
    const rank = ({ uid, status, generation }: StoredPolicy) =>
      status.observedGeneration === generation ? (this.#tried.get(uid)?.at ?? 0) : -1;
    stored.sort((one, other) => rank(one) - rank(other));
    const settled = new Map<string, Settled>();
    let nextMs = LOOK_MS;
    let restedAt = performance.now();
    for (const policy of stored) {
      if (this.#stopped) return LOOK_MS;
      const judgedBy = { policy, key: view.key, revision: view.revision(policy.uid) };
      if (!isSettled(this.#settled.get(policy.uid), judgedBy)) {
        if (performance.now() - restedAt > HOLD_MS) {
          await new Promise(setImmediate);
          restedAt = performance.now();
        }
        const waitMs = await this.#judge(policy, view.of(policy.uid, this.#changedAt(policy)));
        if (waitMs !== null) {
          nextMs = Math.min(nextMs, waitMs);
          continue;
        }
      }
      settled.set(policy.uid, judgedBy);
    }
    this.#settled = settled;
    return nextMs;
  }

  /** A replica that starts takes from the status what was so: then it says no other than the one that wrote it. */
  #changedAt({ uid, generation, status }: StoredPolicy): Instant {
    const known = this.#versions.get(uid);
    if (known?.generation === generation) return known.at;
    const wasEnforced =
      known === undefined &&
      status.observedGeneration === generation &&
      conditionStatus(status, 'Enforced') === 'True';
    const at = wasEnforced ? 0 : this.#options.now();
    this.#versions.set(uid, { generation, at });
    return at;
  }

  /** @returns null where there is nothing to write, or after how many milliseconds to look again. */
  async #judge(policy: StoredPolicy, nodes: NodesOfPolicy): Promise<number | null> {
    const { now, catalog } = this.#options;
    const { resource } = policy;
    const judged = standing({
      ...policy,
      overruled: resource ? overruled(resource, catalog()) : [],
      nodes,
    });
    const status = policyStatus(judged, policy.generation, policy.status, now());
    if (essenceOfStatus(status) === essenceOfStatus(policy.status)) return null;
    return await this.#writeWhereDue(policy, status, judged.verdicts);
  }

  async #writeWhereDue(
    policy: StoredPolicy,
    status: JsonObject,
    verdicts: readonly Verdict[],
  ): Promise<number> {
    const { now } = this.#options;
    const essence = essenceOfStatus(status);
    const tried = this.#tried.get(policy.uid);
    const since = tried === undefined ? Number.POSITIVE_INFINITY : Math.abs(now() - tried.at);
    const isGrave = graveOfStatus(status) !== graveOfStatus(policy.status);
    const waitMs = Math.max(
      tried?.essence === essence ? AGAIN_MS - since : 0,
      isGrave ? 0 : FIGURES_MS - since,
      Math.min((isGrave ? this.#graveAt - GRAVE_BURST_MS : this.#figuresAt) - now(), LOOK_MS),
    );
    if (waitMs > 0) return waitMs;
    this.#tried.set(policy.uid, { essence, at: now() });
    const copies = this.#board.size * 1_000;
    this.#figuresAt = Math.max(this.#figuresAt, now()) + copies / COPIES_A_SECOND;
    this.#graveAt = Math.max(this.#graveAt, now()) + copies / GRAVE_COPIES_A_SECOND;
    await this.#write(policy, status, verdicts);
    return LOOK_MS;
  }

  async #write(policy: StoredPolicy, status: JsonObject, verdicts: readonly Verdict[]): Promise<void> {
    const { writer, onWrite, onTurn, log } = this.#options;
    let isWritten: boolean;
    try {
      isWritten = await writer.write(policy, status);
    } catch (err) {
      onWrite('failed');
      this.#failures += 1;
      const { namespace, name } = policy;
      if (this.#failures === 1)
        log.warn({ err, namespace, name }, 'the status of a policy cannot be written');
      // One may be at fault itself; where nothing can be written the rest waits, too.
      if (this.#failures % MOST_FAILURES === 0) throw err;
      return;
    }
    onWrite(isWritten ? 'written' : 'outdated');
    if (this.#failures > 0) log.info({}, 'the status of policies can be written again');
    this.#failures = 0;
    if (!isWritten) {
      // Its new version comes by the watch.
      this.#tried.delete(policy.uid);
      return;
    }
    for (const verdict of verdicts) {
      if (conditionStatus(policy.status, verdict.type) !== verdict.status) onTurn?.(policy, verdict);
    }
  }
}

function isSettled(former: Settled | undefined, now: Settled): boolean {
  return former?.policy === now.policy && former.key === now.key && former.revision === now.revision;
}
