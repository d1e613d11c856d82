import type { Authority, Instant, ResourceReference } from '../types.ts';
import type { Cron } from './cron.ts';

/** Why a checkpoint was taken, for status, Events and metrics. */
export type Trigger = 'interval' | 'cron' | 'annotation' | 'cpu' | 'memory' | Disruption;

/** What of a pod's end can be seen coming, by the public operator's names. */
export type Disruption = 'NodeDrain' | 'PodEviction' | 'Preemption';

/** One term of a label selector; all of them must hold. `matchLabels` is read as `In` with one value. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** Empty for `Exists` and `DoesNotExist`. */
  readonly values: readonly string[];
}

/** Percent of the container's own limit; at least one of the two is there. */
export interface Bounds {
  /** Usage that falls below triggers. */
  readonly lower?: number;
  /** Usage that rises above triggers. */
  readonly upper?: number;
}

export interface ResourceThreshold {
  readonly cpu?: Bounds;
  readonly memory?: Bounds;
  /** How often usage is looked at; at least a second. */
  readonly pollMs: number;
}

/** What makes a schedule take a checkpoint; any of them does. */
export interface Triggers {
  /** Runs at `createdAt` of the schedule plus one, two, … times this; at least a second. */
  readonly intervalMs?: number;
  readonly cron?: Cron;
  readonly onAnnotation: boolean;
  readonly threshold?: ResourceThreshold;
  readonly disruptions: readonly Disruption[];
}

/** What is kept of the archives that a schedule had made, of each container. */
export interface Retain {
  /** The newest this many are held against every limit of the policies, as `keepLast` holds; 0 holds none. */
  readonly min: number;
  /** Beyond this many the oldest go. Absent: not limited by the schedule. */
  readonly max?: number;
}

/** A `CheckpointSchedule`, parsed once. Durations are milliseconds. */
export interface Schedule {
  readonly reference: ResourceReference;
  readonly authority: Authority;
  /** 0 where the resource has no creation time, as in a file. */
  readonly createdAt: Instant;
  /** The API server's count of its specs; 0 in a file. */
  readonly generation: number;
  /** In which pods are selected: the schedule's own, unless an administrator wrote another. */
  readonly namespace: string;
  /** Empty: every pod of the namespace. */
  readonly selector: readonly Requirement[];
  /** Empty: every container of the pod, init containers that go on running among them. */
  readonly containers: readonly string[];
  readonly triggers: Triggers;
  readonly retain: Retain;
  readonly paused: boolean;
  /** A run that could not begin this long after its time is dropped. Absent: it waits until the next one is due. */
  readonly startingDeadlineMs?: number;
  /** Runs by the clock are put off by a part of this, which the container's name decides; 0 is none. */
  readonly jitterMs: number;
  /** Interval, cron, zone and jitter in one canonical text: when it changes, runs missed before count no more. */
  readonly timing: string;
  /** False: it has errors and takes nothing until it is mended; what `retain` says is void, too. */
  readonly sound: boolean;
}

/** A container that a schedule may be about. */
export interface ScheduledContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** A pod as far as a selector looks at it. */
export interface SelectablePod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What is remembered of one container and one schedule. */
export interface History {
  /**
   * Runs whose time was before are not made up: the start of the container, or when this timing was first seen
   * (`Schedule.timing`), whichever is later.
   */
  readonly since: Instant;
  /** The `slot` of the last run by the clock that was taken or dropped; null when there was none. */
  readonly lastSlot: Instant | null;
  /** After a failure, when it may be tried again; null when nothing stands in the way. */
  readonly notBefore: Instant | null;
}

/** Whether a run by the clock is due. */
export type Due =
  | {
      readonly now: true;
      readonly trigger: 'interval' | 'cron';
      /** The run's own time, jitter included: to be remembered as `lastSlot` once it was taken. */
      readonly slot: Instant;
      /** When the next one is due. */
      readonly next: Instant;
    }
  | {
      readonly now: false;
      /** When to ask again: the next run's time or the end of `notBefore`. Null when no clock triggers, or it is paused. */
      readonly next: Instant | null;
      /** A run that is past its `startingDeadline`; to be told, counted, and remembered as `lastSlot`. */
      readonly dropped?: Instant;
    };

/** Of one archive: `held` among the newest `min`, `over` beyond the newest `max`, or `free`. */
export type RetainVerdict = 'held' | 'over' | 'free';
