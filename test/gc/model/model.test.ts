import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SEED } from '../../policy/cases.ts';
import { run, shorten } from './run.ts';
import { drawSteps } from './steps.ts';

/** How many things happen, to one node after the other: `STEPS=200000` in CI. */
const STEPS = Number(process.env.STEPS ?? 2_400);
/** To one node. */
const OF_NODE = 160;

it(`a collector, whatever happens (${STEPS} steps, SEED=${SEED})`, async (test) => {
  const counts = { deletions: 0, kills: 0, budgeted: 0 };
  for (let done = 0, seed = SEED; done < STEPS; done += OF_NODE, seed += 1) {
    const steps = drawSteps(seed, OF_NODE);
    const outcome = await run(seed, steps);
    if (outcome.fault !== null) assert.fail(await told(seed, steps));
    counts.deletions += outcome.deletions;
    counts.kills += outcome.kills;
    counts.budgeted += outcome.budgeted;
  }
  test.diagnostic(
    `${counts.deletions} deletions were judged, ${counts.budgeted} of them counted against a budget, and the collector was killed ${counts.kills} times`,
  );
  assert.ok(counts.deletions > STEPS / 20, `only ${counts.deletions} deletions were judged`);
  assert.ok(counts.budgeted > STEPS / 400, `only ${counts.budgeted} were counted against a budget`);
  assert.ok(counts.kills > STEPS / 200, `the collector was killed only ${counts.kills} times`);
});

/** The shortest history that goes wrong in the same node, and how to see it again. */
async function told(seed: number, steps: Parameters<typeof shorten>[1]): Promise<string> {
  const shortest = await shorten(seed, steps);
  const { fault, history } = await run(seed, shortest);
  const again = `SEED=${seed} STEPS=1 npm run test:model`;
  return [`${fault} (${again})`, '', ...history].join('\n');
}
