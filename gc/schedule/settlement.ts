import type { Archive, Instant } from '../../policy/types.ts';
import { type Container, isNamedFor, isSame, startOf } from '../door/container.ts';
import type { Ordered } from '../door/order.ts';
import type { Refusal } from '../door/refusal.ts';
import type { Pending, Remembered, ScheduleMemory } from './memory.ts';
import { meaningOf, waitMs } from './outcome.ts';
import type { RunnerParts } from './runner.ts';
import type { Wish } from './wishes.ts';

type SettlementParts = Pick<
  RunnerParts,
  'orders' | 'directory' | 'memories' | 'madeBy' | 'crossings' | 'telling' | 'clock' | 'random' | 'onMade'
>;

/** File names tell a second. */
const SECOND = 1_000;
/** A runtime was seen to work on for five seconds after its caller had gone. A pod that ends waits for no more. */
const URGENT_LOST_MS = 5_000;
const URGENT_AGAIN_MS = 250;

/** Writes down what has become of checkpoints: by the door's answer, or later by the ledger and the directory. */
export class Settlement {
  readonly #parts: SettlementParts;
  #isWaiting = false;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** Whether nobody knows yet what has become of some checkpoint. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** The door has answered. */
  ended(wish: Wish, { refusal, notes }: Ordered): void {
    const { memories, crossings, telling } = this.#parts;
    const { target, urgent } = wish;
    const { remembered, memory } = target;
    const { pending } = remembered;
    memories.touch();
    if (pending === null) return;
    if (refusal === null) {
      crossings.clear(target);
      this.#taken(memory, remembered, target.key, pending, notes.file ?? '');
      return;
    }
    const meaning = meaningOf(refusal.code);
    // It stays written down until the ledger knows.
    if (meaning === 'unknown') {
      telling.unknown(target, refusal);
      return;
    }
    remembered.pending = null;
    if (meaning === 'cancelled') return;
    this.#put(wish, refusal, urgent);
  }

  #put(wish: Wish, refusal: Refusal, urgent: boolean): void {
    const { clock, random, telling } = this.#parts;
    const { target, next, trigger } = wish;
    const { remembered, memory } = target;
    const now = clock.now();
    const meaning = meaningOf(refusal.code);
    if (meaning === 'waits') {
      // Of what runs already the lanes know; a pod that ends cannot wait for as long as the door would have it.
      const ms = refusal.code === 'concurrency' ? 0 : (refusal.fields.retryAfterSeconds ?? 1) * SECOND;
      remembered.notBefore = now + (urgent ? URGENT_AGAIN_MS : ms);
      if (urgent) remembered.tries += 1;
      telling.waits(trigger);
      return;
    }
    remembered.failures += 1;
    if (urgent) remembered.tries += 1;
    memory.counts.failed += 1;
    remembered.error = { at: now, code: refusal.code, message: refusal.message };
    if (urgent && meaning === 'final') remembered.disrupted = true;
    const again = now + waitMs(urgent ? remembered.tries : remembered.failures, urgent, random());
    // The next run is another one, and is tried at its time.
    remembered.notBefore = next === null ? again : Math.min(again, next);
    telling.failed(target, trigger, refusal);
  }

  /** Looks whether it is known by now what has become of those without an answer. @param isRunning by key. */
  settle(isRunning: (key: string) => boolean): void {
    const { memories, orders, directory, clock, random, telling } = this.#parts;
    this.#isWaiting = false;
    for (const { uid, memory, key, remembered, pending } of memories.pending()) {
      if (isRunning(`${uid}/${key}`)) continue;
      this.#isWaiting = true;
      if (!directory.state.ok) continue;
      const named = { namespace: remembered.namespace, pod: remembered.pod, container: containerIn(key) };
      const archive = this.#archiveOf(named, pending);
      if (archive !== null) {
        this.#taken(memory, remembered, key, pending, archive.file);
        continue;
      }
      if (this.#isBeingWritten(named, pending)) continue;
      const urgent = isDisruption(pending);
      const patient = !urgent || clock.now() - pending.at < URGENT_LOST_MS;
      if (patient && orders.mayStillCome(named, pending.at)) continue;
      remembered.pending = null;
      remembered.failures += 1;
      memory.counts.failed += 1;
      const message = `nothing came of a checkpoint of ${named.namespace}/${named.pod}/${named.container} whose end nobody saw`;
      remembered.error = { at: clock.now(), code: 'lost', message };
      remembered.notBefore = clock.now() + (urgent ? 0 : waitMs(remembered.failures, false, random()));
      memories.touch();
      telling.lost(memory, pending.trigger, message);
    }
  }

  #taken(
    memory: ScheduleMemory,
    remembered: Remembered,
    key: string,
    { trigger, slot, annotation }: Pending,
    file: string,
  ): void {
    const { clock, madeBy, memories, telling } = this.#parts;
    const now = clock.now();
    const wasFailing = remembered.error !== null;
    remembered.pending = null;
    remembered.failures = 0;
    remembered.notBefore = null;
    remembered.error = null;
    memory.lastTaken = { at: now, trigger, file };
    if (slot !== null) {
      remembered.lastSlot = slot;
      telling.late(now - slot);
    }
    if (annotation !== null) remembered.annotation = annotation;
    if (isDisruption({ trigger })) remembered.disrupted = true;
    memory.counts.taken += 1;
    memories.touch();
    if (file !== '') {
      madeBy.add(file, memory.name, now);
      this.#parts.onMade?.(file);
    }
    const { namespace, pod } = remembered;
    telling.taken(memory, { namespace, pod, container: containerIn(key) }, trigger, file, wasFailing);
  }

  /** Whether a file is there that has the container's name and does not stand still yet. */
  #isBeingWritten(container: Container, { at }: Pending): boolean {
    for (const archive of this.#parts.directory.archives()) {
      if (archive.state !== 'growing' || beganAt(archive) < secondOf(at)) continue;
      if (isNamedFor(archive.file, container)) return true;
    }
    return false;
  }

  /** The first archive of the container that was begun since, and is nobody else's. */
  #archiveOf(container: Container, { at }: Pending): Archive | null {
    const { directory, madeBy } = this.#parts;
    const since = secondOf(at);
    const found = directory
      .archivesOf(container.namespace, container.pod)
      .filter(({ identity }) => identity !== null && isSame(identity, container))
      .filter((archive) => beganAt(archive) >= since && madeBy.of(archive.file) === undefined)
      .sort((one, other) => beganAt(one) - beganAt(other));
    return found[0] ?? null;
  }
}

function secondOf(at: Instant): Instant {
  return Math.floor(at / SECOND) * SECOND;
}

function beganAt({ file, modifiedAt }: Archive): Instant {
  return startOf(file) ?? modifiedAt;
}

function containerIn(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function isDisruption({ trigger }: Pick<Pending, 'trigger'>): boolean {
  return trigger === 'NodeDrain' || trigger === 'PodEviction' || trigger === 'Preemption';
}
