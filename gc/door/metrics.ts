import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the door counts. Label values come from fixed sets. */
export interface DoorMetrics {
  /** By `allowed`, or the code of a refusal; `callerLeft` is one. */
  readonly requests: Counter<'outcome'>;
  /** As `requests`. */
  readonly verdicts: Counter<'outcome'>;
  /** From the kubelet's request to its answer. */
  readonly kubeletSeconds: Histogram;
  /** All of a request but the wait for its turn and for the kubelet. */
  readonly ownSeconds: Histogram;
  readonly brokenConnections: Counter<'reason'>;
}

const PREFIX = 'checkpoint_warden_door_';

/** @param registry gets them; each of them once. */
export function createDoorMetrics(registry: Registry): DoorMetrics {
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: PREFIX + name, help, buckets, registers });
  return {
    requests: new Counter({
      name: `${PREFIX}requests_total`,
      help: 'Checkpoint requests, by what became of them.',
      labelNames: ['outcome'],
      registers,
    }),
    verdicts: new Counter({
      name: `${PREFIX}verdicts_total`,
      help: 'Questions whether a checkpoint would be let through, by the answer.',
      labelNames: ['outcome'],
      registers,
    }),
    kubeletSeconds: histogram(
      'kubelet_duration_seconds',
      'How long the kubelet took for a checkpoint.',
      [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
    ),
    ownSeconds: histogram(
      'own_duration_seconds',
      'What the door took of a request, without the wait for a turn and for the kubelet.',
      [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
    ),
    brokenConnections: new Counter({
      name: `${PREFIX}broken_connections_total`,
      help: 'Connections that carried no request one can read, by reason.',
      labelNames: ['reason'],
      registers,
    }),
  };
}

export interface DoorFigures {
  reserved(): readonly { readonly state: 'open' | 'answered' | 'ended'; readonly bytes: number }[];
  turns(): { readonly busy: number; readonly waiting: number };
}

/** Gauges that are read when somebody asks for them. */
export function watchDoor(registry: Registry, figures: DoorFigures): void {
  const registers = [registry];
  new Gauge({
    name: `${PREFIX}reservations`,
    help: 'Promises of room: open (the kubelet is at it), answered, ended (an archive may still come).',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of ['open', 'answered', 'ended'] as const) {
        this.set({ state }, figures.reserved().filter((each) => each.state === state).length);
      }
    },
  });
  new Gauge({
    name: `${PREFIX}reserved_bytes`,
    help: 'Bytes promised.',
    registers,
    collect() {
      this.set(figures.reserved().reduce((sum, { bytes }) => sum + bytes, 0));
    },
  });
  new Gauge({
    name: `${PREFIX}turns`,
    help: 'File names that have their turn, and requests that wait: busy, waiting.',
    labelNames: ['state'],
    registers,
    collect() {
      const { busy, waiting } = figures.turns();
      this.set({ state: 'busy' }, busy);
      this.set({ state: 'waiting' }, waiting);
    },
  });
}
