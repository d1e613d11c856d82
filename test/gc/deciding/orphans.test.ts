import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type IdentifiedArchive, MissingPods } from '../../../gc/deciding/missing-pods.ts';
import { Orphans, whyGone } from '../../../gc/deciding/orphans.ts';
import { memoryState } from '../../../gc/system/state.ts';
import type { PodFacts } from '../../../kube/types.ts';
import { createMetrics } from '../../../observe/metrics.ts';
import type { OrphanProof } from '../../../policy/types.ts';
import { CollectorBench, FakeLog, FakePods, HOUR, MINUTE, named, policy } from '../collector-bench.ts';
import { FakeClock, settled } from '../fake-clock.ts';

/** Grace period 10 m, the default. */
const DELETE_ORPHANS = policy({ namespacePolicies: [{ namespace: 'shop', retainOrphan: false }] });
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

/** Archives 1 and 2 of the pod shop/cart (uid-1), 3 of shop/till (uid-2), and one of another namespace. */
function bench(options: ConstructorParameters<typeof CollectorBench>[1] = {}): CollectorBench {
  const made = new CollectorBench([DELETE_ORPHANS], options);
  made.put(named(1), {});
  made.put(named(2), {});
  made.put(named(3), { pod: 'till', uid: 'uid-2' });
  made.put('checkpoint-other.tar', { namespace: 'other', pod: 'gone' });
  made.pods.pods.set('shop/cart', { uid: 'uid-1', configHash: null });
  made.pods.pods.set('shop/till', { uid: 'uid-2', configHash: null });
  return made;
}

const ALL = [named(1), named(2), named(3), 'checkpoint-other.tar'];

