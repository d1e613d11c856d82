import { crossed } from '../../policy/schedule/select.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from '../system/clock.ts';
import { uidOf } from './memory.ts';
import type { Usage, UsageSource } from './usage.ts';
import type { Target } from './wishes.ts';

export interface CrossingsOptions {
  readonly source: UsageSource;
  readonly clock: Clock;
  /** The containers whose usage schedules ask about. */
  readonly targets: () => readonly Target[];
  /** A bound was crossed. */
  readonly onCrossed: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Percent of the container's limits, of one container as a schedule last saw it. */
interface Before {
  cpu: number | null;
  memory: number | null;
}

/** Looks at what containers use, as often as schedules ask for it, and remembers which bounds were crossed. */
export class Crossings {
  readonly #options: CrossingsOptions;
  /** By schedule and container. */
  readonly #before = new Map<string, Before>();
  readonly #crossed = new Map<string, 'cpu' | 'memory'>();
  /** By schedule. */
  readonly #nextAt = new Map<string, Instant>();
  #cancel: (() => void) | null = null;
  #reading: Promise<void> | null = null;
  #stopped = false;

  constructor(options: CrossingsOptions) {
    this.#options = options;
  }

  of(target: Target): 'cpu' | 'memory' | null {
    return this.#crossed.get(keyOf(target)) ?? null;
  }

  /** It was answered. */
  clear(target: Target): void {
    this.#crossed.delete(keyOf(target));
  }

  /** Schedules or pods may have changed. */
  wake(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#stopped || this.#reading !== null) return;
    const { clock, targets } = this.#options;
    const asked = targets();
    this.#retain(asked);
    if (asked.length === 0) return;
    const now = clock.now();
    const dues = asked.map((target) => {
      const pollMs = target.schedule.triggers.threshold?.pollMs ?? 0;
      // A clock that was set back does not make it wait for longer; an edit acts at once.
      return Math.min(this.#nextAt.get(uidOf(target.schedule)) ?? now, now + pollMs);
    });
    this.#cancel = clock.after(Math.max(0, Math.min(...dues) - now), () => {
      this.#cancel = null;
      this.#reading = this.#read().finally(() => {
        this.#reading = null;
        this.wake();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { source, clock, targets, onCrossed, onFailure } = this.#options;
    const now = clock.now();
    const due = targets().filter(({ schedule }) => (this.#nextAt.get(uidOf(schedule)) ?? now) <= now);
    for (const { schedule } of due) {
      this.#nextAt.set(uidOf(schedule), now + (schedule.triggers.threshold?.pollMs ?? 0));
    }
    let usage: ReadonlyMap<string, Usage>;
    try {
      usage = await source.read();
    } catch (error) {
      onFailure(error);
      return;
    }
    const before = this.#crossed.size;
    for (const target of due) this.#take(target, usage.get(target.key));
    if (this.#crossed.size > before) onCrossed();
  }

  #take(target: Target, usage: Usage | undefined): void {
    const { threshold } = target.schedule.triggers;
    const { memoryLimitBytes, cpuLimitCores } = target.container;
    const key = keyOf(target);
    const before = this.#before.get(key) ?? { cpu: null, memory: null };
    const now = {
      cpu: percentOf(usage?.cpuCores ?? null, cpuLimitCores),
      memory: percentOf(usage?.memoryBytes ?? null, memoryLimitBytes),
    };
    for (const what of ['memory', 'cpu'] as const) {
      const bounds = threshold?.[what];
      const percent = now[what];
      if (bounds !== undefined && percent !== null && crossed(bounds, before[what], percent)) {
        this.#crossed.set(key, what);
      }
    }
    // What could not be measured once does not make the next measure the first one.
    this.#before.set(key, { cpu: now.cpu ?? before.cpu, memory: now.memory ?? before.memory });
  }

  #retain(targets: readonly Target[]): void {
    const keys = new Set(targets.map(keyOf));
    for (const map of [this.#before, this.#crossed]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
    const schedules = new Set(targets.map(({ schedule }) => uidOf(schedule)));
    for (const uid of this.#nextAt.keys()) if (!schedules.has(uid)) this.#nextAt.delete(uid);
  }
}

/** A container without a limit has no part of it to speak of. */
function percentOf(used: number | null, limit: number | null): number | null {
  return used === null || limit === null ? null : (used / limit) * 100;
}

function keyOf({ schedule, key }: Target): string {
  return `${uidOf(schedule)}/${key}`;
}
