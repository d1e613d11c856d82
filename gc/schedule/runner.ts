import type { NodePod } from '../../kube/node-pods.ts';
import { scheduleKey } from '../../policy/schedule/retain.ts';
import type { Schedule } from '../../policy/schedule/types.ts';
import type { Instant } from '../../policy/types.ts';
import type { DirectoryView } from '../door/directory-view.ts';
import type { Order, Ordered } from '../door/order.ts';
import { CallerLeft } from '../door/story.ts';
import type { Clock } from '../system/clock.ts';
import type { Cordon } from './cordon.ts';
import type { Crossings } from './crossings.ts';
import { Lanes } from './lanes.ts';
import type { MadeBy } from './made-by.ts';
import { type ScheduleMemories, uidOf } from './memory.ts';
import { Settlement } from './settlement.ts';
import type { ScheduleTelling } from './telling.ts';
import { askedBy } from './triggers.ts';
import { lookAt, type Target, targetsOf, type Wish } from './wishes.ts';

/** Where checkpoints are asked for: the node's door, as one of its callers. */
export interface Orders {
  order(order: Order): Promise<Ordered>;
  /** Whether an archive may still come of a checkpoint of this container that was begun then or later. */
  mayStillCome(container: { namespace: string; pod: string; container: string }, since: Instant): boolean;
}

export interface RunnerParts {
  /** Null while nobody knows them. */
  readonly schedules: () => readonly Schedule[] | null;
  /** Those of this node; null while nobody knows them. */
  readonly pods: () => readonly NodePod[] | null;
  readonly orders: Orders;
  readonly directory: Pick<DirectoryView, 'state' | 'archives' | 'archivesOf' | 'get'>;
  readonly memories: ScheduleMemories;
  readonly madeBy: MadeBy;
  readonly cordon: Cordon;
  readonly crossings: Crossings;
  readonly telling: ScheduleTelling;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** It is known now that a schedule had this archive made. */
  readonly onMade?: (file: string) => void;
  /** Of those that can wait; default 2. */
  readonly atOnce?: number;
}

/** A checkpoint freezes its container and takes the disk's time: the next one waits. */
const AT_ONCE = 2;
/** However much falls due; also how late a change is seen whose notice was lost. */
const LEAST_SLEEP_MS = 50;
const MOST_SLEEP_MS = 60_000;
/** How often it is asked what has become of a checkpoint that nobody answered for. */
const PENDING_MS = 1_000;
/** Clocks are slewed by less. */
const STEP_MS = 60_000;

