import type { NodeContainer, NodePod } from '../../kube/node-pods.ts';
import { due } from '../../policy/schedule/due.ts';
import { selectedContainers, selects } from '../../policy/schedule/select.ts';
import type { Schedule, Trigger } from '../../policy/schedule/types.ts';
import type { Instant } from '../../policy/types.ts';
import type { Remembered, ScheduleMemories, ScheduleMemory } from './memory.ts';
import { askedBy, disruptionOf } from './triggers.ts';

/** One container under one schedule. */
export interface Target {
  readonly schedule: Schedule;
  readonly pod: NodePod;
  readonly container: NodeContainer;
  /** `podUid/container` */
  readonly key: string;
  readonly memory: ScheduleMemory;
  readonly remembered: Remembered;
}

/** A checkpoint that should be taken now. */
export interface Wish {
  readonly target: Target;
  readonly trigger: Trigger;
  /** The run's own time, of a run by the clock. */
  readonly slot: Instant | null;
  readonly annotation: string | null;
  /** When it would be due again anyway; null when nothing says so. */
  readonly next: Instant | null;
  /** The pod is ending, and does not wait. */
  readonly urgent: boolean;
}

/** What a look at a target shows. */
export interface Look {
  readonly wish: Wish | null;
  /** When to look again; null: when something changes. */
  readonly next: Instant | null;
  /** A run that is past its deadline. */
  readonly dropped?: Instant;
  /** Whether the node has to be asked first whether it was cordoned. */
  readonly asksNode?: true;
}

/** What is known beside the pods. */
export interface Sight {
  /** Whether the node was cordoned when that pod's end began; null while nobody knows. */
  isCordoned(podUid: string): boolean | null;
  /** A bound of usage that the container has crossed since its last checkpoint. */
  crossed(target: Target): 'cpu' | 'memory' | null;
}

/** All containers of these pods that schedules are about. Of a schedule that selects none here nothing is kept. */
export function* targetsOf(
  schedules: Iterable<Schedule>,
  pods: readonly NodePod[],
  memories: ScheduleMemories,
  now: Instant,
): Generator<Target> {
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);
  for (const schedule of schedules) {
    for (const pod of byNamespace.get(schedule.namespace) ?? []) {
      if (!selects(schedule, pod)) continue;
      const names = selectedContainers(
        schedule,
        pod.containers.map(({ name }) => name),
      );
      for (const container of pod.containers) {
        if (!names.includes(container.name)) continue;
        const memory = memories.of(schedule, now);
        const key = `${pod.uid}/${container.name}`;
        const remembered = memories.container(memory, key, pod);
        yield { schedule, pod, container, key, memory, remembered };
      }
    }
  }
}

const NOTHING: Look = { wish: null, next: null };

/** Whether a target wants a checkpoint now. Changes nothing. */
export function lookAt(target: Target, sight: Sight, now: Instant): Look {
  const { schedule, pod, container, remembered } = target;
  const { triggers } = schedule;
  if (schedule.paused || !schedule.sound || !container.running || remembered.pending !== null) return NOTHING;
  const wish = (trigger: Trigger, more: Partial<Wish> = {}): Look => {
    const { notBefore, tries } = remembered;
    // A pod that ends does not wait because an earlier run by the clock has failed.
    const isHeldBack = !more.urgent || tries > 0;
    if (isHeldBack && notBefore !== null && now < notBefore) return { wish: null, next: notBefore };
    const usual = { slot: null, annotation: null, next: null, urgent: false };
    return { wish: { target, trigger, ...usual, ...more }, next: null };
  };
  if (!remembered.disrupted) {
    const disruption = disruptionOf(pod, triggers.disruptions, sight.isCordoned(pod.uid));
    if (disruption === 'unknown') return { ...NOTHING, asksNode: true };
    if (disruption !== null) return wish(disruption, { urgent: true });
  }
  if (pod.endsAt !== null) return NOTHING;
  const asked = triggers.onAnnotation ? askedBy(pod) : null;
  if (asked !== null && asked !== remembered.annotation) return wish('annotation', { annotation: asked });
  const crossed = sight.crossed(target);
  if (crossed !== null) return wish(crossed);
  return byClock(target, wish, now);
}

function byClock(
  { schedule, pod, container, memory, remembered }: Target,
  wish: (trigger: Trigger, more: Partial<Wish>) => Look,
  now: Instant,
): Look {
  const named = { namespace: pod.namespace, pod: pod.name, container: container.name };
  const { lastSlot, notBefore } = remembered;
  // What was missed while nothing ran, or before anybody asked for it, is not made up.
  const since = Math.min(now, Math.max(memory.seenAt, container.startedAt ?? now));
  const run = due(schedule, named, { since, lastSlot, notBefore }, now);
  if (run.now) return wish(run.trigger, { slot: run.slot, next: run.next });
  return { wish: null, next: run.next, ...(run.dropped !== undefined && { dropped: run.dropped }) };
}
