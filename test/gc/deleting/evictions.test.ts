import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { admit } from '../../../policy/admit.ts';
import type { Decision, PolicyResource } from '../../../policy/types.ts';
import { CollectorBench, HOUR, MINUTE, named, policy } from '../collector-bench.ts';

const SECOND = 1_000;

function keeping(maxCheckpoints: number, more: object = {}, metadata: object = {}): PolicyResource {
  return policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints }], ...more }, metadata);
}

/** A directory with so many archives, `checkpoint-1.tar` the oldest, after the first pass. */
async function started(count: number, resources: readonly PolicyResource[]): Promise<CollectorBench> {
  const bench = new CollectorBench(resources);
  for (let number = 1; number <= count; number += 1)
    bench.put(named(number), { ageMs: (500 - number) * HOUR });
  await bench.start();
  return bench;
}

/** What a request of now would push out. */
function wanted({ parts: { inventory, active }, clock }: CollectorBench): readonly Decision[] {
  const request = { namespace: 'shop', pod: 'cart', container: 'counter', expectedBytes: 1_000 };
  const usage = { archives: inventory.archivesOf('shop'), reservations: [] };
  const verdict = admit(request, usage, active.forRequests, clock.now());
  assert.ok(verdict.admitted, 'message' in verdict ? verdict.message : '');
  return verdict.evict;
}

function filesOf(decisions: readonly Decision[]): string[] {
  return decisions.map(({ archive }) => archive.file);
}

describe('evictions for a checkpoint', () => {
  it('are carried out and told as those of a pass are', async () => {
    const bench = await started(3, [keeping(3)]);
    const evict = wanted(bench);
    assert.deepEqual(filesOf(evict), [named(1)]);
    const { deleted, left } = await bench.parts.evictions.carryOut(evict);
    assert.deepEqual([filesOf(deleted), left], [[named(1)], 0]);
    assert.deepEqual(bench.names, [named(2), named(3)]);
    assert.deepEqual(bench.deletions, [named(1)]);
    const [record] = bench.audit.filter(({ operation }) => operation === 'delete');
    assert.equal(record?.metadata.by, 'checkpoint-warden');
    assert.equal(record?.metadata.rule, 'count');
    await bench.collector.stop();
  });

  it('leave what has changed since the decision', async () => {
    const bench = await started(3, [keeping(3)]);
    const evict = wanted(bench);
    bench.put(named(1), { ageMs: HOUR });
    assert.deepEqual((await bench.parts.evictions.carryOut(evict)).deleted, []);
    assert.equal(bench.names.length, 3);
    await bench.collector.stop();
  });

  it('are for the policies by which the request was judged, and for no others', async () => {
    const bench = await started(3, [keeping(3)]);
    const evicting = bench.parts.evictions.carryOut(wanted(bench));
    bench.source.set(keeping(100));
    const { deleted, left } = await evicting;
    assert.deepEqual([deleted, left], [[], 1]);
    assert.deepEqual(filesOf(wanted(bench)), []);
    assert.equal(bench.names.length, 3);
    await bench.collector.stop();
  });

  it('spare a pin that has come since', async () => {
    const bench = await started(3, [keeping(3)]);
    const evict = wanted(bench);
    bench.pin(named(1));
    assert.deepEqual((await bench.parts.evictions.carryOut(evict)).deleted, []);
    assert.equal(bench.names.includes(named(1)), true);
    await bench.collector.stop();
  });

  it('are withheld while the circuit breaker holds the policy, with a reason', async () => {
    const breaker = { circuitBreaker: { maxShare: '50%', minArchives: 4 } };
    const bench = await started(10, [keeping(2, breaker)]);
    assert.equal(bench.names.length, 10);
    const evict = wanted(bench);
    assert.equal(evict.length, 9);
    const withheld = bench.parts.evictions.withheld(evict);
    assert.equal(withheld.length, 9);
    assert.equal(withheld[0]?.why, "ops/quotas waits for an administrator's confirmation");
    assert.equal((await bench.parts.evictions.carryOut(evict)).left, 9);
    assert.equal(bench.names.length, 10);
    await bench.collector.stop();
  });

  it('are withheld where no pass has judged the policy yet, if they are many', async () => {
    const many = { circuitBreaker: { maxShare: '50%', minArchives: 4 } };
    const bench = await started(10, [keeping(100, many)]);
    // Known, and not judged: the source tells, and the pass has not begun.
    bench.source.set(keeping(2, many));
    assert.equal(bench.parts.evictions.withheld(wanted(bench)).length, 9);
    // One of ten trips nothing.
    bench.source.set(keeping(10, many));
    assert.deepEqual(bench.parts.evictions.withheld(wanted(bench)), []);
    await bench.collector.stop();
  });

  it('may be many once the policy has acted', async () => {
    const total = { circuitBreaker: { maxShare: '50%', minArchives: 2 } };
    const bench = await started(3, [keeping(3, total)]);
    await bench.clock.advance(3 * MINUTE);
    const [first] = wanted(bench);
    assert.ok(first);
    const all = [...bench.parts.inventory.archives()].map((archive) => ({ ...first, archive }));
    assert.deepEqual(bench.parts.evictions.withheld(all), []);
    await bench.collector.stop();
  });

  it('and a pass may want the same archive gone: it is deleted once, and both go on', async () => {
    const bench = await started(3, [keeping(3)]);
    const evict = wanted(bench);
    const { evictions } = bench.parts;
    const both = await Promise.all([evictions.carryOut(evict), evictions.carryOut(evict)]);
    assert.deepEqual(both.map(({ deleted }) => deleted.length).sort(), [0, 1]);
    assert.deepEqual(bench.deletions, [named(1)]);
    assert.equal(bench.log.lines.filter(({ level }) => level !== 'info').length, 0);
    await bench.collector.stop();
  });

  it('go by what waits for the next checkpoint, for this is the one', async () => {
    const bench = await started(3, [keeping(3, { applyPoliciesImmediately: false })]);
    bench.source.set(keeping(5, { applyPoliciesImmediately: false }));
    assert.deepEqual(wanted(bench), []);
    assert.equal(bench.parts.active.pending.length, 1);
    await bench.collector.stop();
  });

  it('go for a minute by what was removed, too: it may be made anew', async () => {
    const broad = policy({ globalPolicy: { maxCheckpointsPerContainer: 1 } }, { name: 'fleet' });
    const bench = await started(3, [broad, keeping(5)]);
    bench.source.set(broad);
    assert.deepEqual(wanted(bench), []);
    await bench.clock.advance(59 * SECOND);
    assert.deepEqual(wanted(bench), []);
    await bench.clock.advance(2 * SECOND);
    assert.deepEqual([...bench.parts.active.forRequests.resources()], [broad], 'whenever the next scan is');
    await bench.collector.stop();
  });
});
