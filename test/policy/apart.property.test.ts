import assert from 'node:assert/strict';
import { fitsWhole, standsAlone } from '../../policy/apart.ts';
import { PolicySet } from '../../policy/govern.ts';
import { planDeletions, planNamespace } from '../../policy/plan.ts';
import type { Archive, Decision } from '../../policy/types.ts';
import { holds } from './cases.ts';
import { Tally } from './tally.ts';
import { NOW, worlds } from './worlds.ts';

function fates(decisions: readonly Decision[]): string[] {
  return decisions
    .map(({ archive, action, rule, reason, field = '' }) =>
      [archive.file, action, rule, reason, field].join(' '),
    )
    .sort();
}

const tally = new Tally();
holds(
  'where pods may be planned apart, their plans are that of the namespace',
  worlds({ withoutDisk: true }),
  ({ resources, inventory }) => {
    const policies = new PolicySet(resources);
    const named = inventory.archives.filter(({ identity }) => identity !== null);
    for (const [namespace = '', archives] of Map.groupBy(named, ({ identity }) => identity?.namespace)) {
      const bytes = archives.reduce((sum, each) => sum + each.bytes, 0);
      if (!fitsWhole(namespace, { archives: archives.length, bytes }, policies)) {
        tally.add('a limit joins them');
        continue;
      }
      const pods = [...Map.groupBy(archives, podOf).values()];
      const plans = pods.map((own) => planNamespace(own, policies, NOW));
      if (!pods.every((own) => standsAlone(planDeletions(own, policies, NOW)))) {
        tally.add('not alone');
        continue;
      }
      const whole = planNamespace(archives, policies, NOW);
      assert.deepEqual(fates(plans.flatMap(({ decisions }) => decisions)), fates(whole.decisions));
      assert.deepEqual(whole.unmet, []);
      const deletions = pods.flatMap((own) => planDeletions(own, policies, NOW).deletions);
      assert.deepEqual(fates(deletions), fates(whole.decisions.filter(({ action }) => action === 'delete')));
      if (plans.length > 1 && whole.decisions.some(({ action }) => action === 'delete')) {
        tally.add('deletions, several pods');
      }
    }
  },
  {
    afterwards: (cases) =>
      tally.expect(cases, { 'a limit joins them': 0.1, 'not alone': 0.05, 'deletions, several pods': 0.02 }),
  },
);

function podOf({ identity }: Archive): string | undefined {
  return identity?.pod;
}
