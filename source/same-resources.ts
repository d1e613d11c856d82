import type { PolicyResource } from '../policy/types.ts';

/** Whether two looks come to the same. */
export function sameResources(one: readonly PolicyResource[], other: readonly PolicyResource[]): boolean {
  return one.length === other.length && one.every((each, index) => isSameResource(each, other[index]));
}

function isSameResource(one: PolicyResource, other: PolicyResource | undefined): boolean {
  return (
    one === other ||
    (other !== undefined &&
      JSON.stringify(one.reference) === JSON.stringify(other.reference) &&
      one.canonicalSpec === other.canonicalSpec &&
      one.sound === other.sound &&
      one.createdAt === other.createdAt &&
      one.confirmed.join() === other.confirmed.join())
  );
}
