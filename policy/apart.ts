import type { PolicySet } from './govern.ts';
import type { DeletionPlan } from './plan.ts';

/*
 * A namespace may be planned pod by pod where no limit counts its pods together. Nothing else joins them: size, age
 * and orphans are each archive's own, `keepLast` is a container's.
 */

/** How many archives of a namespace count, and their bytes. */
export interface Holding {
  readonly archives: number;
  readonly bytes: number;
}

/** Whether no limit on a namespace as a whole can be broken by what it holds. */
export function fitsWhole(namespace: string, { archives, bytes }: Holding, policies: PolicySet): boolean {
  // No pod or container has an empty name: what governs this one has no narrower target.
  const { administrator, tenant } = policies.governing({ namespace, pod: '', container: '' });
  const limits = [administrator, tenant].flatMap((rule) => rule?.buckets ?? []);
  return limits.every(({ level, maxCount, maxTotalBytes }) => {
    if (level !== 'namespace') return true;
    return archives <= (maxCount ?? archives) && bytes <= (maxTotalBytes ?? bytes);
  });
}

/**
 * Whether what a pod's plan says can be said without the plans of other pods: a limit that stays broken is told of
 * all that it governs, and a budget goes by the order of all deletions.
 */
export function standsAlone({ deletions, unmet }: Pick<DeletionPlan, 'deletions' | 'unmet'>): boolean {
  if (unmet.length > 0) return false;
  return deletions.every(({ resource }) => {
    const { maxArchives, maxBytes } = resource?.budget ?? {};
    return maxArchives === undefined && maxBytes === undefined;
  });
}
