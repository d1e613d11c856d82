import { Registry } from 'prom-client';
import type { NodePod } from '../../kube/node-pods.ts';
import type { NodeLookup } from '../../kube/nodes.ts';
import type { ScheduleStatusWriter } from '../../kube/schedules.ts';
import type { Log } from '../../kube/types.ts';
import type { Schedule } from '../../policy/schedule/types.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import type { StateStore } from '../system/state.ts';
import { Cordon } from './cordon.ts';
import { Crossings } from './crossings.ts';
import type { MadeBy } from './made-by.ts';
import { ScheduleMemories } from './memory.ts';
import { createScheduleMetrics } from './metrics.ts';
import { reportedNow } from './reported.ts';
import { ScheduleReporter } from './reporter.ts';
import { type Orders, Runner } from './runner.ts';
import type { SeenEntry } from './status.ts';
import { type ScheduleNews, ScheduleTelling } from './telling.ts';
import type { UsageSource } from './usage.ts';

/** A schedule as the API server has it. */
export interface SeenSchedule {
  readonly schedule: Schedule;
  /** What nodes have written into its status. */
  readonly entries: readonly SeenEntry[];
}

/** Objects that are kept up to date. */
export interface Watched<T> {
  /** Null while nobody knows them. */
  values(): readonly T[] | null;
  onChange(listener: () => void): void;
}

/** What running schedules needs of the cluster. */
export interface SchedulePart {
  readonly schedules: Watched<SeenSchedule>;
  /** Of this node. Watched only while there is a schedule. */
  readonly pods: Watched<NodePod> & { want(isWanted: boolean): void };
  readonly nodes: NodeLookup;
  readonly status: ScheduleStatusWriter;
  readonly usage: UsageSource;
  readonly onNews?: (news: ScheduleNews) => void;
}

export interface ScheduleOptions extends SchedulePart {
  readonly node: string;
  readonly orders: Orders;
  readonly inventory: Inventory;
  readonly madeBy: MadeBy;
  /** What the plan has to know of them: what is kept of the archives that they had made. */
  readonly onSchedules: (schedules: readonly Schedule[]) => void;
  readonly state: StateStore;
  readonly log: Log;
  readonly registry?: Registry;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface RunningSchedules {
  /** To be told of each change of the directory. */
  directoryChanged(): void;
  /** Begins nothing more and resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** Begins to take the checkpoints that schedules ask for of this node's pods. */
export function runSchedules(options: ScheduleOptions): RunningSchedules {
  const { schedules, pods, nodes, node, usage, inventory, madeBy, log, onNews = () => {} } = options;
  const { clock = systemClock, random = Math.random, registry = new Registry() } = options;
  const metrics = createScheduleMetrics(registry);
  const memories = new ScheduleMemories(options.state, clock.now());
  const known = () => schedules.values()?.map(({ schedule }) => schedule) ?? null;
  const troubles = new Troubles(log, (operation) => metrics.errors.inc({ operation }));

  const telling = new ScheduleTelling({
    ...{ metrics, log, onNews, now: () => clock.now() },
    onChange: () => reporter.wake(),
  });
  const cordon = new Cordon({
    ask: async () => (await nodes.get(node))?.unschedulable ?? true,
    onAnswer: () => runner.wake(),
    onFailure: (error) => troubles.tell('node', error, 'the node cannot be asked whether it is drained'),
  });
  const crossings = new Crossings({
    source: {
      async read() {
        const read = await usage.read();
        troubles.over('usage');
        return read;
      },
    },
    clock,
    targets: () => runner.targets.filter(({ schedule }) => asksForUsage(schedule)),
    onCrossed: () => runner.wake(),
    onFailure: (error) => troubles.tell('usage', error, 'the kubelet does not tell what containers use'),
  });
  const runner: Runner = new Runner({
    ...{ schedules: known, pods: () => pods.values(), orders: options.orders, directory: inventory },
    ...{ memories, madeBy, cordon, crossings, telling, clock, random },
    onMade: (file) => inventory.attribute(file),
  });
  const reporter = new ScheduleReporter({
    ...{ node, writer: options.status, nodes, clock, random, log },
    current: () => reportedNow(node, schedules.values() ?? [], runner, memories),
    onFailure: () => metrics.errors.inc({ operation: 'status' }),
  });

  const look = () => {
    const all = known() ?? [];
    if (known() !== null) options.onSchedules(all);
    pods.want(all.length > 0);
    for (const state of ['acting', 'paused', 'invalid'] as const) {
      metrics.schedules.set({ state }, all.filter((each) => stateOf(each) === state).length);
    }
    runner.wake();
  };
  schedules.onChange(look);
  pods.onChange(() => runner.wake());
  look();
  let stopping: Promise<void> | null = null;
  return {
    directoryChanged() {
      runner.wake();
    },
    stop() {
      stopping ??= Promise.all([runner.stop(), reporter.stop(), crossings.stop()]).then(() => {});
      return stopping;
    },
  };
}

function asksForUsage({ triggers, paused, sound }: Schedule): boolean {
  return triggers.threshold !== undefined && !paused && sound;
}

function stateOf({ sound, paused }: Schedule): 'acting' | 'paused' | 'invalid' {
  return sound ? (paused ? 'paused' : 'acting') : 'invalid';
}

/** Tells each kind of trouble once, until it is over. */
class Troubles {
  readonly #log: Log;
  readonly #count: (operation: string) => void;
  readonly #told = new Set<string>();

  constructor(log: Log, count: (operation: string) => void) {
    this.#log = log;
    this.#count = count;
  }

  tell(operation: string, err: unknown, message: string): void {
    this.#count(operation);
    if (this.#told.has(operation)) return;
    this.#told.add(operation);
    this.#log.warn({ err }, message);
  }

  over(operation: string): void {
    if (this.#told.delete(operation)) this.#log.info({ operation }, 'this works again');
  }
}
