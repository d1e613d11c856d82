import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the gateway counts. Label values come from fixed sets. */
export interface GatewayMetrics {
  /** By `passed` (a door's answer of whatever kind), or the code of a refusal. */
  readonly requests: Counter<'outcome'>;
  /** Statuses of the answers that doors gave. */
  readonly answers: Counter<'status'>;
  /** All of a request but the wait for the door. */
  readonly ownSeconds: Histogram;
  readonly brokenConnections: Counter<'reason'>;
}

const PREFIX = 'checkpoint_warden_gateway_';

/** @param registry gets them; each of them once. */
export function createGatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    requests: new Counter({
      name: `${PREFIX}requests_total`,
      help: 'Requests, by what became of them: passed (to a door, whose answer it is), left, or why not.',
      labelNames: ['outcome'],
      registers,
    }),
    answers: new Counter({
      name: `${PREFIX}door_answers_total`,
      help: 'Answers of doors that were passed on, by HTTP status.',
      labelNames: ['status'],
      registers,
    }),
    ownSeconds: new Histogram({
      name: `${PREFIX}own_duration_seconds`,
      help: 'What the gateway took of a request that it passed on, without the wait for the door.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    brokenConnections: new Counter({
      name: `${PREFIX}broken_connections_total`,
      help: 'Connections that carried no request one can read, by reason.',
      labelNames: ['reason'],
      registers,
    }),
  };
}

export interface GatewayFigures {
  underWay(): number;
  /** Null where pods are looked up one by one. */
  known(): { readonly pods: number; readonly nodes: number } | null;
}

/** Gauges that are read when somebody asks for them. */
export function watchGateway(registry: Registry, figures: GatewayFigures): void {
  const registers = [registry];
  new Gauge({
    name: `${PREFIX}requests_under_way`,
    help: 'Requests without their answer.',
    registers,
    collect() {
      this.set(figures.underWay());
    },
  });
  new Gauge({
    name: `${PREFIX}known_objects`,
    help: 'Pods and nodes whose place is known, by kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      const { pods = 0, nodes = 0 } = figures.known() ?? {};
      this.set({ kind: 'pods' }, pods);
      this.set({ kind: 'nodes' }, nodes);
    },
  });
}
