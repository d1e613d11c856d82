import { Registry } from 'prom-client';
import { MadeBy } from '../../../gc/schedule/made-by.ts';
import { type RunningSchedules, runSchedules } from '../../../gc/schedule/main.ts';
import type { ScheduleNews } from '../../../gc/schedule/telling.ts';
import type { Usage } from '../../../gc/schedule/usage.ts';
import { memoryState, type StateStore } from '../../../gc/system/state.ts';
import type { NodePod } from '../../../kube/node-pods.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { readSchedule } from '../../../policy/schedule/read.ts';
import type { Schedule } from '../../../policy/schedule/types.ts';
import { FakeNode, NODE } from '../door/fake-node.ts';

/** A node with schedules and pods in memory, whose collector can be killed and started again. */
export class Place {
  readonly node = new FakeNode();
  schedules: readonly Schedule[] = [];
  pods: readonly NodePod[] = [];
  readonly news: ScheduleNews[] = [];
  readonly statuses: { readonly name: string; readonly manager: string; readonly status: JsonObject }[] = [];
  usage = new Map<string, Usage>();
  cordoned = false;
  /** What the plan was told. */
  readonly toPlan: (readonly Schedule[])[] = [];
  nodeAsked = 0;
  registry = new Registry();
  running: RunningSchedules | null = null;
  /** As on disk: it outlives processes. */
  readonly #disk = memoryState();
  #life = { alive: false };
  #wakeSchedules = () => {};
  #wakePods = () => {};

  constructor() {
    this.node.onChange = () => this.running?.directoryChanged();
  }

  get clock() {
    return this.node.clock;
  }

  async start(): Promise<void> {
    const life = { alive: true };
    this.#life = life;
    this.registry = new Registry();
    const state: StateStore = {
      read: (name) => structuredClone(this.#disk.read(name)),
      // What a process writes after its end does not count.
      write: (name, document) => {
        if (life.alive) this.#disk.write(name, structuredClone(document));
      },
      retry() {},
    };
    const madeBy = new MadeBy(state);
    this.node.madeBy = (file) => madeBy.of(file);
    const door = await this.node.start();
    const { inventory } = door;
    this.running = runSchedules({
      node: NODE,
      schedules: {
        values: () => this.schedules.map((schedule) => ({ schedule, entries: [] })),
        onChange: (listener) => {
          this.#wakeSchedules = listener;
        },
      },
      pods: {
        values: () => this.pods,
        onChange: (listener) => {
          this.#wakePods = listener;
        },
        want() {},
      },
      nodes: {
        get: async () => {
          this.nodeAsked += 1;
          return { unschedulable: this.cordoned };
        },
      },
      status: {
        write: async ({ namespace, name }, manager, status) => {
          if (life.alive) this.statuses.push({ name: `${namespace}/${name}`, manager, status });
        },
      },
      usage: { read: async () => this.usage },
      onNews: (news) => void this.news.push(news),
      orders: {
        order: async (order) => {
          const ordered = await door.door.order(order);
          return life.alive ? ordered : new Promise(() => {});
        },
        mayStillCome: (container, since) =>
          door.ledger
            .reserved()
            .some(
              (each) =>
                each.namespace === container.namespace &&
                each.pod === container.pod &&
                each.container === container.container &&
                each.since >= since,
            ),
      },
      inventory,
      madeBy,
      onSchedules: (schedules) => void this.toPlan.push(schedules),
      state,
      log: { info() {}, warn() {}, error() {} },
      registry: this.registry,
      clock: this.clock,
      random: () => 0.5,
    });
  }

  /** SIGKILL. */
  kill(): void {
    this.#life.alive = false;
    this.running = null;
    this.node.kill();
  }

  setSchedules(...schedules: readonly Schedule[]): void {
    this.schedules = schedules;
    this.#wakeSchedules();
  }

  setPods(...pods: readonly NodePod[]): void {
    this.pods = pods;
    this.#wakePods();
  }

  /** A document of the state directory. */
  state(name: string): unknown {
    return this.#disk.read(name);
  }

  /** Whose checkpoints the runtime was asked for, in order. */
  get begun(): readonly string[] {
    return this.node.runtime.begun;
  }

  /** What the audit says of who asked. */
  get askers(): readonly unknown[] {
    return this.node.audit.map(({ metadata }) => metadata.user);
  }
}

let generation = 0;

/** `shop/nightly`, created when the fake clock begins, unless told otherwise. */
export function scheduleOf(spec: JsonObject, more: JsonObject = {}): Schedule {
  generation += 1;
  const { schedule, findings } = readSchedule({
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointSchedule',
    metadata: {
      ...{ namespace: 'shop', name: 'nightly', uid: 's-1', generation },
      creationTimestamp: '2026-11-21T12:00:00Z',
      ...more,
    },
    spec: { selector: {}, ...spec },
  });
  if (schedule === null || !schedule.sound) throw new Error(JSON.stringify(findings));
  return schedule;
}

/** A running pod of the fake node, with one container `main` since long before. */
export function podOf(name: string, more: Partial<NodePod> = {}): NodePod {
  return {
    namespace: 'shop',
    name,
    uid: `u-${name}`,
    configHash: null,
    node: NODE,
    labels: {},
    annotations: {},
    endsAt: null,
    disruption: null,
    containers: [
      {
        ...{ name: 'main', memoryLimitBytes: null, cpuLimitCores: null, running: true },
        startedAt: Date.parse('2026-11-20T00:00:00Z'),
      },
    ],
    ...more,
  };
}
