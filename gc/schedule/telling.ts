import type { Log } from '../../kube/types.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { Trigger } from '../../policy/schedule/types.ts';
import type { Instant } from '../../policy/types.ts';
import type { Container } from '../door/container.ts';
import { containerName } from '../door/container.ts';
import type { Refusal } from '../door/refusal.ts';
import type { ScheduleMemory } from './memory.ts';
import { countOf, type ScheduleMetrics } from './metrics.ts';
import type { Target } from './wishes.ts';

/** Which schedule. */
export type Named = Pick<ScheduleMemory, 'name' | 'uid'>;

/** Something that whoever keeps a schedule should see with `kubectl describe`. */
export interface ScheduleNews {
  readonly schedule: Named;
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'CheckpointTaken' | 'CheckpointFailed' | 'CheckpointDropped';
  readonly message: string;
}

export interface ScheduleTellingOptions {
  readonly metrics: ScheduleMetrics;
  readonly log: Log;
  readonly now: () => Instant;
  readonly onNews: (news: ScheduleNews) => void;
  /** There is something to write into the status. */
  readonly onChange: () => void;
}

/**
 * What the runner says of what it does. Each checkpoint has a record of the door's; here is what a schedule adds. A
 * container that fails is told of once, until it is taken again.
 */
export class ScheduleTelling {
  readonly #options: ScheduleTellingOptions;

  constructor(options: ScheduleTellingOptions) {
    this.#options = options;
  }

  /** The state of things after a look. */
  changed(targets: readonly Target[], waiting: number): void {
    const { containers } = this.#options.metrics;
    containers.set({ state: 'selected' }, targets.length);
    containers.set({ state: 'waiting' }, waiting);
    containers.set({ state: 'failing' }, targets.filter(({ remembered }) => remembered.failures > 0).length);
    this.#options.onChange();
  }

  taken(schedule: Named, container: Container, trigger: Trigger, file: string, wasFailing: boolean): void {
    const { log, metrics } = this.#options;
    countOf(metrics, trigger, 'taken');
    const name = containerName(container);
    log.info(
      { schedule: schedule.name, container: name, trigger, archive: file },
      'a schedule has taken a checkpoint',
    );
    const isNews = wasFailing || !(trigger === 'interval' || trigger === 'cron');
    const message = `${name} was taken into ${file} (${trigger})`;
    if (isNews) this.#news(schedule, 'Normal', 'CheckpointTaken', message);
  }

  /** How long after its time a run by the clock had its archive. */
  late(ms: number): void {
    this.#options.metrics.lateSeconds.observe(Math.max(0, ms) / 1_000);
  }

  waits(trigger: Trigger): void {
    countOf(this.#options.metrics, trigger, 'waits');
  }

  failed({ memory, pod, container, remembered }: Target, trigger: Trigger, refusal: Refusal): void {
    const { log, metrics } = this.#options;
    countOf(metrics, trigger, 'failed');
    if (remembered.failures > 1) return;
    const name = containerName({ namespace: pod.namespace, pod: pod.name, container: container.name });
    const { code, message } = refusal;
    const fields = { schedule: memory.name, container: name, trigger, code };
    log.warn(fields, `a schedule could not take a checkpoint: ${message}`);
    this.#news(memory, 'Warning', 'CheckpointFailed', message);
  }

  /** The door does not know what has become of it. */
  unknown({ memory, pod, container }: Target, { message }: Refusal): void {
    const name = containerName({ namespace: pod.namespace, pod: pod.name, container: container.name });
    this.#options.log.warn({ schedule: memory.name, container: name }, message);
  }

  /** It is known now that nothing came. */
  lost(schedule: Named, trigger: Trigger, message: string): void {
    const { log, metrics } = this.#options;
    countOf(metrics, trigger, 'lost');
    log.warn({ schedule: schedule.name, trigger }, message);
    this.#news(schedule, 'Warning', 'CheckpointFailed', message);
  }

  dropped({ schedule, memory, pod, container }: Target, slot: Instant): void {
    const { log, metrics } = this.#options;
    countOf(metrics, schedule.triggers.cron === undefined ? 'interval' : 'cron', 'dropped');
    const name = containerName({ namespace: pod.namespace, pod: pod.name, container: container.name });
    const what = `the run of ${new Date(slot).toISOString()} for ${name} could not begin in time and is dropped`;
    log.warn({ schedule: memory.name, container: name }, what);
    this.#news(memory, 'Warning', 'CheckpointDropped', what);
  }

  clockSet(step: number): void {
    const how = `${step > 0 ? 'ahead' : 'back'} by ${formatDuration(Math.abs(step))}`;
    this.#options.log.warn(
      { stepMs: step },
      `the clock was set ${how}; runs that it skipped are not made up`,
    );
  }

  #news(
    { name, uid }: Named,
    type: ScheduleNews['type'],
    reason: ScheduleNews['reason'],
    message: string,
  ): void {
    this.#options.onNews({ schedule: { name, uid }, type, reason, message });
  }
}
