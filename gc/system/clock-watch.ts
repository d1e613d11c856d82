import type { Log } from '../../kube/types.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from './clock.ts';

/** Clocks are slewed by less; a step of more is somebody's doing, or a machine that has slept. */
const JUMP_MS = 60_000;
/** How long a new time has to stand before archives are as old as it says. */
const DOUBT_MS = 600_000;

/**
 * Whether the time can be believed. A clock that is set a year ahead for a moment makes everything a year old, and
 * what is deleted then does not come back when it is set right.
 */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onStep: () => void;
  /** The time less what has passed since the process began. */
  #offset: number;
  #doubtedAt: number | null = null;
  /** The same before the steps that are in doubt. */
  #trustedOffset: number;

  /** @param onStep called when the clock was set: what was planned by its former time no longer holds. */
  constructor(clock: Clock, log: Log, onStep: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#onStep = onStep;
    this.#offset = clock.now() - clock.elapsed();
    this.#trustedOffset = this.#offset;
  }

  /** Looks at the clock. False for ten minutes after a step of more than a minute, in either direction. */
  isSteady(): boolean {
    const elapsed = this.#clock.elapsed();
    const offset = this.#clock.now() - elapsed;
    const step = offset - this.#offset;
    this.#offset = offset;
    if (Math.abs(step) > JUMP_MS) {
      this.#doubtedAt = elapsed;
      const what = `the clock was set ${step > 0 ? 'ahead' : 'back'} by ${formatDuration(Math.abs(step))}`;
      this.#log.warn({ stepMs: step }, `${what}; for ten minutes nothing is deleted for its age`);
      this.#onStep();
    } else if (this.#doubtedAt !== null && elapsed - this.#doubtedAt >= DOUBT_MS) {
      this.#doubtedAt = null;
      this.#log.info({}, 'the clock goes as it should; ages count again');
    }
    if (this.#doubtedAt === null) this.#trustedOffset = offset;
    return this.#doubtedAt === null;
  }

  /** The time by which archives may be called old: what it would be, while the clock was just set ahead. */
  trustedNow(): Instant {
    const now = this.#clock.now();
    return this.isSteady() ? now : Math.min(now, this.#clock.elapsed() + this.#trustedOffset);
  }
}
