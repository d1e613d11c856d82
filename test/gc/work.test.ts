import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { archive, CONTAINERD_ANNOTATIONS, entry, spec } from './archives.ts';
import { CollectorBench, named, policy } from './collector-bench.ts';

const MIB = 1_048_576;
const OTHERS = 1_000;

/** What was asked of the file system and of the API server. */
interface Work {
  readonly list: number;
  readonly lstat: number;
  readonly open: number;
  readonly bytesRead: number;
  readonly pods: number;
}

/** A collector of a thousand archives of a hundred pods, at rest. */
async function atRest(spec: object, afterMs = 101_000): Promise<CollectorBench> {
  const bench = new CollectorBench([policy(spec)]);
  const containers = Array.from({ length: 100 }, (_, index) => `pod-${index}`);
  for (const pod of containers) bench.pods.pods.set(`shop/${pod}`, { uid: 'uid-1', configHash: null });
  for (let number = 0; number < OTHERS; number += 1) bench.put(named(number), { pod: `pod-${number % 100}` });
  await bench.start();
  // A pod a second is looked up.
  await bench.clock.advance(afterMs);
  return bench;
}

async function workOf(bench: CollectorBench, act: () => Promise<void>): Promise<Work> {
  const { calls } = bench.files.real;
  const [before, asked] = [{ ...calls }, bench.pods.asked.length];
  await act();
  return {
    list: calls.list - before.list,
    lstat: calls.lstat - before.lstat,
    open: calls.open - before.open,
    bytesRead: calls.bytesRead - before.bytesRead,
    pods: bench.pods.asked.length - asked,
  };
}

const LIMITS = { globalPolicy: { maxCheckpointsPerContainer: 1_000, retainOrphan: false } };

describe('the work of a collector at rest', () => {
  for (const pages of [1_000, 32 * MIB]) {
    it(`for one archive that comes, of ${pages} bytes, is that archive`, async () => {
      const bench = await atRest(LIMITS);
      const work = await workOf(bench, async () => {
        const annotations = { ...CONTAINERD_ANNOTATIONS, 'io.kubernetes.cri.sandbox-name': 'pod-7' };
        const content = archive(
          entry('pages-1.img', Buffer.alloc(pages)),
          entry('spec.dump', spec(annotations)),
        );
        bench.files.real.write(bench.at(named(OTHERS)), content, bench.clock.now());
        await bench.clock.advance(3_000);
      });
      assert.equal(bench.parts.inventory.get(named(OTHERS))?.identity?.pod, 'pod-7');
      assert.deepEqual([work.list, work.open], [0, 1]);
      // It and its pin, when it came and when it had stood still.
      assert.ok(work.lstat <= 6, `${work.lstat} looks`);
      assert.ok(work.bytesRead <= 64 * 1_024, `${work.bytesRead} bytes`);
      assert.ok(work.pods <= 1, `${work.pods} pods`);
      await bench.collector.stop();
    });
  }

  it('for a policy that concerns all is none of the disk', async () => {
    const bench = await atRest(LIMITS);
    const work = await workOf(bench, async () => {
      bench.source.set(policy({ globalPolicy: { ...LIMITS.globalPolicy, maxCheckpointsPerContainer: 900 } }));
      await bench.clock.advance(1_000);
    });
    assert.deepEqual(work, { list: 0, lstat: 0, open: 0, bytesRead: 0, pods: 0 });
    await bench.collector.stop();
  });

  it('between rescans is none', async () => {
    const bench = await atRest({ globalPolicy: { maxCheckpointsPerContainer: 1_000 } }, 10_000);
    const work = await workOf(bench, () => bench.clock.advance(30_000));
    assert.deepEqual(work, { list: 0, lstat: 0, open: 0, bytesRead: 0, pods: 0 });
    await bench.collector.stop();
  });
});
