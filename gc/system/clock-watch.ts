import type { Log } from '../../kube/types.ts';
import { formatDuration } from '../../policy/duration.ts';
import { isObject } from '../../policy/json.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from './clock.ts';
import type { StateStore } from './state.ts';

/** Clocks are slewed by less; a step of more is somebody's doing, or a machine that has slept. */
const JUMP_MS = 60_000;
/** How long a new time has to stand before archives are as old as it says. */
const DOUBT_MS = 600_000;

/** The name of its document, which outlives the process: who restarts the collector does not thereby believe the clock. */
const DOCUMENT = 'clock';

/** The last step in doubt, by the clock as it is since. */
interface Step {
  readonly at: Instant;
  /** By how much the time is ahead of the one that was trusted; negative where it is behind. */
  readonly aheadMs: number;
}

/**
 * Whether the time can be believed. A clock that is set a year ahead for a moment makes everything a year old, and
 * what is deleted then does not come back when it is set right.
 */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onStep: () => void;
  readonly #store: StateStore | null;
  /** The time less what has passed since the process began. */
  #offset: number;
  #doubtedAt: number | null = null;
  /** The same before the steps that are in doubt. */
  #trustedOffset: number;

  /**
   * @param onStep called when the clock was set: what was planned by its former time no longer holds.
   * @param store where a doubt outlives the process.
   */
  constructor(clock: Clock, log: Log, onStep: () => void, store: StateStore | null = null) {
    this.#clock = clock;
    this.#log = log;
    this.#onStep = onStep;
    this.#store = store;
    this.#offset = clock.now() - clock.elapsed();
    this.#trustedOffset = this.#offset;
    const step = stepIn(store?.read(DOCUMENT));
    if (step !== null) this.#goOnDoubting(step);
  }

  /** Where the clock was set anew meanwhile the doubt may end early: nothing is known then of what it was before. */
  #goOnDoubting({ at, aheadMs }: Step): void {
    const since = this.#clock.now() - at;
    if (since < 0 || since >= DOUBT_MS) return;
    this.#doubtedAt = this.#clock.elapsed() - since;
    this.#trustedOffset = this.#offset - aheadMs;
    this.#log.warn(
      { aheadMs },
      `the clock was set before the restart; for ${formatDuration(DOUBT_MS - since)} nothing is deleted for its age`,
    );
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
      const doubted: Step = { at: this.#clock.now(), aheadMs: offset - this.#trustedOffset };
      this.#store?.write(DOCUMENT, doubted);
      this.#onStep();
    } else if (this.#doubtedAt !== null && elapsed - this.#doubtedAt >= DOUBT_MS) {
      this.#doubtedAt = null;
      this.#store?.write(DOCUMENT, null);
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

function stepIn(document: unknown): Step | null {
  if (!isObject(document)) return null;
  const { at, aheadMs } = document;
  if (typeof at !== 'number' || typeof aheadMs !== 'number') return null;
  return Number.isFinite(at) && Number.isFinite(aheadMs) ? { at, aheadMs } : null;
}
