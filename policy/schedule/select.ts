import type { Bounds, Requirement, Schedule, SelectablePod } from './types.ts';

/** Whether a pod is under a schedule: in its namespace, and by its labels. */
export function selects({ namespace, selector }: Schedule, pod: SelectablePod): boolean {
  return pod.namespace === namespace && selector.every((requirement) => holds(requirement, pod.labels));
}

/** The containers of a pod that a schedule is about, in the pod's order. */
export function selectedContainers({ containers }: Schedule, names: readonly string[]): readonly string[] {
  return containers.length === 0 ? names : names.filter((name) => containers.includes(name));
}

/** As Kubernetes reads it: `NotIn` holds for a pod that has no such label. */
function holds({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/**
 * Whether usage has crossed a bound since it was last looked at: it triggers once, and again only after it has been
 * back. What nobody looked at before (null) has crossed nothing.
 */
export function crossed({ lower, upper }: Bounds, before: number | null, percent: number): boolean {
  if (before === null) return false;
  const above = upper !== undefined && percent > upper && before <= upper;
  const below = lower !== undefined && percent < lower && before >= lower;
  return above || below;
}
