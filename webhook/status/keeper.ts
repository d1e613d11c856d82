import type { PolicyStatusWriter } from '../../kube/policy-status.ts';
import type { Log } from '../../kube/types.ts';
import type { PolicyCatalog } from '../../policy/catalog.ts';
import type { JsonObject } from '../../policy/json.ts';
import type { NodeFacts } from '../../policy/node-facts.ts';
import { conditionStatus, essenceOfStatus, graveOfStatus, policyStatus } from '../../policy/policy-status.ts';
import { overruled } from '../../policy/precedence.ts';
import { standing, type Verdict } from '../../policy/standing.ts';
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
/** What time alone changes: a node that is not heard of. */
const LOOK_MS = 60_000;
/** What the API server has not taken, or has changed at once, is not written again before this. */
const AGAIN_MS = 60_000;
/** Policies judged in one go. */
const AT_ONCE = 50;

/** Failures in a row after which nothing is written for a while. */
const MOST_FAILURES = 3;

interface Tried {
  readonly essence: string;
  readonly at: Instant;
}

/**
 * Writes the status of each policy out of what the nodes say. Every replica does: all see the same, and one that finds
 * written what it would write does nothing.
 */
export class StatusKeeper {
  readonly #options: StatusKeeperOptions;
  readonly #board = new NodeBoard();
  readonly #tried = new Map<string, Tried>();
  #figuresAt: Instant = 0;
  #failures = 0;
  #cancel: (() => void) | null = null;
  #dueAt: Instant = Number.POSITIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: StatusKeeperOptions) {
    this.#options = options;
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
    for (const uid of this.#tried.keys()) if (!there.has(uid)) this.#tried.delete(uid);
    // Each has its turn at the figures that there is room for.
    const triedAt = ({ uid }: StoredPolicy) => this.#tried.get(uid)?.at ?? 0;
    stored.sort((one, other) => triedAt(one) - triedAt(other));
    let nextMs = LOOK_MS;
    for (const [index, policy] of stored.entries()) {
      if (this.#stopped) return LOOK_MS;
      if (index % AT_ONCE === AT_ONCE - 1) await new Promise(setImmediate);
      const { catalog } = this.#options;
      const verdict = standing({
        ...policy,
        overruled: policy.resource ? overruled(policy.resource, catalog()) : [],
        nodes: view(policy.uid),
      });
      const status = policyStatus(verdict, policy.generation, policy.status, now());
      nextMs = Math.min(nextMs, await this.#writeWhereDue(policy, status, verdict.verdicts));
    }
    return nextMs;
  }

  async #writeWhereDue(
    policy: StoredPolicy,
    status: JsonObject,
    verdicts: readonly Verdict[],
  ): Promise<number> {
    const { now } = this.#options;
    const essence = essenceOfStatus(status);
    if (essence === essenceOfStatus(policy.status)) return LOOK_MS;
    const tried = this.#tried.get(policy.uid);
    const since = tried === undefined ? Number.POSITIVE_INFINITY : Math.abs(now() - tried.at);
    const isGrave = graveOfStatus(status) !== graveOfStatus(policy.status);
    const waitMs = Math.max(
      tried?.essence === essence ? AGAIN_MS - since : 0,
      isGrave ? 0 : FIGURES_MS - since,
      isGrave ? 0 : Math.min(this.#figuresAt - now(), LOOK_MS),
    );
    if (waitMs > 0) return waitMs;
    this.#tried.set(policy.uid, { essence, at: now() });
    this.#figuresAt = Math.max(this.#figuresAt, now()) + (this.#board.size / COPIES_A_SECOND) * 1_000;
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
