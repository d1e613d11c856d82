import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Progress } from '../../../gc/telling/progress.ts';
import { CollectorBench, FakeLog, named } from '../collector-bench.ts';

describe('progress', () => {
  it('is told in the log every five seconds while a scan lasts, with counts', () => {
    const log = new FakeLog();
    let elapsed = 0;
    const progress = new Progress({ directory: '/srv', log, elapsed: () => elapsed });
    for (elapsed = 0; elapsed <= 4_000; elapsed += 500)
      progress.report({ phase: 'listing', done: elapsed, of: null });
    assert.equal(log.lines.length, 0);
    for (; elapsed <= 17_000; elapsed += 500)
      progress.report({ phase: 'reading', done: elapsed, of: 20_000 });
    progress.end();
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      [5_000, 10_000, 15_000].map(
        (done) => `reading /srv: ${done} of 20000 archives; nothing is deleted before the end`,
      ),
    );
    assert.deepEqual(log.lines[0]?.fields, { directory: '/srv', phase: 'reading', done: 5_000, of: 20_000 });
  });

  it('is shown to who watches, of the first scan alone, and then ends', async () => {
    const told: string[] = [];
    const watcher = {
      report: ({ phase, done, of }: { phase: string; done: number; of: number | null }) =>
        void told.push(`${phase} ${done} of ${of}`),
      end: () => void told.push('end'),
    };
    const bench = new CollectorBench([], { progress: watcher });
    for (let number = 0; number < 600; number += 1) bench.put(named(number));
    await bench.start();
    await bench.clock.advance(120_000);
    assert.deepEqual(told, ['listing 504 of null', 'listing 600 of 600', 'reading 600 of 600', 'end']);
    await bench.collector.stop();
  });
});
