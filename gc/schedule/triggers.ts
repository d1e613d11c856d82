import type { NodePod } from '../../kube/node-pods.ts';
import { TRIGGER_ANNOTATION } from '../../policy/schedule/schema.ts';
import type { Disruption, Trigger } from '../../policy/schedule/types.ts';

const TRIGGERS: Readonly<Record<Trigger, true>> = {
  interval: true,
  cron: true,
  annotation: true,
  cpu: true,
  memory: true,
  NodeDrain: true,
  PodEviction: true,
  Preemption: true,
};

export function isTrigger(value: unknown): value is Trigger {
  return typeof value === 'string' && Object.hasOwn(TRIGGERS, value);
}

/** The value with which the annotation asks; null where it asks for nothing. */
export function askedBy({ annotations }: NodePod): string | null {
  const value = annotations[TRIGGER_ANNOTATION];
  return value === undefined || value === '' || value === 'false' ? null : value;
}

/** Reasons of `DisruptionTarget`, as Kubernetes 1.36 gives them. */
const REASONS: ReadonlyMap<string, Disruption> = new Map([
  ['EvictionByEvictionAPI', 'PodEviction'],
  ['DeletionByTaintManager', 'PodEviction'],
  ['TerminationByKubelet', 'PodEviction'],
  ['PreemptionByScheduler', 'Preemption'],
]);

/**
 * What of a pod's end a schedule asks for. An eviction and a preemption are told by the pod itself; a drain by its
 * node, too, of which the answer may not be there yet: then it is `unknown`.
 *
 * @param isCordoned whether the pod's node was cordoned when its end began; null while nobody knows.
 */
export function disruptionOf(
  { endsAt, disruption }: NodePod,
  wanted: readonly Disruption[],
  isCordoned: boolean | null,
): Disruption | 'unknown' | null {
  const reason = disruption === null ? undefined : REASONS.get(disruption);
  // The kubelet ends pods for want of memory or disk without asking for their deletion.
  if (endsAt === null && disruption !== 'TerminationByKubelet') return null;
  if (reason !== undefined && wanted.includes(reason)) return reason;
  if (endsAt === null || !wanted.includes('NodeDrain')) return null;
  return isCordoned === null ? 'unknown' : isCordoned ? 'NodeDrain' : null;
}
