import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Trigger } from '../../policy/schedule/types.ts';

/**
 * What became of a checkpoint that fell due. `waits`: others have their turn first; `lost`: nobody saw its end and
 * nothing came; `dropped`: past its starting deadline.
 */
export type ScheduleOutcome = 'taken' | 'waits' | 'failed' | 'lost' | 'dropped';

/** What schedules did on this node. Label values come from fixed sets: no series is made per schedule or pod. */
export interface ScheduleMetrics {
  readonly checkpoints: Counter<'trigger' | 'outcome'>;
  readonly lateSeconds: Histogram;
  readonly schedules: Gauge<'state'>;
  readonly containers: Gauge<'state'>;
  readonly errors: Counter<'operation'>;
}

const PREFIX = 'checkpoint_warden_schedule_';

export function createScheduleMetrics(registry: Registry): ScheduleMetrics {
  const registers = [registry];
  return {
    checkpoints: new Counter<'trigger' | 'outcome'>({
      name: `${PREFIX}checkpoints_total`,
      help: 'Checkpoints that schedules asked for on this node, by trigger and by what became of them: taken, waits, failed, lost, dropped.',
      labelNames: ['trigger', 'outcome'],
      registers,
    }),
    lateSeconds: new Histogram({
      name: `${PREFIX}late_seconds`,
      help: 'From the time at which a run by the clock was due to its archive.',
      buckets: [0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600],
      registers,
    }),
    schedules: new Gauge({
      name: `${PREFIX}schedules`,
      help: 'Schedules of the cluster: acting, paused, invalid.',
      labelNames: ['state'],
      registers,
    }),
    containers: new Gauge({
      name: `${PREFIX}containers`,
      help: 'Containers on this node that schedules are about: selected, waiting for their turn, failing.',
      labelNames: ['state'],
      registers,
    }),
    errors: new Counter({
      name: `${PREFIX}errors_total`,
      help: 'What failed beside checkpoints: schedules, pods, node, usage, status.',
      labelNames: ['operation'],
      registers,
    }),
  };
}

export function countOf(metrics: ScheduleMetrics, trigger: Trigger, outcome: ScheduleOutcome): void {
  metrics.checkpoints.inc({ trigger, outcome });
}
