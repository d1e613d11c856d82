import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CollectorBench, HOUR, MINUTE, named, policy } from './collector-bench.ts';
import { FakeClock } from './fake-clock.ts';

describe('rescans', () => {
  for (const [tookMs, expectedMs] of [
    [0, MINUTE],
    [100, MINUTE],
    [400, 200_000],
    [7_000, 5 * MINUTE],
  ] as const) {
    it(`after a scan of ${tookMs} ms the next one begins ${expectedMs} ms after it began`, async () => {
      const clock = new FakeClock();
      const bench = new CollectorBench([], { clock });
      const scans: number[] = [];
      bench.files.before = (operation) => {
        if (operation !== 'list') return;
        scans.push(clock.now());
        clock.set(clock.now() + tookMs);
      };
      await bench.start();
      await clock.advance(6 * MINUTE);
      assert.equal((scans[1] ?? 0) - (scans[0] ?? 0), expectedMs);
      await bench.collector.stop();
    });
  }
});

describe('a disk that policies mind', () => {
  it('is measured every minute, however long a scan takes', async () => {
    const clock = new FakeClock();
    const pressed = { globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '80%' } } };
    const bench = new CollectorBench([policy(pressed)], { clock });
    let [scans, measured] = [0, 0];
    bench.files.before = (operation) => {
      if (operation === 'statfs') measured += 1;
      if (operation !== 'list') return;
      scans += 1;
      clock.set(clock.now() + 7_000);
    };
    await bench.start();
    const [scansBefore, measuredBefore] = [scans, measured];
    await clock.advance(4 * MINUTE + 1_000);
    assert.equal(scans, scansBefore);
    assert.equal(measured, measuredBefore + 4);
    await bench.collector.stop();
  });
});

describe('a policy that comes in the middle of a pass', () => {
  it('is judged by a plan of its own: the breaker holds it', async () => {
    const breaker = { circuitBreaker: { maxShare: '50%', minArchives: 4 } };
    const pressed = {
      ...breaker,
      globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '80%' } },
    };
    const strict = { ...pressed, namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] };
    const bench = new CollectorBench([policy(pressed)]);
    for (let number = 0; number < 10; number += 1) bench.put(named(number), { ageMs: (20 - number) * HOUR });
    await bench.start();
    let measured = 0;
    bench.files.before = (operation) => {
      // While the disk is measured, when all is planned.
      if (operation === 'statfs' && ++measured === 2) bench.source.set(policy(strict));
    };
    await bench.clock.advance(5 * MINUTE);
    assert.ok(measured >= 2);
    assert.equal(bench.log.matching(/waits for confirmation/).length, 1);
    assert.equal(bench.names.length, 10);
    await bench.collector.stop();
  });
});
