import type { Instant } from '../../policy/types.ts';

interface Lane {
  width: number;
  running: number;
  notBefore: Instant;
}

/** Between two tries of a namespace that has as many checkpoints under way as it may. */
const AGAIN_MS = { urgent: 250, planned: 1_000 } as const;

/**
 * How many checkpoints schedules begin at once: by the clock a few on the node, and of a namespace no more than policy
 * was seen to let through, so that fifty pods at one time do not make forty-nine refusals each second.
 */
export class Lanes {
  readonly #atOnce: number;
  readonly #lanes = new Map<string, Lane>();
  #planned = 0;

  /** @param atOnce of those that can wait, on the node */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Takes a place; null when there is none now. @returns what gives it back. */
  enter(namespace: string, urgent: boolean, now: Instant): (() => void) | null {
    const lane = this.#lane(namespace);
    if (!urgent && this.#planned >= this.#atOnce) return null;
    if (lane.running >= lane.width || now < lane.notBefore) return null;
    lane.running += 1;
    if (!urgent) this.#planned += 1;
    return () => {
      lane.running -= 1;
      if (!urgent) this.#planned -= 1;
    };
  }

  /** Policy has refused one more: those that run are as many as may. Called while the refused one has its place. */
  full(namespace: string, urgent: boolean, now: Instant): void {
    const lane = this.#lane(namespace);
    lane.width = Math.max(1, Math.min(lane.width, lane.running - 1));
    lane.notBefore = now + (urgent ? AGAIN_MS.urgent : AGAIN_MS.planned);
  }

  /** Where nobody waits any more it is found out anew how many may. */
  forget(isWaiting: (namespace: string) => boolean): void {
    for (const [namespace, { running }] of this.#lanes) {
      if (running === 0 && !isWaiting(namespace)) this.#lanes.delete(namespace);
    }
  }

  /** When a place may be free again although nothing ends; null when only an end gives one. */
  nextAt(namespace: string, now: Instant): Instant | null {
    const { notBefore } = this.#lane(namespace);
    return notBefore > now ? notBefore : null;
  }

  #lane(namespace: string): Lane {
    const known = this.#lanes.get(namespace);
    if (known !== undefined) return known;
    const made = { width: Number.POSITIVE_INFINITY, running: 0, notBefore: Number.NEGATIVE_INFINITY };
    this.#lanes.set(namespace, made);
    return made;
  }
}
