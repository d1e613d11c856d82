import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usageIn } from '../../../gc/schedule/usage.ts';

test("the kubelet's summary, by pod and container", () => {
  // As kubelet 1.36 answers to only_cpu_and_memory, shortened.
  const summary = {
    node: { nodeName: 'node1', cpu: { usageNanoCores: 1_000_000_000 } },
    pods: [
      {
        podRef: { name: 'cart', namespace: 'shop', uid: 'u-1' },
        containers: [
          { name: 'main', cpu: { usageNanoCores: 250_000_000 }, memory: { workingSetBytes: 4_096 } },
          { name: 'new', cpu: {}, memory: { workingSetBytes: 'many' } },
        ],
      },
      { podRef: { uid: 'u-2' } },
      'rubbish',
    ],
  };
  assert.deepEqual(
    [...usageIn(summary)],
    [
      ['u-1/main', { cpuCores: 0.25, memoryBytes: 4_096 }],
      ['u-1/new', { cpuCores: null, memoryBytes: null }],
    ],
  );
});

for (const rubbish of [null, 'text', {}, { pods: 7 }]) {
  test(`${JSON.stringify(rubbish)} is no summary`, () => {
    assert.throws(() => usageIn(rubbish), /no list of pods/);
  });
}
