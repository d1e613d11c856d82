import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { PolicyResource } from '../../../policy/types.ts';
import { CollectorBench, HOUR, MINUTE, named, policy } from '../collector-bench.ts';

const SECOND = 1_000;
const PODS = 50;
const OF_EACH = 8;
const ALL = PODS * OF_EACH;

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-protection-'));
after(() => rmSync(scratch, { recursive: true }));

/** What the administrators would do to everything: three archives of each container. */
function broad(applyPoliciesImmediately: boolean): PolicyResource {
  const spec = { applyPoliciesImmediately, globalPolicy: { maxCheckpointsPerContainer: 3 } };
  return policy(spec, { name: 'fleet', uid: 'fleet-1' });
}

/** And what they have exempted from it. */
function narrow(
  applyPoliciesImmediately: boolean,
  { namespace = 'shop', uid = 'shop-1', ...more }: Readonly<Record<string, string>> = {},
): PolicyResource {
  const namespacePolicies = [{ namespace, maxCheckpoints: 1_000, ...more }];
  return policy({ applyPoliciesImmediately, namespacePolicies }, { name: 'shop', uid });
}

function fill(bench: CollectorBench): void {
  for (let pod = 0; pod < PODS; pod += 1)
    for (let number = 0; number < OF_EACH; number += 1)
      bench.put(`checkpoint-${pod}-${number}.tar`, { ageMs: (20 - number) * HOUR, pod: `pod-${pod}` });
}

async function started(resources: readonly PolicyResource[]): Promise<CollectorBench> {
  const bench = new CollectorBench(resources);
  fill(bench);
  await bench.start();
  assert.equal(bench.names.length, ALL);
  return bench;
}

describe('what a policy protects', () => {
  for (const immediately of [true, false]) {
    const says = `applyPoliciesImmediately: ${immediately}`;

    it(`is not deleted at once by a broader one when the policy is removed (${says})`, async () => {
      const bench = await started([broad(immediately), narrow(immediately)]);
      bench.source.set(broad(immediately));
      await bench.clock.advance(2 * HOUR);
      assert.equal(bench.names.length, ALL);
      const [line, ...others] = bench.log.matching(/waits for confirmation/);
      assert.match(line?.message ?? '', /would delete 250 of 400 archives/);
      assert.deepEqual(others, []);
      await bench.collector.stop();
    });

    it(`is not deleted while the policy is removed and made anew (${says})`, async () => {
      const bench = await started([broad(immediately), narrow(immediately)]);
      bench.source.set(broad(immediately));
      await bench.clock.advance(2 * SECOND);
      bench.source.set(broad(immediately), narrow(immediately, { uid: 'shop-2' }));
      await bench.clock.advance(2 * HOUR);
      bench.put('checkpoint-elsewhere.tar', { ageMs: 0, namespace: 'other' });
      await bench.clock.advance(2 * HOUR);
      assert.equal(bench.names.length, ALL + 1);
      assert.equal(bench.log.matching(/a policy is held back no more/).length, 1);
      await bench.collector.stop();
    });

    it(`is not deleted after a mistyped namespace, when the policy acts (${says})`, async () => {
      const bench = await started([broad(immediately), narrow(immediately)]);
      bench.source.set(broad(immediately), narrow(immediately, { namespace: 'shpo' }));
      await bench.clock.advance(2 * MINUTE);
      bench.put('checkpoint-elsewhere.tar', { ageMs: 0, namespace: 'other' });
      await bench.clock.advance(2 * HOUR);
      assert.equal(bench.names.length, ALL + 1);
      assert.equal(bench.log.matching(/waits for confirmation/).length, 1);
      await bench.collector.stop();
    });

    it(`is not deleted between two single runs (${says})`, async () => {
      const options = { stateDirectory: join(scratch, says.replace(': ', '-')) };
      const first = new CollectorBench([broad(immediately), narrow(immediately)], options);
      fill(first);
      await first.start();
      await first.collector.stop();
      const second = new CollectorBench([broad(immediately)], options, first.files);
      await second.start();
      assert.equal(second.names.length, ALL);
      assert.equal(second.log.matching(/waits for confirmation/).length, 1);
      await second.collector.stop();
    });
  }

  it('is protected at once by a new policy, however long that waits to delete', async () => {
    const ages = { globalPolicy: { timeThreshold: '21h' } };
    const bench = await started([policy(ages, { name: 'fleet' })]);
    bench.source.set(policy(ages, { name: 'fleet' }), narrow(false));
    await bench.clock.advance(2 * HOUR);
    assert.equal(bench.names.length, ALL);
    await bench.collector.stop();
  });

  it('is protected by a looser version that waits for the next checkpoint', async () => {
    const aged = (timeThreshold: string) =>
      policy({
        applyPoliciesImmediately: false,
        namespacePolicies: [{ namespace: 'shop', timeThreshold }],
      });
    const bench = await started([aged('21h')]);
    bench.source.set(aged('100d'));
    await bench.clock.advance(2 * HOUR);
    assert.equal(bench.names.length, ALL);
    await bench.collector.stop();
  });

  it('is protected for a minute from a version of its policy that has lost the target', async () => {
    const both = policy({
      namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }],
      podPolicies: [{ namespace: 'shop', pod: 'cart', maxCheckpoints: 100 }],
    });
    const cut = policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] });
    const bench = new CollectorBench([both]);
    for (const number of [1, 2, 3, 4]) bench.put(named(number), { ageMs: (10 - number) * HOUR });
    await bench.start();
    bench.source.set(cut);
    await bench.clock.advance(30 * SECOND);
    assert.equal(bench.names.length, 4);
    bench.source.set(both);
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.names.length, 4);
    bench.source.set(cut);
    await bench.clock.advance(2 * MINUTE);
    assert.deepEqual(bench.names, [named(4)]);
    await bench.collector.stop();
  });

  it('goes a minute after its policy, where so little goes that nobody has to confirm it', async () => {
    const bench = new CollectorBench([broad(true), narrow(true)]);
    for (const number of [1, 2, 3, 4]) bench.put(named(number), { ageMs: (10 - number) * HOUR });
    await bench.start();
    bench.source.set(broad(true));
    await bench.clock.advance(MINUTE - SECOND);
    assert.equal(bench.names.length, 4);
    await bench.clock.advance(2 * SECOND);
    assert.deepEqual(bench.names, [named(2), named(3), named(4)]);
    await bench.collector.stop();
  });
});