/**
 * Takes the checkpoints that schedules ask for of the pods of this node. It is driven by levels: whatever wakes it, it
 * looks at all containers that schedules are about, begins what is due, and sleeps until the next thing falls due.
 */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #settlement: Settlement;
  readonly #lanes: Lanes;
  readonly #stopping = new AbortController();
  /** By schedule and container. */
  readonly #running = new Map<string, Promise<void>>();
  #targets: readonly Target[] = [];
  #nextRuns: ReadonlyMap<string, Instant> = new Map();
  #cancel: (() => void) | null = null;
  #ticking = false;
  #offset: number;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts.atOnce ?? AT_ONCE);
    this.#settlement = new Settlement(parts);
    this.#offset = parts.clock.now() - parts.clock.elapsed();
  }

  /** All containers that schedules are about, as they were last seen. */
  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** When the next one of each schedule falls due, by its UID. */
  get nextRuns(): ReadonlyMap<string, Instant> {
    return this.#nextRuns;
  }

  /** How many checkpoints are under way. */
  get running(): number {
    return this.#running.size;
  }

  /** Something may have changed. */
  wake(): void {
    if (this.#stopping.signal.aborted || this.#ticking) return;
    // Changes that come together are looked at once.
    this.#ticking = true;
    queueMicrotask(() => {
      this.#ticking = false;
      this.#tick();
    });
  }

  /** Begins nothing more; what waits for its turn is given up, and what the kubelet is at is waited for. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CallerLeft('the collector ends'));
    this.#cancel?.();
    await Promise.allSettled(this.#running.values());
    this.#save();
  }

  #tick(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#stopping.signal.aborted) return;
    const { schedules, pods, clock, memories, telling, crossings } = this.#parts;
    this.#watchClock();
    const now = clock.now();
    const [known, own] = [schedules(), pods()];
    if (known === null || own === null) {
      this.#sleepUntil(now + MOST_SLEEP_MS);
      return;
    }
    this.#settlement.settle((key) => this.#running.has(key));
    this.#targets = [...targetsOf(known, own, memories, now)];
    this.#forget(known, own);
    crossings.wake();
    const { wishes, next } = this.#look(now);
    const waiting = this.#begin(wishes, now);
    this.#save();
    telling.changed(this.#targets, wishes.length);
    const pending = this.#settlement.isWaiting ? now + PENDING_MS : null;
    const dues = [...next, ...waiting, ...(pending === null ? [] : [pending])];
    this.#sleepUntil(Math.min(now + MOST_SLEEP_MS, ...dues));
  }

  #look(now: Instant): { readonly wishes: Wish[]; readonly next: Instant[] } {
    const { memories, telling, cordon, crossings } = this.#parts;
    const wishes: Wish[] = [];
    const next = new Map<string, Instant>();
    const asking = new Map<string, NodePod>();
    const sight = {
      isCordoned: (uid: string) => cordon.isCordoned(uid),
      crossed: (target: Target) => crossings.of(target),
    };
    for (const target of this.#targets) {
      const { remembered, pod } = target;
      if (remembered.annotation !== null && askedBy(pod) === null) {
        remembered.annotation = null;
        memories.touch();
      }
      const look = lookAt(target, sight, now);
      if (look.asksNode) asking.set(pod.uid, pod);
      if (look.dropped !== undefined) {
        remembered.lastSlot = look.dropped;
        target.memory.counts.dropped += 1;
        memories.touch();
        telling.dropped(target, look.dropped);
      }
      if (look.next !== null) {
        const uid = uidOf(target.schedule);
        next.set(uid, Math.min(next.get(uid) ?? look.next, look.next));
      }
      if (look.wish !== null) wishes.push(look.wish);
    }
    cordon.ask([...asking.values()]);
    this.#nextRuns = next;
    return { wishes: wishes.sort(inTurn), next: [...next.values()] };
  }

  /** @returns when places may be free again that no end of a checkpoint tells of. */
  #begin(wishes: readonly Wish[], now: Instant): Instant[] {
    const waiting = new Set<string>();
    const again: Instant[] = [];
    // Two schedules may want the same container: the one that comes first has it, and the other comes after it.
    const taken = new Set([...this.#running.keys()].map(containerOf));
    for (const wish of wishes) {
      const { pod, key } = wish.target;
      if (taken.has(key)) continue;
      const leave = this.#lanes.enter(pod.namespace, wish.urgent, now);
      if (leave === null) {
        waiting.add(pod.namespace);
        const next = this.#lanes.nextAt(pod.namespace, now);
        if (next !== null) again.push(next);
        continue;
      }
      taken.add(key);
      this.#start(wish, leave, now);
    }
    this.#lanes.forget((namespace) => waiting.has(namespace));
    return again;
  }

  /** It is written down before anybody is asked, so that no later process asks once more. */
  #start(wish: Wish, leave: () => void, now: Instant): void {
    const { memories } = this.#parts;
    const { target, trigger, slot, annotation } = wish;
    target.remembered.pending = { trigger, slot, annotation, at: now };
    memories.touch();
    memories.save();
    const key = `${uidOf(target.schedule)}/${target.key}`;
    const running = this.#order(wish, leave).finally(() => {
      this.#running.delete(key);
      this.wake();
    });
    this.#running.set(key, running);
  }

  async #order(wish: Wish, leave: () => void): Promise<void> {
    const { orders, clock } = this.#parts;
    const { target, urgent } = wish;
    const { pod, container, schedule } = target;
    const { namespace, name } = pod;
    try {
      const ordered = await orders.order({
        asked: {
          ...{ namespace, pod: name, container: container.name, facts: container },
          // A static pod's archives carry the hash of its manifest.
          podUid: pod.configHash ?? pod.uid,
          timeoutSeconds: undefined,
        },
        pod,
        user: { username: `schedule ${scheduleKey(schedule)}` },
        from: 'this collector',
        signal: this.#stopping.signal,
      });
      const code = ordered.refusal?.code;
      if (code === 'concurrency') this.#lanes.full(namespace, urgent, clock.now());
      this.#settlement.ended(wish, ordered);
    } finally {
      leave();
    }
    this.#save();
  }

  #forget(schedules: readonly Schedule[], pods: readonly NodePod[]): void {
    const { memories, cordon, madeBy, directory, clock } = this.#parts;
    const podUids = new Set(pods.map(({ uid }) => uid));
    const uids = new Set(schedules.map(uidOf));
    memories.retain(
      (uid) => uids.has(uid),
      (uid) => podUids.has(uid),
    );
    cordon.retain((uid) => podUids.has(uid));
    if (directory.state.ok) madeBy.retain((file) => directory.get(file) !== null, clock.now());
  }

  /** What a step of the clock has skipped is not made up: it would all be due at once. */
  #watchClock(): void {
    const { clock, memories, telling } = this.#parts;
    const offset = clock.now() - clock.elapsed();
    const step = offset - this.#offset;
    this.#offset = offset;
    if (Math.abs(step) <= STEP_MS) return;
    memories.distrust(clock.now());
    telling.clockSet(step);
  }

  #save(): void {
    this.#parts.memories.save();
    this.#parts.madeBy.save();
  }

  #sleepUntil(at: Instant): void {
    const { clock } = this.#parts;
    const ms = Math.min(Math.max(LEAST_SLEEP_MS, at - clock.now()), MOST_SLEEP_MS);
    this.#cancel = clock.after(ms, () => {
      this.#cancel = null;
      this.wake();
    });
  }
}

/** What does not wait first, then by the time at which it was due. */
function inTurn(one: Wish, other: Wish): number {
  if (one.urgent !== other.urgent) return one.urgent ? -1 : 1;
  return (one.slot ?? 0) - (other.slot ?? 0);
}

/** `podUid/container` of a key with a schedule in front; a UID holds no slash, but a name in its place does. */
function containerOf(key: string): string {
  return key.split('/').slice(-2).join('/');
}
