import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../../gc/system/clock.ts';
import { ClockWatch } from '../../../gc/system/clock-watch.ts';
import { memoryState, type StateStore } from '../../../gc/system/state.ts';
import { FakeLog } from '../collector-bench.ts';
import { FakeClock } from '../fake-clock.ts';

const MINUTE = 60_000;
const YEAR = 365 * 24 * 60 * MINUTE;

class Bench {
  readonly clock = new FakeClock();
  readonly store: StateStore = memoryState();
  readonly log = new FakeLog();
  steps = 0;
  watch = this.restart();

  /** Another process: what has passed is counted from its own beginning. */
  restart(): ClockWatch {
    const { clock } = this;
    const began = clock.elapsed();
    const own: Clock = {
      now: () => clock.now(),
      elapsed: () => clock.elapsed() - began,
      after: (ms, run) => clock.after(ms, run),
    };
    const onStep = () => {
      this.steps += 1;
    };
    this.watch = new ClockWatch(own, this.log, onStep, this.store);
    return this.watch;
  }

  set(byMs: number): void {
    this.clock.set(this.clock.now() + byMs);
    this.watch.isSteady();
  }
}

describe('clock watch', () => {
  it('doubts for ten minutes a clock that was set', async () => {
    const bench = new Bench();
    const before = bench.clock.now();
    bench.set(YEAR);
    assert.deepEqual([bench.watch.isSteady(), bench.steps], [false, 1]);
    assert.equal(bench.watch.trustedNow(), before);
    await bench.clock.advance(10 * MINUTE);
    assert.equal(bench.watch.isSteady(), true);
    assert.equal(bench.watch.trustedNow(), bench.clock.now());
  });

  it('goes on doubting after a restart, for what is left of it', async () => {
    const bench = new Bench();
    const before = bench.clock.now();
    bench.set(YEAR);
    await bench.clock.advance(4 * MINUTE);
    bench.restart();
    assert.equal(bench.watch.isSteady(), false);
    assert.equal(bench.watch.trustedNow(), before + 4 * MINUTE);
    assert.match(bench.log.lines.at(-1)?.message ?? '', /set before the restart; for 6m nothing/);
    await bench.clock.advance(5 * MINUTE);
    bench.restart();
    assert.equal(bench.watch.isSteady(), false);
    await bench.clock.advance(MINUTE);
    assert.equal(bench.watch.isSteady(), true);
    bench.restart();
    assert.equal(bench.watch.isSteady(), true);
  });

  it('knows after a restart by how much two steps have set it', async () => {
    const bench = new Bench();
    const before = bench.clock.now();
    bench.set(YEAR);
    await bench.clock.advance(MINUTE);
    bench.set(YEAR);
    bench.restart();
    assert.equal(bench.watch.trustedNow(), before + MINUTE);
  });

  for (const [name, meanwhile] of [
    ['set right while nobody looked', -YEAR],
    ['ten minutes older', 10 * MINUTE],
  ] as const) {
    it(`believes after a restart a clock that is ${name}`, () => {
      const bench = new Bench();
      bench.set(YEAR);
      bench.clock.set(bench.clock.now() + meanwhile);
      bench.restart();
      assert.equal(bench.watch.isSteady(), true);
    });
  }

  for (const document of [null, [], 7, {}, { at: '5', aheadMs: 1 }, { at: 5 }, { at: null, aheadMs: null }]) {
    it(`begins without doubt beside a document that is ${JSON.stringify(document)}`, () => {
      const bench = new Bench();
      bench.store.write('clock', document);
      assert.equal(bench.restart().isSteady(), true);
    });
  }
});