describe('orphans', () => {
  it('are deleted once the pod is missing and the grace period is over, and not before', async () => {
    const made = bench();
    await made.start();
    assert.deepEqual(made.names, ALL);
    made.pods.pods.delete('shop/cart');
    await made.clock.advance(6 * MINUTE);
    assert.deepEqual(made.names, ALL);
    const since = made.parts.inventory.get(named(1))?.orphan?.since ?? 0;
    assert.ok(since > 0);
    await made.clock.advance(since + 10 * MINUTE - 1 - made.clock.now());
    assert.deepEqual(made.names, ALL);
    await made.clock.advance(MINUTE);
    assert.deepEqual(made.names, [named(3), 'checkpoint-other.tar']);
    await made.collector.stop();
  });

  it('looks up only pods that matter to a rule, once for all archives of one, and now and then', async () => {
    const made = bench();
    await made.start();
    await made.clock.advance(1_000);
    assert.deepEqual(made.pods.asked.sort(), ['shop/cart', 'shop/till']);
    await made.clock.advance(HOUR);
    // Every half grace period.
    assert.ok(
      made.pods.asked.length >= 2 * 11 && made.pods.asked.length <= 2 * 14,
      `${made.pods.asked.length}`,
    );
    await made.collector.stop();
  });

  it('however many pods there are, they are asked for a second apart, and then less than once a minute', async () => {
    const made = new CollectorBench([DELETE_ORPHANS]);
    for (let each = 0; each < 60; each += 1) made.put(named(each), { pod: `cart-${each}` });
    for (let each = 0; each < 60; each += 1)
      made.pods.pods.set(`shop/cart-${each}`, { uid: 'uid-1', configHash: null });
    await made.start();
    await made.clock.advance(30_000);
    assert.ok(made.pods.asked.length <= 31, `${made.pods.asked.length} in half a minute`);
    await made.clock.advance(31_000);
    assert.equal(new Set(made.pods.asked).size, 60);
    const before = made.pods.asked.length;
    await made.clock.advance(100 * MINUTE);
    const again = made.pods.asked.slice(before);
    assert.ok(again.length >= 55 && again.length <= 61, `${again.length} in 100 minutes`);
    assert.ok(new Set(again).size >= 55, 'in turns');
    await made.collector.stop();
  });

  it('a new archive of a pod that was asked for is no reason to wait', async () => {
    const made = bench();
    await made.start();
    await made.clock.advance(10_000);
    const before = made.pods.asked.length;
    made.put(named(4), { ageMs: 0 });
    await made.clock.advance(MINUTE + 10_000);
    assert.deepEqual(made.pods.asked.slice(before), ['shop/cart']);
    await made.collector.stop();
  });

  it('looks nothing up where no rule deletes orphans', async () => {
    const made = bench();
    made.source.set(policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 9 }] }));
    await made.start();
    await made.clock.advance(HOUR);
    assert.deepEqual(made.pods.asked, []);
    await made.collector.stop();
  });

  it('are looked up for disk pressure too, which evicts them first', async () => {
    const made = bench();
    made.source.set(policy({ globalPolicy: { diskPressure: { highWatermark: '90%' } } }));
    await made.start();
    await made.clock.advance(3_000);
    assert.deepEqual(made.pods.asked.sort(), ['other/gone', 'shop/cart', 'shop/till']);
    await made.collector.stop();
  });

  it('an API server that is away proves nothing and withdraws nothing; when it is back it goes on', async () => {
    const made = bench();
    made.pods.pods.delete('shop/cart');
    await made.start();
    await made.clock.advance(1_000);
    assert.notEqual(made.parts.inventory.get(named(1))?.orphan, null);
    made.pods.away = AWAY;
    await made.clock.advance(3 * HOUR);
    assert.deepEqual(made.names, ALL);
    assert.notEqual(made.parts.inventory.get(named(1))?.orphan, null);
    assert.equal(made.parts.inventory.get(named(3))?.orphan, null);
    assert.equal(made.log.matching(/does not answer look-ups/).length, 1);
    made.pods.away = null;
    await made.clock.advance(3 * MINUTE);
    assert.deepEqual(made.names, [named(3), 'checkpoint-other.tar']);
    assert.equal(made.log.matching(/answers look-ups of pods again/).length, 1);
    await made.collector.stop();
  });

  it('an API server that hangs proves nothing', async () => {
    const made = bench();
    made.pods.pods.clear();
    made.pods.hangs = true;
    await made.start();
    await made.clock.advance(3 * HOUR);
    assert.deepEqual(made.names, ALL);
    await made.collector.stop();
  });

  it('asks less and less of an API server that is away', async () => {
    const made = bench();
    made.pods.away = AWAY;
    await made.start();
    await made.clock.advance(10 * MINUTE);
    assert.equal(made.parts.inventory.get(named(3))?.orphan, null);
    const before = made.pods.asked.length;
    await made.clock.advance(10 * MINUTE);
    assert.ok(
      made.pods.asked.length - before <= 30,
      `${made.pods.asked.length - before} look-ups in ten minutes`,
    );
    await made.collector.stop();
  });

  it('while the policies may be stale nothing is an orphan', async () => {
    const made = bench();
    await made.start();
    made.source.isFreshNow = false;
    made.pods.pods.clear();
    await made.clock.advance(3 * HOUR);
    assert.deepEqual(made.names, ALL);
    made.source.isFreshNow = true;
    await made.clock.advance(20 * MINUTE);
    assert.deepEqual(made.names, ['checkpoint-other.tar']);
    await made.collector.stop();
  });

  it('a pod that is back before the deletion is no orphan, however long it was missing', async () => {
    const made = bench();
    made.pods.pods.delete('shop/cart');
    await made.start();
    await made.clock.advance(9 * MINUTE);
    const { since } = made.parts.inventory.get(named(1))?.orphan ?? { since: 0 };
    await made.clock.advance(since + 10 * MINUTE - 100 - made.clock.now());
    // Between the last look-up and the deletion.
    made.pods.pods.set('shop/cart', { uid: 'uid-1', configHash: null });
    await made.clock.advance(HOUR);
    assert.deepEqual(made.names, ALL);
    assert.equal(made.parts.inventory.get(named(1))?.orphan, null);
    await made.collector.stop();
  });

  it('the grace period goes on through a restart', async () => {
    const store = memoryState();
    const missing = (now: number) => new MissingPods(store, now);
    const identity = { namespace: 'shop', pod: 'cart', container: 'main', podUid: 'uid-1' };
    const archive = { identity } as Parameters<MissingPods['since']>[0];
    const first = missing(1_000);
    assert.equal(first.since(archive, 1_000), 1_000);
    first.save();
    assert.equal(missing(5_000).since(archive, 5_000), 1_000);
    assert.equal(missing(500).since(archive, 500), 500, 'a time in the future counts as now');
    const second = missing(6_000);
    second.found(identity);
    second.save();
    assert.equal(missing(7_000).since(archive, 7_000), 7_000);
  });

  it('what was written into the state file by others is ignored', () => {
    const garbage: readonly unknown[] = [
      null,
      7,
      'x',
      [],
      { version: 2, missingSince: { 'a/b/c': 1 } },
      { version: 1, missingSince: [] },
      { version: 1, missingSince: { 'shop/cart/uid-1': 'yesterday', 'shop/till/': null } },
      { version: 1, missingSince: { 'shop/cart/uid-1': Number.NEGATIVE_INFINITY } },
    ];
    const identity = { namespace: 'shop', pod: 'cart', container: 'main', podUid: 'uid-1' };
    for (const document of garbage) {
      const missing = new MissingPods({ read: () => document, write() {}, retry() {} }, 9_000);
      assert.equal(missing.since({ identity } as Parameters<MissingPods['since']>[0], 9_000), 9_000);
    }
  });

  it('without an API server nothing is an orphan', async () => {
    const made = new CollectorBench([DELETE_ORPHANS], { pods: null });
    made.put(named(1));
    await made.start();
    await made.clock.advance(HOUR);
    assert.deepEqual(made.names, [named(1)]);
    await made.collector.stop();
  });
});

