import { retainPlan, scheduleKey } from '../../policy/schedule/retain.ts';
import type { RetainVerdict, Schedule } from '../../policy/schedule/types.ts';
import type { Archive, Decision } from '../../policy/types.ts';
import type { Enforced } from '../deleting/enforce.ts';
import { containerName } from '../door/container.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { MadeBy } from './made-by.ts';
import type { ScheduleMetrics } from './metrics.ts';

export interface RetentionOptions {
  readonly inventory: Pick<Inventory, 'state' | 'get'>;
  readonly madeBy: MadeBy;
  /** Null while nobody knows them: then nothing goes. */
  readonly schedules: () => readonly Schedule[] | null;
  /** The collector's own way to delete. */
  readonly carryOut: (
    decisions: readonly Decision[],
    isCurrent: (decision: Decision) => boolean,
  ) => Promise<Enforced>;
  readonly metrics: ScheduleMetrics;
}

/** Archives of one schedule and one container. */
interface Group {
  readonly schedule: Schedule;
  readonly archives: Archive[];
}

/**
 * Deletes what schedules no longer keep of what they had made (`retain.max`). An archive of a schedule that is gone is
 * left to the policies.
 */
export class Retention {
  readonly #options: RetentionOptions;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Archives or schedules may have changed. */
  wake(): void {
    this.#again = true;
    if (this.#stopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // Changes that come together are looked at once.
    await null;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const going = this.#plan();
      if (going.length === 0) return;
      const files = new Set(going.map(({ archive }) => archive.file));
      const isStill = ({ archive }: Decision) =>
        files.has(archive.file) && this.#plan().some((each) => each.archive === archive);
      await this.#options.carryOut(going, isStill);
    }
  }

  #plan(): Decision[] {
    const { metrics } = this.#options;
    const sums: Record<RetainVerdict, number> = { held: 0, over: 0, free: 0 };
    const going: Decision[] = [];
    for (const { schedule, archives } of this.#groups()) {
      const newestFirst = archives.sort(newest);
      const verdicts = retainPlan(schedule.retain, newestFirst);
      newestFirst.forEach((archive, index) => {
        const verdict = verdicts[index] ?? 'free';
        sums[verdict] += 1;
        if (verdict === 'over') going.push(deletionOf(archive, schedule, newestFirst.length));
      });
    }
    for (const verdict of ['held', 'over', 'free'] as const) metrics.retained.set({ verdict }, sums[verdict]);
    return going.reverse();
  }

  #groups(): Iterable<Group> {
    const { inventory, madeBy, schedules } = this.#options;
    const groups = new Map<string, Group>();
    const known = schedules();
    if (known === null || !inventory.state.ok) return [];
    const byName = new Map(known.map((schedule) => [scheduleKey(schedule), schedule]));
    for (const file of madeBy.files()) {
      const archive = inventory.get(file);
      const by = madeBy.of(file) ?? '';
      const schedule = byName.get(by);
      if (archive === null || schedule === undefined) continue;
      if (archive.state !== 'complete' || archive.identity === null) continue;
      const key = `${by} ${containerName(archive.identity)}`;
      const group = groups.get(key) ?? { schedule, archives: [] };
      group.archives.push(archive);
      groups.set(key, group);
    }
    return groups.values();
  }
}

function newest(one: Archive, other: Archive): number {
  return other.modifiedAt - one.modifiedAt || (one.file < other.file ? 1 : -1);
}

function deletionOf(archive: Archive, schedule: Schedule, count: number): Decision {
  const { max = 0 } = schedule.retain;
  const whose = `schedule ${scheduleKey(schedule)}`;
  return {
    archive,
    action: 'delete',
    rule: 'retain',
    policy: null,
    resource: null,
    field: 'spec.retain.max',
    reason: `is beyond the ${max} that ${whose} keeps of a container, which has ${count} of it; the oldest go first`,
  };
}
