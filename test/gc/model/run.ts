import { requireEnd } from './accounts.ts';
import { take } from './actions.ts';
import { ModelNode } from './node.ts';
import type { Step } from './steps.ts';

/** What came of one life of a node. */
export interface Outcome {
  /** What was wrong; null when nothing was. */
  readonly fault: string | null;
  readonly history: readonly string[];
  readonly deletions: number;
  readonly kills: number;
  /** Deletions that were counted against a budget. */
  readonly budgeted: number;
}

/** Lets these steps happen to a new node, and ends at the first that shows something wrong. */
export async function run(seed: number, steps: readonly Step[]): Promise<Outcome> {
  const node = new ModelNode(seed);
  const { judge, history } = node;
  try {
    await node.wait(0);
    for (const step of steps) {
      await take(node, step);
      if (judge.fault !== null) break;
    }
    if (judge.fault === null) await requireEnd(node);
  } catch (error) {
    judge.fail(`the model itself failed: ${error instanceof Error ? error.stack : error}`);
  }
  node.process?.life.die();
  node.process?.life.die();
  const { fault, deletions, budgets } = judge;
  return { fault, history, deletions, kills: node.kills, budgeted: budgets.counted };
}

const MOST_RUNS = 400;

/** As few of the steps as go wrong as well (delta debugging): halves are left out, then quarters, down to single ones. */
export async function shorten(seed: number, steps: readonly Step[]): Promise<readonly Step[]> {
  let left = steps;
  let runs = 0;
  for (let size = Math.ceil(left.length / 2); size >= 1 && runs < MOST_RUNS; ) {
    let isShorter = false;
    for (let from = 0; from < left.length && runs < MOST_RUNS; ) {
      const fewer = left.toSpliced(from, size);
      runs += 1;
      const { fault } = await run(seed, fewer);
      if (fault === null) from += size;
      else {
        left = fewer;
        isShorter = true;
      }
    }
    if (size === 1 && !isShorter) break;
    if (!isShorter || size > left.length) size = Math.max(1, Math.floor(size / 2));
  }
  return left;
}
