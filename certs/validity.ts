import type { Instant } from '../policy/types.ts';

/** By how much certificates are dated back: clocks of a cluster disagree by seconds to minutes. */
export const BACKDATED_MS = 5 * 60_000;

export interface Validity {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/**
 * When something is to be renewed: at two thirds of its life, or a little sooner.
 * @param early by which part of the life sooner, 0 to 0.05
 */
export function renewalOf({ notBefore, notAfter }: Validity, early = 0): Instant {
  // Being dated back is not a part of the life: with short lives it would be most of it.
  const life = Math.max(0, notAfter - notBefore - BACKDATED_MS);
  return notAfter - life / 3 - early * life;
}