/** Look-ups by themselves; the pod is shop/cart with a grace period of an hour. */
class LookUps {
  readonly clock = new FakeClock();
  readonly pods = new FakePods();
  isTrusted = true;
  /** By file; what a test does not find here nobody has proved. */
  readonly proofs = new Map<string, OrphanProof | null>();
  readonly orphans = new Orphans({
    pods: this.pods,
    missing: new MissingPods(memoryState(), this.clock.now()),
    clock: this.clock,
    isTrusted: () => this.isTrusted,
    onProof: (file, proof) => this.proofs.set(file, proof),
    log: new FakeLog(),
    metrics: createMetrics({ ofProcess: false }),
    random: () => 0.5,
  });

  archive(number: number, modifiedAt = this.clock.now() - HOUR): IdentifiedArchive {
    return {
      file: named(number),
      bytes: 4096,
      allocatedBytes: 4096,
      modifiedAt,
      state: 'complete',
      pinned: false,
      identity: { namespace: 'shop', pod: 'cart', container: 'main', podUid: 'uid-1' },
      staleTailBytes: 0,
      orphan: null,
    };
  }

  watch(...archives: readonly IdentifiedArchive[]): void {
    const watched = { namespace: 'shop', pod: 'cart', graceMs: HOUR, archives };
    this.orphans.watch('shop', null, [watched]);
  }
}

