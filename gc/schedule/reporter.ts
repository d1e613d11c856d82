import { createHash } from 'node:crypto';
import type { NodeLookup } from '../../kube/nodes.ts';
import type { ScheduleStatusWriter } from '../../kube/schedules.ts';
import type { Log } from '../../kube/types.ts';
import type { JsonObject } from '../../policy/json.ts';
import type { Schedule } from '../../policy/schedule/types.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from '../system/clock.ts';
import { type ScheduleMemory, uidOf } from './memory.ts';
import { hasRoom, type SeenEntry, statusOf } from './status.ts';

/** A schedule and what there is to say of it. */
export interface Reported {
  readonly schedule: Schedule;
  /** Null where this node has nothing to do with it. */
  readonly own: { readonly entry: JsonObject; readonly memory: ScheduleMemory } | null;
  /** As the API server has it. */
  readonly seen: readonly SeenEntry[];
}

export interface ScheduleReporterOptions {
  readonly node: string;
  readonly writer: ScheduleStatusWriter;
  readonly nodes: NodeLookup;
  readonly current: () => readonly Reported[];
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onFailure: () => void;
  readonly log: Log;
}

/** All nodes together write a schedule's status about as often as this: each write goes to every collector. */
const TOGETHER_MS = 5_000;
/** What is under way is told when it is over. */
const SETTLE_MS = 1_000;
const MOST_BACKOFF_MS = 5 * 60_000;
/** An entry that old may be of a node that is gone. */
const OLD_MS = 3_600_000;

interface Written {
  essence: string;
  nextAt: Instant;
  failures: number;
}

/** Writes what this node has to say of schedules into their status: on change, and the rarer the more nodes do so. */
export class ScheduleReporter {
  readonly #options: ScheduleReporterOptions;
  /** By schedule. */
  readonly #written = new Map<string, Written>();
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ScheduleReporterOptions) {
    this.#options = options;
  }

  /** Something may have changed. */
  wake(): void {
    if (this.#stopped || this.#writing !== null || this.#cancel !== null) return;
    const { clock } = this.#options;
    const now = clock.now();
    const dues = this.#due().map(({ written }) => Math.min(written.nextAt, now + MOST_BACKOFF_MS));
    if (dues.length === 0) return;
    this.#cancel = clock.after(Math.max(SETTLE_MS, Math.min(...dues) - now), () => {
      this.#cancel = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        this.wake();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#writing;
  }

  /** Those of which something else is to be said than was. */
  #due(): { readonly reported: Reported; readonly written: Written; readonly essence: string }[] {
    const { current, node, clock, random } = this.#options;
    const all = current();
    const uids = new Set(all.map(({ schedule }) => uidOf(schedule)));
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#written.delete(uid);
    return all.flatMap((reported) => {
      const { schedule, own, seen } = reported;
      const isThere = seen.some((each) => each.node === node);
      if (own === null && !isThere) return [];
      const essence = own === null ? '' : JSON.stringify(own.entry);
      const uid = uidOf(schedule);
      let written = this.#written.get(uid);
      if (written === undefined) {
        // Nodes that see a new schedule at one moment do not write at one.
        written = { essence: '-', nextAt: clock.now() + apartMs(seen) * random(), failures: 0 };
        this.#written.set(uid, written);
      }
      return written.essence === essence ? [] : [{ reported, written, essence }];
    });
  }

  async #write(): Promise<void> {
    const { clock, random, log, onFailure } = this.#options;
    const now = clock.now();
    for (const { reported, written, essence } of this.#due()) {
      if (this.#stopped) return;
      if (written.nextAt > now && written.nextAt - now <= MOST_BACKOFF_MS) continue;
      try {
        await this.#writeOne(reported, now);
        written.essence = essence;
        written.failures = 0;
      } catch (err) {
        onFailure();
        written.failures += 1;
        const { namespace, name } = reported.schedule.reference;
        const schedule = `${namespace}/${name}`;
        if (written.failures === 1) log.warn({ err, schedule }, "a schedule's status cannot be written");
      }
      const pauseMs = apartMs(reported.seen) * 2 ** Math.min(written.failures, 10);
      written.nextAt = clock.now() + Math.min(pauseMs, MOST_BACKOFF_MS) * (1 + random() / 2);
    }
  }

  async #writeOne({ schedule, own, seen }: Reported, now: Instant): Promise<void> {
    const { writer, node } = this.#options;
    const gone = await this.#goneAmong(seen, now);
    const left = seen.filter((each) => each !== gone);
    if (own === null || hasRoom(left, node)) {
      await writer.write(schedule.reference, managerOf(node), statusOf(own, node, left, now));
    }
    // Nobody else takes away what a node has said that is no more.
    if (gone !== null) await writer.write(schedule.reference, managerOf(gone.node), {});
  }

  /** One that was not heard of for long and whose node is no more; one is asked about at a time. */
  async #goneAmong(seen: readonly SeenEntry[], now: Instant): Promise<SeenEntry | null> {
    const { node, nodes, random } = this.#options;
    const old = seen.filter((each) => each.node !== node && Math.abs(now - each.reportedAt) > OLD_MS);
    const one = old[Math.floor(random() * old.length)];
    return one !== undefined && (await nodes.get(one.node)) === null ? one : null;
  }
}

/** Between two writes of one node, so that all nodes with an entry together keep to one in some seconds. */
function apartMs(seen: readonly SeenEntry[]): number {
  return TOGETHER_MS * Math.max(1, seen.length);
}

/** A field manager's name has at most 128 characters, and a node's 253. */
export function managerOf(node: string): string {
  const name = node.length <= 96 ? node : createHash('sha256').update(node).digest('hex').slice(0, 32);
  return `checkpoint-warden-collector/${name}`;
}
