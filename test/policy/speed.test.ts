import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admit } from '../../policy/admit.ts';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { plan, planNamespace } from '../../policy/plan.ts';
import { judge } from '../../policy/validate.ts';
import { archive, document, GI, NOW, policies, resource } from './build.ts';

/** The small size, and how many times more the large one is. */
const FEW = 2_500;
const TIMES = 8;
/** Linear work takes 8 times as long on the large one, quadratic work 64 times. */
const MOST_GROWTH = 24;

/** Milliseconds of CPU, so that a busy machine does not matter; the best of three, for the first compiles. */
function best(work: () => unknown): number {
  return Math.min(
    ...[1, 2, 3].map(() => {
      const began = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(began);
      return (user + system) / 1_000;
    }),
  );
}

/** That work on many is not quadratic in their number. */
function assertGrowsWith(workOn: (count: number) => () => unknown): void {
  const [few, many] = [best(workOn(FEW)), best(workOn(FEW * TIMES))];
  assert.ok(many < Math.max(few, 1) * MOST_GROWTH, `${few} ms, and ${many} ms with ${TIMES} times as many`);
}

const archivesOf = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    archive(`ns${index % 20}/pod${index % 400}/c${(index >> 11) % 3}`, (index * 7919) % 5000, {
      file: `f${index}`,
    }),
  );
const strict = policies(
  resource({
    globalPolicy: {
      maxCheckpointsPerContainer: 10,
      maxCheckpointsPerPod: 20,
      maxCheckpointsPerNamespace: 3000,
      maxTotalSizePerNamespace: '20Gi',
      timeThreshold: '100d',
      keepLast: 2,
      retainOrphan: false,
      diskPressure: {},
    },
  }),
);

test('a plan of all archives', () => {
  assertGrowsWith((count) => {
    const archives = archivesOf(count);
    return () => plan({ archives }, strict, NOW);
  });
});

test('a plan under pressure', () => {
  const disk = { totalBytes: 2000 * GI, freeBytes: GI, totalInodes: 0, freeInodes: 0 };
  const lax = policies(resource({ globalPolicy: { maxCheckpointsPerPod: 99_999, diskPressure: {} } }));
  assertGrowsWith((count) => {
    const archives = archivesOf(count);
    return () => plan({ archives, disk }, lax, NOW);
  });
});

test('one namespace, and a request to it', () => {
  const request = { namespace: 'ns5', pod: 'pod5', container: 'c1', expectedBytes: 1_000_000 };
  assertGrowsWith((count) => {
    const archives = Array.from({ length: count }, (_, index) =>
      archive(`ns5/pod${index % 40}/c1`, index % 5000),
    );
    return () => {
      planNamespace(archives, strict, NOW);
      admit(request, { archives, reservations: [] }, strict, NOW);
    };
  });
});

for (const [name, more] of [
  ['sound', { maxTotalSize: '1Gi', timeThreshold: '40d' }],
  ['wrong in each', { maxCheckpont: 5, maxTotalSize: '1GB', timeThreshold: 40 }],
  ['for one target', { pod: '*' }],
] as const) {
  test(`a resource of many entries, ${name}`, () => {
    assertGrowsWith((count) => {
      const podPolicies = Array.from({ length: count / 4 }, (_, index) => ({
        namespace: `ns${index % 20}`,
        pod: `pod-${index}`,
        maxCheckpoints: 5,
        ...more,
      }));
      const written = document({ podPolicies });
      const catalog = new PolicyCatalog();
      const { resource: first } = judge(written, catalog);
      if (first) catalog.put(first);
      return () => judge(written, catalog);
    });
  });
}
