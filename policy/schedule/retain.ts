import type { Archive } from '../types.ts';
import type { Retain, RetainVerdict, Schedule } from './types.ts';

/** What marks an archive as a schedule's own (`Archive.madeBy`): `namespace/name`, so that it outlives a re-creation. */
export function scheduleKey({ reference: { namespace, name } }: Pick<Schedule, 'reference'>): string {
  return `${namespace}/${name}`;
}

/**
 * What `retain` says of the archives that one schedule had made of one container. Pinned archives count and never go.
 * @param newestFirst by modification time, then by name
 */
export function retainPlan(
  { min, max }: Retain,
  newestFirst: readonly Pick<Archive, 'pinned'>[],
): RetainVerdict[] {
  return newestFirst.map(({ pinned }, index) => {
    if (index < min) return 'held';
    return max !== undefined && index >= max && !pinned ? 'over' : 'free';
  });
}
