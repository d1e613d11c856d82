import { seeded } from '../random.ts';

/** What can happen to a node, with how often it does. */
const WEIGHTS = {
  /** A whole archive is moved in, as old as it says. */
  put: 10,
  /** A runtime writes one behind the door's back, in parts. */
  write: 7,
  /** A runtime writes over one that is there; what it does not reach stays behind its end. */
  overwrite: 3,
  truncate: 2,
  touch: 3,
  rename: 2,
  remove: 4,
  pin: 4,
  unpin: 3,
  hardLink: 1,
  /** Another takes its place, as long and with its mtime. */
  forge: 3,
  foreign: 1,
  policy: 8,
  unpolicy: 3,
  confirm: 2,
  pod: 6,
  api: 4,
  source: 2,
  deaf: 1,
  fault: 2,
  slow: 2,
  disk: 2,
  swapDirectory: 1,
  clock: 1,
  ask: 8,
  kill: 5,
  /** What the next process gets to know of what was read. */
  cache: 3,
  reboot: 1,
  stop: 2,
  /** Nothing happens for some minutes; then the accounts are compared. */
  quiet: 2,
} as const;

export type Action = keyof typeof WEIGHTS;

export const ACTIONS: readonly Action[] = Object.entries(WEIGHTS).flatMap(([action, weight]) =>
  Array<Action>(weight).fill(action as Action),
);

/** One thing that happens. It means something in every state of a node, so that any step can be left out. */
export interface Step {
  readonly action: Action;
  /** Which, how long and how much, for `Dice`. */
  readonly roll: number;
  /** Milliseconds that pass afterwards. */
  readonly waitMs: number;
}

const WAITS = [0, 20, 120, 120, 300, 1_200, 1_200, 5_000, 20_000, 70_000, 400_000] as const;

/** The same steps for the same seed. */
export function drawSteps(seed: number, count: number): Step[] {
  const random = seeded(seed);
  return Array.from({ length: count }, (): Step => {
    const action = ACTIONS[random(ACTIONS.length)] ?? 'put';
    const waitMs = WAITS[random(WAITS.length)] ?? 0;
    return {
      action,
      roll: random(2 ** 26) * 2 ** 26 + random(2 ** 26),
      waitMs: waitMs && waitMs + random(20),
    };
  });
}
