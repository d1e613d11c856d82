import assert from 'node:assert/strict';
import { PolicySet } from '../../policy/govern.ts';
import { plan } from '../../policy/plan.ts';
import type { PolicyResource, Rule } from '../../policy/types.ts';
import { holds } from './cases.ts';
import { referencePlan } from './reference.ts';
import { Tally } from './tally.ts';
import { NOW, type World, worlds } from './worlds.ts';

/** Compares each decision; counts the ways in which archives go and stay. */
function compare({ resources, inventory }: World, tally: Tally): void {
  const expected = referencePlan(inventory, resources, NOW);
  const { decisions } = plan(inventory, new PolicySet(resources), NOW);
  assert.equal(decisions.length, inventory.archives.length);
  const seen = decisions.map(({ archive, action, rule, policy, resource }) => {
    const by = action === 'keep' ? null : (policy ?? resource);
    return { file: archive.file, action, rule, by: by === null ? null : nameOf(by) };
  });
  const wanted = inventory.archives.map(({ file }) => {
    const fate = expected.get(file);
    return { file, action: fate?.action, rule: fate?.rule, by: fate?.by ? nameOf(fate.by) : null };
  });
  assert.deepEqual(seen, wanted);
  for (const { action, rule, policy, reason } of decisions) {
    tally.add(`${action} ${rule} ${policy?.resource.authority ?? 'nobody'}`);
    if (rule === 'pressure') tally.add(reason.slice(reason.lastIndexOf('; ') + 2));
  }
}

const tally = new Tally();
holds('plan decides as the slow reference does', worlds(), (world) => compare(world, tally), {
  // None of the ways in which an archive can go or stay may fall out of what is generated.
  afterwards: (cases) =>
    tally.expect(cases, {
      'delete tainted administrator': 0.03,
      'delete orphan administrator': 0.03,
      'delete size administrator': 0.03,
      'delete age administrator': 0.03,
      'delete count administrator': 0.04,
      'delete total administrator': 0.03,
      'delete pressure administrator': 0.03,
      'delete unidentified nobody': 0.03,
      'delete tainted tenant': 0.01,
      'delete orphan tenant': 0.01,
      'delete size tenant': 0.01,
      'delete age tenant': 0.01,
      'delete count tenant': 0.01,
      'delete total tenant': 0.005,
      'keep keepLast administrator': 0.03,
      'keep keepLast tenant': 0.01,
      'keep pinned administrator': 0.1,
      'keep pinned tenant': 0.05,
      'keep pinned nobody': 0.05,
      'keep unidentified nobody': 0.1,
      'keep none administrator': 0.2,
      'keep none tenant': 0.2,
      'keep none nobody': 0.1,
    }),
});

const pressed = new Tally();
holds(
  'under pressure plan decides as the slow reference does',
  worlds({ pressed: true }),
  (world) => compare(world, pressed),
  {
    afterwards: (cases) =>
      pressed.expect(cases, {
        'delete pressure administrator': 0.5,
        'orphans go first': 0.1,
        'its namespace takes more than an equal share': 0.1,
        'the oldest go': 0.1,
        'keep keepLast administrator': 0.1,
      }),
  },
);

function nameOf(by: Rule | PolicyResource): string {
  if (!('field' in by)) return by.reference.name;
  return `${by.resource.reference.name} ${by.field}`;
}
