import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { stateDirectoryOf } from '../../../gc/assemble.ts';
import {
  CollectorBench,
  DIRECTORY,
  HOUR,
  type HookedFiles,
  MINUTE,
  named,
  policy,
} from '../collector-bench.ts';

const breaker = { circuitBreaker: { maxShare: '50%', minArchives: 4 } };
const spec = (maxCheckpoints: number) => ({
  ...breaker,
  namespacePolicies: [{ namespace: 'shop', maxCheckpoints }],
});
const orphanSpec = { ...breaker, namespacePolicies: [{ namespace: 'shop', retainOrphan: false }] };

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-state-'));
after(() => rmSync(scratch, { recursive: true }));
let states = 0;
const stateDirectory = () => join(scratch, String(++states));

function ten(bench: CollectorBench): void {
  for (let number = 1; number <= 10; number += 1) bench.put(named(number), { ageMs: (20 - number) * HOUR });
}

async function started(
  resources: ConstructorParameters<typeof CollectorBench>[0],
  options: ConstructorParameters<typeof CollectorBench>[1] = {},
  files?: HookedFiles,
): Promise<CollectorBench> {
  const bench = new CollectorBench(resources, options, files);
  if (files === undefined) ten(bench);
  await bench.start();
  return bench;
}

function memoryIn(state: string): string {
  return readFileSync(join(stateDirectoryOf(state, DIRECTORY), 'circuit-breaker.json'), 'utf8');
}

function digestOf(bench: CollectorBench): string {
  return String(bench.log.matching(/waits for confirmation/)[0]?.fields.digest);
}

