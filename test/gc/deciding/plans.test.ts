import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PolicySet } from '../../../policy/govern.ts';
import { plan } from '../../../policy/plan.ts';
import type { Decision, PolicyResource } from '../../../policy/types.ts';
import { SEED } from '../../policy/cases.ts';
import { CollectorBench, HOUR, named, policy } from '../collector-bench.ts';
import { seeded } from '../random.ts';

const LIMITS: readonly [name: string, spec: object][] = [
  ['on containers', { globalPolicy: { maxCheckpointsPerContainer: 2 } }],
  ['on namespaces', { globalPolicy: { maxCheckpointsPerContainer: 3, maxCheckpointsPerNamespace: 6 } }],
  ['on one namespace', { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 5, keepLast: 1 }] }],
  ['on age, with a floor', { globalPolicy: { timeThreshold: '10h', keepLast: 1 } }],
  ['and a budget', { globalPolicy: { maxCheckpointsPerPod: 2 }, deletionBudget: { maxArchivesPerPass: 3 } }],
];

describe('the plan in parts', () => {
  for (const [name, spec] of LIMITS) {
    it(`is the plan of the whole after each change, with limits ${name} (seed ${SEED})`, async () => {
      const dice = seeded(SEED);
      const resource = policy({ ...spec, circuitBreaker: { maxShare: '100%' } });
      const bench = new CollectorBench([resource], { dryRun: true, pods: null });
      await bench.start();
      for (let step = 0; step < 30; step += 1) {
        const file = named(dice(30));
        if (dice(4) === 0 && bench.rawNames.includes(file)) bench.files.real.remove(bench.at(file));
        else if (dice(6) === 0) bench.pin(file);
        else {
          const pod = `pod-${dice(3)}`;
          bench.put(file, { namespace: ['shop', 'bank'][dice(2)] ?? '', pod, ageMs: dice(12) * HOUR });
        }
        await bench.clock.advance(dice(3) * HOUR + 3_000);
        assert.deepEqual(fates(bench.collector.report?.plan.deletions ?? []), wanted(bench, resource));
      }
      await bench.collector.stop();
    });
  }

  it('costs an archive that comes the archives of its pod, however many others there are', async () => {
    const limits = { maxCheckpointsPerContainer: 1_000, maxCheckpointsPerNamespace: 100_000 };
    const bench = new CollectorBench([policy({ globalPolicy: limits })]);
    for (let number = 0; number < 1_000; number += 1)
      bench.put(named(number), { pod: `pod-${number % 100}` });
    await bench.start();
    const { inventory } = bench.parts;
    const archivesOf = inventory.archivesOf.bind(inventory);
    const lookedAt: number[] = [];
    inventory.archivesOf = (namespace, pod) => {
      const archives = archivesOf(namespace, pod);
      lookedAt.push(archives.length);
      return archives;
    };
    bench.put(named(1_000), { pod: 'pod-7', ageMs: 0 });
    await bench.clock.advance(3_000);
    assert.equal(inventory.totals().growing, 0);
    // Once for the plan, once for the pods that are looked up.
    assert.deepEqual(lookedAt, [11, 11]);
    await bench.collector.stop();
  });
});

function wanted({ parts: { inventory }, clock }: CollectorBench, resource: PolicyResource): string[] {
  const archives = [...inventory.archives()].filter(({ state }) => state === 'complete');
  return fates(plan({ archives }, new PolicySet([resource]), clock.now()).decisions);
}

function fates(decisions: readonly Decision[]): string[] {
  return decisions
    .filter(({ action }) => action === 'delete')
    .map(({ archive, rule, field = '', reason }) =>
      // Of an age it says how old it is by now.
      [archive.file, rule, field, rule === 'age' ? '' : reason].join(' '),
    )
    .sort();
}
