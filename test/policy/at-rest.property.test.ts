import assert from 'node:assert/strict';
import { isAtRest } from '../../policy/at-rest.ts';
import { PolicySet } from '../../policy/govern.ts';
import { planDeletions, planNamespace } from '../../policy/plan.ts';
import { holds } from './cases.ts';
import { Tally } from './tally.ts';
import { NOW, worlds } from './worlds.ts';

const tally = new Tally();
holds(
  'what is at rest has a plan without a deletion, a doubt and a due time, and no plan is another for having looked',
  worlds({ withoutDisk: true }),
  ({ resources, inventory }) => {
    const policies = new PolicySet(resources);
    const named = inventory.archives.filter(({ identity }) => identity !== null);
    const pods = Map.groupBy(named, ({ identity }) => `${identity?.namespace}/${identity?.pod}`);
    for (const archives of pods.values()) {
      const { decisions, unmet, nextDue } = planNamespace(archives, policies, NOW);
      const deletions = decisions.filter(({ action }) => action === 'delete');
      const plan = planDeletions(archives, policies, NOW);
      assert.deepEqual(plan.unmet, unmet);
      assert.deepEqual([plan.archives, plan.nextDue], [decisions.length, nextDue]);
      assert.deepEqual(
        plan.deletions.map(({ archive, reason }) => [archive.file, reason]).sort(),
        deletions.map(({ archive, reason }) => [archive.file, reason]).sort(),
      );
      const atRest = isAtRest(archives, policies, NOW);
      if (atRest) assert.deepEqual([deletions, unmet, nextDue], [[], [], null]);
      const isGoverned = decisions.some(({ policy }) => policy !== null);
      tally.add(atRest && isGoverned ? 'at rest and governed' : atRest ? 'at rest' : 'not at rest');
    }
  },
  { afterwards: (cases) => tally.expect(cases, { 'at rest and governed': 0.05, 'not at rest': 0.1 }) },
);