describe('an answer', () => {
  it('proves nothing of an archive that was made after it, of which the pod is looked up at once', async () => {
    const made = new LookUps();
    const first = made.archive(1);
    made.watch(first);
    await made.clock.advance(0);
    assert.equal(made.proofs.get(named(1))?.why, 'absent');
    assert.equal(made.pods.asked.length, 1);
    await made.clock.advance(30_000);
    const second = made.archive(2, made.clock.now() - 1_000);
    made.watch(first, second);
    assert.equal(made.proofs.has(named(2)), false, 'the pod may have been made since');
    assert.equal(made.pods.asked.length, 1);
    await made.clock.advance(0);
    assert.equal(made.pods.asked.length, 2);
    assert.equal(made.proofs.get(named(2))?.why, 'absent');
    made.orphans.stop();
  });

  it('that took its time says nothing of an archive that was made meanwhile', async () => {
    const made = new LookUps();
    const { promise: answer, resolve } = Promise.withResolvers<PodFacts | null>();
    let asked = 0;
    made.pods.get = () => {
      asked += 1;
      return answer;
    };
    const first = made.archive(1);
    made.watch(first);
    await made.clock.advance(5_000);
    const second = made.archive(2, made.clock.now() - 1_000);
    made.watch(first, second);
    await made.clock.advance(4_000);
    resolve(null);
    await settled();
    assert.equal(made.proofs.get(named(1))?.why, 'absent');
    assert.equal(made.proofs.has(named(2)), false, 'when it was asked there was no such archive');
    assert.equal(await made.orphans.confirm(second), 'confirmed', 'by another answer');
    assert.equal(asked, 2);
    made.orphans.stop();
  });

  it('proves something of an archive from the future, too', async () => {
    const made = new LookUps();
    const archive = made.archive(1, made.clock.now() + HOUR);
    made.watch(archive);
    await made.clock.advance(1_000);
    assert.equal(made.proofs.get(named(1))?.why, 'absent');
    assert.equal(await made.orphans.confirm(archive), 'confirmed');
    assert.equal(made.pods.asked.length, 2, 'nobody knows when it was made');
    made.orphans.stop();
  });

  it('confirms nothing once what the API server says may be old', async () => {
    const made = new LookUps();
    const archive = made.archive(1);
    made.watch(archive);
    await made.clock.advance(0);
    assert.equal(await made.orphans.confirm(archive), 'confirmed');
    made.isTrusted = false;
    assert.equal(await made.orphans.confirm(archive), 'unknown');
    assert.equal(made.pods.asked.length, 1, 'the answer is of this moment, so nobody is asked again');
    await made.clock.advance(MINUTE);
    assert.equal(await made.orphans.confirm(archive), 'unknown');
    assert.equal(made.pods.asked.length, 1, 'nobody is asked whose answer would not count');
    made.orphans.stop();
  });

  it('that came while it could not be trusted is forgotten, and the pod is looked up anew', async () => {
    const made = new LookUps();
    const { promise: answer, resolve } = Promise.withResolvers<PodFacts | null>();
    let asked = 0;
    made.pods.get = () => {
      asked += 1;
      return asked === 1 ? answer : Promise.resolve({ uid: 'uid-1', configHash: null });
    };
    const archive = made.archive(1);
    made.watch(archive);
    await made.clock.advance(0);
    made.isTrusted = false;
    resolve(null);
    await settled();
    made.isTrusted = true;
    made.watch(archive);
    assert.equal(made.orphans.isSettled, false);
    assert.equal(made.proofs.has(named(1)), false);
    assert.equal(await made.orphans.confirm(archive), 'disproved');
    assert.equal(asked, 2);
    made.orphans.stop();
  });
});

describe('whether a pod is gone', () => {
  const identity = { namespace: 'shop', pod: 'cart', container: 'main', podUid: 'uid-1' };
  const rows = [
    { name: 'not found', podUid: 'uid-1', facts: null, why: 'absent' },
    { name: 'the same', podUid: 'uid-1', facts: { uid: 'uid-1', configHash: null }, why: null },
    {
      name: 'another of that name',
      podUid: 'uid-1',
      facts: { uid: 'uid-9', configHash: null },
      why: 'replaced',
    },
    {
      name: 'a static pod, known by the hash of its file',
      podUid: 'hash',
      facts: { uid: 'uid-of-the-mirror', configHash: 'hash' },
      why: null,
    },
    {
      name: 'a static pod whose file was changed',
      podUid: 'hash',
      facts: { uid: 'uid-of-the-mirror', configHash: 'other' },
      why: 'replaced',
    },
    {
      name: 'no uid in the archive, a pod of that name',
      podUid: null,
      facts: { uid: 'u', configHash: null },
      why: null,
    },
    { name: 'no uid in the archive, no pod of that name', podUid: null, facts: null, why: 'absent' },
  ];
  for (const { name, podUid, facts, why } of rows) {
    it(name, () => assert.equal(whyGone({ ...identity, podUid }, facts), why));
  }
});