describe('the circuit breaker', () => {
  it('holds a new policy that would delete most archives, and says how to let it', async () => {
    const bench = await started([policy(spec(2))]);
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 10);
    const lines = bench.log.matching(/waits for confirmation/);
    assert.equal(lines.length, 1);
    const digest = digestOf(bench);
    assert.match(digest, /^[0-9a-f]{16}$/);
    assert.equal(
      lines[0]?.fields.remedy,
      `kubectl annotate cro -n ops quotas checkpoint.criu.org/confirm=${digest}`,
    );
    assert.match(lines[0]?.message ?? '', /would delete 8 of 10 archives \(72Ki\) at once/);
    assert.match(await bench.metrics.registry.metrics(), /circuit_breaker_tripped 1/);
    await bench.collector.stop();
  });

  const passes = [
    { name: 'deletes half', maxCheckpoints: 5 },
    { name: 'deletes few', maxCheckpoints: 8 },
  ];
  for (const { name, maxCheckpoints } of passes) {
    it(`lets a policy through that ${name}`, async () => {
      const bench = await started([policy(spec(maxCheckpoints))]);
      assert.equal(bench.names.length, maxCheckpoints);
      await bench.collector.stop();
    });
  }

  it('lets it act when the annotation confirms it, also after more archives have come', async () => {
    const bench = await started([policy(spec(2))]);
    const digest = digestOf(bench);
    bench.put(named(11), { ageMs: 0 });
    await bench.clock.advance(5 * MINUTE);
    assert.equal(bench.names.length, 11);
    assert.equal(digestOf(bench), digest);
    bench.source.set(policy(spec(2), { annotations: { 'checkpoint.criu.org/confirm': digest } }));
    await bench.clock.advance(0);
    assert.deepEqual(bench.names, [named(10), named(11)]);
    await bench.collector.stop();
  });

  it('another digest confirms nothing', async () => {
    const annotations = { 'checkpoint.criu.org/confirm': '0123456789abcdef' };
    const bench = await started([policy(spec(2), { annotations })]);
    assert.equal(bench.names.length, 10);
    const [line] = bench.log.matching(/waits for confirmation/);
    assert.match(String(line?.fields.remedy), /confirm=0123456789abcdef,[0-9a-f]{16} --overwrite$/);
    await bench.collector.stop();
  });

  it('--confirm lets it act', async () => {
    const state = stateDirectory();
    const first = await started([policy(spec(2))], { stateDirectory: state });
    const digest = digestOf(first);
    await first.collector.stop();
    const second = await started(
      [policy(spec(2))],
      { stateDirectory: state, confirm: [digest] },
      first.files,
    );
    assert.equal(second.names.length, 2);
    await second.collector.stop();
  });

  it('names the file of a policy that comes from one', async () => {
    const bench = await started([policy(spec(2), {}, 'quotas.yaml')]);
    const [line] = bench.log.matching(/waits for confirmation/);
    const digest = digestOf(bench);
    const annotation = `set the annotation checkpoint.criu.org/confirm: "${digest}" in quotas.yaml`;
    assert.equal(line?.fields.remedy, `${annotation}, or start with --confirm ${digest}`);
    await bench.collector.stop();
  });

  it('holds through a restart with the same digest, and what acted once is not asked again', async () => {
    const state = stateDirectory();
    const first = await started([policy(spec(2))], { stateDirectory: state });
    const digest = digestOf(first);
    await first.collector.stop();
    first.put(named(11), { ageMs: HOUR });
    const second = await started([policy(spec(2))], { stateDirectory: state }, first.files);
    assert.equal(digestOf(second), digest);
    second.source.set(policy(spec(2), { annotations: { 'checkpoint.criu.org/confirm': digest } }));
    await second.clock.advance(0);
    assert.equal(second.names.length, 2);
    await second.collector.stop();
    ten(second);
    const third = await started([policy(spec(2))], { stateDirectory: state }, second.files);
    assert.equal(third.names.length, 2);
    await third.collector.stop();
  });

  it('a changed spec is judged anew; the narrower one acts', async () => {
    const bench = await started([policy(spec(2))]);
    bench.source.set(policy(spec(8)));
    await bench.clock.advance(0);
    assert.equal(bench.names.length, 8);
    bench.source.set(policy(spec(1)));
    await bench.clock.advance(0);
    assert.equal(bench.names.length, 8);
    assert.match(bench.log.matching(/waits for confirmation/)[1]?.message ?? '', /delete 7 of 8/);
    await bench.collector.stop();
  });

  for (const [what, metadata] of [
    ['from a file, known by its name', {}],
    ['of a cluster, under another UID', { uid: 'uid-2' }],
  ] as const) {
    it(`a resource that was removed and made anew is asked again (${what})`, async () => {
      const state = stateDirectory();
      const bench = await started([policy(spec(8))], { stateDirectory: state });
      await bench.clock.advance(3 * MINUTE);
      assert.equal(bench.names.length, 8);
      assert.match(memoryIn(state), /"accepted":"/);
      bench.source.set();
      await bench.clock.advance(3 * MINUTE);
      assert.equal(memoryIn(state), '{"version":1,"resources":{}}\n');
      for (let number = 11; number <= 40; number += 1) bench.put(named(number));
      await bench.clock.advance(MINUTE);
      bench.source.set(policy(spec(8), metadata));
      await bench.clock.advance(3 * MINUTE);
      assert.equal(bench.names.length, 38);
      assert.equal(bench.log.matching(/waits for confirmation/).length, 1);
      await bench.collector.stop();
    });
  }

  it('what only cannot be seen is not forgotten', async () => {
    const state = stateDirectory();
    const bench = await started([policy(spec(8))], { stateDirectory: state });
    await bench.clock.advance(3 * MINUTE);
    bench.source.isFreshNow = false;
    bench.source.set();
    await bench.clock.advance(3 * MINUTE);
    assert.match(memoryIn(state), /"accepted":"/);
    await bench.collector.stop();
  });

  it('a policy that comes while the disk is measured is not judged by a plan it has no part in', async () => {
    const state = stateDirectory();
    const pressure = { globalPolicy: { diskPressure: { highWatermark: '90%' } } };
    const bench = new CollectorBench([policy(pressure, { name: 'disk' })], { stateDirectory: state });
    ten(bench);
    let measured = 0;
    bench.files.before = (operation) => {
      if (operation !== 'statfs' || ++measured !== 2) return;
      bench.source.set(policy(pressure, { name: 'disk' }), policy(spec(2)));
      void bench.collector.stop();
    };
    await bench.start();
    assert.equal(measured, 2);
    // Nothing was judged at all: the plan was not one of the policies that there are now.
    assert.throws(() => memoryIn(state), { code: 'ENOENT' });
    const next = await started([policy(spec(2))], { stateDirectory: state }, bench.files);
    assert.equal(next.names.length, 10);
    assert.match(memoryIn(state), /quotas/);
    await next.collector.stop();
  });

  it('holds only the policy that tripped', async () => {
    const bench = new CollectorBench([
      policy(spec(2)),
      policy({ namespacePolicies: [{ namespace: 'other', maxCheckpoints: 1 }] }, { name: 'other' }),
    ]);
    ten(bench);
    for (const number of [1, 2]) bench.put(`checkpoint-other-${number}.tar`, { namespace: 'other' });
    await bench.start();
    assert.equal(bench.names.length, 11);
    await bench.collector.stop();
  });

  it('a new policy that deletes orphans is still new when their grace period ends', async () => {
    const bench = await started([policy(orphanSpec)]);
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 10);
    assert.equal(bench.log.matching(/waits for confirmation/).length, 1);
    await bench.collector.stop();
  });

  it('and acts when it has lived longer than that', async () => {
    const bench = new CollectorBench([policy(orphanSpec)]);
    ten(bench);
    bench.pods.pods.set('shop/cart', { uid: 'uid-1', configHash: null });
    await bench.start();
    await bench.clock.advance(15 * MINUTE);
    bench.pods.pods.clear();
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 0);
    await bench.collector.stop();
  });

  it('a directory that cannot be read makes no policy accepted', async () => {
    const bench = new CollectorBench([policy(spec(2))]);
    bench.files.real.remove(DIRECTORY);
    await bench.start();
    await bench.clock.advance(HOUR);
    bench.files.real.mkdir(DIRECTORY);
    ten(bench);
    await bench.clock.advance(5 * MINUTE);
    assert.equal(bench.names.length, 10);
    await bench.collector.stop();
  });

  it('what it frees is not counted for disk pressure while it is held', async () => {
    const pressed = { diskPressure: { highWatermark: '90%', lowWatermark: '89%' } };
    const bench = new CollectorBench([
      policy(spec(2)),
      policy({ globalPolicy: pressed }, { name: 'pressure', namespace: 'ops' }),
    ]);
    ten(bench);
    const disk = { totalBytes: 100 * 12288, totalInodes: 1e6, freeInodes: 1e6 };
    bench.files.real.disk = { ...disk, freeBytes: 9 * 12288 };
    bench.files.before = (operation) => {
      const { freeBytes } = bench.files.real.disk;
      if (operation === 'unlink') bench.files.real.disk = { ...disk, freeBytes: freeBytes + 12288 };
    };
    await bench.start();
    assert.equal(bench.names.length, 8);
    await bench.collector.stop();
  });

  describe('is not passed over by archives that it has not seen yet', () => {
    const moved = (bench: CollectorBench) => {
      for (let number = 1; number <= 10; number += 1)
        bench.put(named(number), { ageMs: (20 - number) * HOUR });
    };
    const held = async (bench: CollectorBench) => {
      await bench.clock.advance(2 * MINUTE);
      assert.equal(bench.names.length, 10);
      assert.equal(bench.log.matching(/waits for confirmation/).length, 1);
      await bench.collector.stop();
    };

    it('those that were written a moment before the start', async () => {
      const bench = new CollectorBench([policy(spec(2))]);
      for (let number = 1; number <= 10; number += 1) bench.put(named(number), { ageMs: 10 - number });
      await bench.start();
      await held(bench);
    });

    it('those that are moved into an empty directory', async () => {
      const bench = new CollectorBench([policy(spec(2))]);
      await bench.start();
      await bench.clock.advance(HOUR);
      moved(bench);
      await held(bench);
    });

    it('those that come one after the other within the first minute', async () => {
      const bench = new CollectorBench([policy(spec(2))]);
      bench.put(named(10));
      await bench.start();
      await bench.clock.advance(30_000);
      moved(bench);
      await held(bench);
    });

    it('those of a file system that is mounted later', async () => {
      const bench = new CollectorBench([policy(spec(2))]);
      bench.put('checkpoint-other.tar', { namespace: 'other' });
      await bench.start();
      await bench.clock.advance(HOUR);
      bench.files.real.rename(DIRECTORY, `${DIRECTORY}-below`);
      bench.files.real.mkdir(DIRECTORY);
      moved(bench);
      await held(bench);
    });
  });

  for (const content of ['', '{', 'null', '{"version":1,"resources":{"ops/quotas":{"accepted":7}}}', '[1]']) {
    it(`asks again when its state is spoilt: ${JSON.stringify(content)}`, async () => {
      const state = stateDirectory();
      const first = await started([policy(spec(8))], { stateDirectory: state });
      await first.clock.advance(3 * MINUTE);
      await first.collector.stop();
      const file = join(stateDirectoryOf(state, DIRECTORY), 'circuit-breaker.json');
      assert.match(readFileSync(file, 'utf8'), /"accepted":"[0-9a-f]{64}"/);
      writeFileSync(file, content);
      ten(first);
      const second = await started([policy(spec(2))], { stateDirectory: state }, first.files);
      assert.equal(second.names.length, 10);
      await second.collector.stop();
    });
  }
});
