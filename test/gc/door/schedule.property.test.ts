import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSame } from '../../../gc/door/container.ts';
import { SEED } from '../../policy/cases.ts';
import { DIRECTORY, FakeNode } from './fake-node.ts';
import type { Course } from './fake-runtime.ts';

const RUNS = Math.max(60, Math.round(Number(process.env.CASES ?? 0) / 50));

/** Two of them have one file name. */
const CONTAINERS = ['shop/cart/main', 'shop/cart/side', 'shop/till/main', 'a/twin/b-c', 'a-b/twin/c'];
const OF_CONTAINER = 2;
const OF_NAMESPACE = 3;
const BYTES_OF_NAMESPACE = 25 * 1024;
const MOST_BYTES = 10 * 1024;

const LIMITS = {
  globalPolicy: {
    maxCheckpointsPerContainer: OF_CONTAINER,
    maxCheckpointsPerNamespace: OF_NAMESPACE,
    maxTotalSizePerNamespace: '25Ki',
    maxCheckpointSize: '10Ki',
  },
};

/** Archives may come up to the end of what the door waits for: 10 s after an error, 30 s where nobody knows. */
const courses: fc.Arbitrary<Course> = fc
  .record({
    answer: fc.constantFrom('ok', 'ok', 'ok', 'failed', 'lost', 'unknown', 'notRunning', 'unsent', 'frozen'),
    answerMs: fc.integer({ min: 1, max: 9_000 }),
    comes: fc.boolean(),
    after: fc.integer({ min: 0, max: 8_000 }),
    bytes: fc.integer({ min: 4_096, max: MOST_BYTES - 1_024 }),
  })
  .map(({ answer, answerMs, comes, after, bytes }): Course => {
    if (answer === 'ok') return { answer, answerMs, bytes, archiveMs: comes ? answerMs - 1 : null };
    const mayCome = answer === 'failed' || answer === 'frozen' || answer === 'lost';
    const late = answer === 'lost' ? after * 3 : after;
    return { answer, answerMs, bytes, archiveMs: comes && mayCome ? answerMs + late : null };
  });

type Step =
  | { readonly do: 'ask'; readonly container: string; readonly course: Course; readonly leaves: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'kill' }
  | { readonly do: 'delete'; readonly which: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      container: fc.constantFrom(...CONTAINERS),
      course: courses,
      leaves: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('delete' as const), which: fc.nat(20) }),
  },
);

for (const whenFull of ['RejectNew', 'EvictOldest'] as const) {
  test(`${whenFull}: whatever happens in whatever order, no limit is exceeded and nothing is promised for ever`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (schedule) => {
        const node = new FakeNode();
        node.govern({ globalPolicy: { ...LIMITS.globalPolicy, whenFull } });
        await node.start();
        node.runtime.onWrite = (file) => {
          requireLimits(node);
          void node.door?.inventory.look([file]);
        };
        for (const step of schedule) await take(node, step);
        await node.clock.advance(120_000);
        requireLimits(node);
        assert.deepEqual(node.runtime.overwritten, [], 'one archive was written over another');
        assert.deepEqual(node.door?.ledger.reserved(), [], 'something is promised for ever');
        await requireAllRoom(node, whenFull);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
}

async function take(node: FakeNode, step: Step): Promise<void> {
  switch (step.do) {
    case 'ask': {
      node.runtime.courses.push(step.course);
      const leaving = new AbortController();
      node.ask(step.container, { signal: leaving.signal });
      if (step.leaves) node.clock.after(700, () => leaving.abort(new Error('gone')));
      break;
    }
    case 'wait':
      await node.clock.advance(step.ms);
      break;
    case 'kill':
      node.kill();
      await node.start();
      break;
    case 'delete': {
      const files = node.onDisk();
      const file = files[step.which % Math.max(1, files.length)];
      if (file === undefined) break;
      node.files.remove(`${DIRECTORY}/${file}`);
      await node.door?.inventory.look([file]);
    }
  }
}

function requireLimits(node: FakeNode): void {
  const files = node.onDisk().flatMap((file) => {
    const owner = node.runtime.owners.get(file);
    return owner === undefined
      ? []
      : [{ owner, bytes: node.files.lstat(`${DIRECTORY}/${file}`)?.bytes ?? 0 }];
  });
  for (const { owner } of files) {
    const ofContainer = files.filter((each) => isSame(each.owner, owner));
    const ofNamespace = files.filter((each) => each.owner.namespace === owner.namespace);
    const bytes = ofNamespace.reduce((sum, each) => sum + each.bytes, 0);
    assert.ok(ofContainer.length <= OF_CONTAINER, `${ofContainer.length} of one container`);
    assert.ok(ofNamespace.length <= OF_NAMESPACE, `${ofNamespace.length} of one namespace`);
    assert.ok(bytes <= BYTES_OF_NAMESPACE, `${bytes} bytes of one namespace`);
  }
}

/** With the directory empty, as much is let through as the limits allow. */
async function requireAllRoom(node: FakeNode, whenFull: 'RejectNew' | 'EvictOldest'): Promise<void> {
  for (const file of node.onDisk()) node.files.remove(`${DIRECTORY}/${file}`);
  await node.door?.inventory.scan();
  node.runtime.courses.length = 0;
  node.runtime.standard = { answer: 'ok', answerMs: 100, archiveMs: 90, bytes: 4_096 };
  const asked = Array.from({ length: OF_CONTAINER + 1 }, () => node.ask('shop/cart/main'));
  await node.clock.advance(20_000);
  assert.deepEqual(
    asked.map(({ reply }) => reply?.status),
    [200, 200, whenFull === 'RejectNew' ? 507 : 200],
  );
  assert.equal(node.onDisk().length, OF_CONTAINER);
}
