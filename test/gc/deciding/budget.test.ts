import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryState } from '../../../gc/system/state.ts';
import { CollectorBench, HOUR, type HookedFiles, MINUTE, named, policy } from '../collector-bench.ts';
import { FakeClock } from '../fake-clock.ts';

const BUDGETED = {
  deletionBudget: { maxArchivesPerPass: 2 },
  namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }],
};

/** Ten archives of which one may stay, at two a pass, and collectors one after the other. */
class World {
  readonly clock = new FakeClock();
  readonly state = memoryState();
  files: HookedFiles | undefined;

  bench(): CollectorBench {
    const { clock, state } = this;
    const bench = new CollectorBench([policy(BUDGETED)], { clock, state }, this.files);
    if (this.files === undefined) {
      for (let number = 1; number <= 10; number += 1)
        bench.put(named(number), { ageMs: (12 - number) * HOUR });
    }
    this.files = bench.files;
    return bench;
  }

  /** What a process that is killed can do no more. */
  static kill(bench: CollectorBench): void {
    bench.files.before = () => {
      throw Object.assign(new Error('killed'), { code: 'EIO' });
    };
    void bench.collector.stop();
  }

  async revive(): Promise<void> {
    await this.clock.advance(5_000);
    if (this.files) this.files.before = () => {};
  }
}

describe('budget', () => {
  it('a restart, and another, have no new one; what was begun counts', async () => {
    const world = new World();
    for (let restart = 0; restart < 4; restart += 1) {
      const bench = world.bench();
      await bench.start();
      await world.clock.advance(1_000);
      assert.equal(bench.names.length, 8, `after ${restart} restarts`);
      await bench.collector.stop();
    }
    await world.clock.advance(MINUTE);
    const bench = world.bench();
    await bench.start();
    await world.clock.advance(1_000);
    assert.equal(bench.names.length, 6);
    await bench.collector.stop();
  });

  it('a kill in the middle of a deletion counts what was under way as deleted', async () => {
    const world = new World();
    const first = world.bench();
    first.files.before = (operation) => {
      if (operation === 'unlink') World.kill(first);
    };
    void first.start();
    await world.clock.advance(1_000);
    await world.revive();
    const bench = world.bench();
    await bench.start();
    await world.clock.advance(10_000);
    assert.equal(bench.names.length, 8);
    assert.ok(!bench.names.includes('†'));
    await bench.collector.stop();
  });

  it('a clock that is set gives none, ahead or back', async () => {
    for (const by of [HOUR, -HOUR]) {
      const world = new World();
      const bench = world.bench();
      await bench.start();
      assert.equal(bench.names.length, 8);
      world.clock.set(world.clock.now() + by);
      await world.clock.advance(5_000);
      bench.put(named(11), { ageMs: 0 });
      await world.clock.advance(20_000);
      assert.equal(bench.names.length, 9);
      await world.clock.advance(2 * MINUTE);
      assert.ok(bench.names.length <= 5);
      await bench.collector.stop();
    }
  });

  it('deletions that fail behind their rename are spent: they end later, and not beside others', async () => {
    const world = new World();
    const bench = world.bench();
    bench.files.before = (operation) => {
      if (operation === 'unlink') throw Object.assign(new Error('EIO: unlink'), { code: 'EIO' });
    };
    await bench.start();
    await world.clock.advance(30_000);
    assert.equal(bench.names.filter((name) => name === '†').length, 2);
    assert.equal(bench.names.filter((name) => name !== '†').length, 8);
    await bench.collector.stop();
  });

  it('what fails before it has done anything gives its part back', async () => {
    const world = new World();
    const bench = world.bench();
    let failures = 2;
    bench.files.before = (operation) => {
      if (operation !== 'rename' || failures === 0) return;
      failures -= 1;
      throw Object.assign(new Error('EIO: rename'), { code: 'EIO' });
    };
    await bench.start();
    await world.clock.advance(10_000);
    assert.equal(bench.names.length, 8);
    await bench.collector.stop();
  });

  it('is there again when its time is over, and not only at the next scan', async () => {
    const world = new World();
    const bench = world.bench();
    await bench.start();
    await world.clock.advance(53_000);
    assert.equal(bench.names.length, 8);
    await world.clock.advance(2_000);
    assert.equal(bench.names.length, 6);
    await bench.collector.stop();
  });

  it('a document that is none, or of another start of the machine, allows no more than it should', async () => {
    const rows: readonly (readonly [name: string, document: unknown, left: number])[] = [
      ['none', null, 8],
      ['nonsense', { version: 1, spent: [7, { resource: 'shop/quotas' }, null] }, 8],
      ['another version', { version: 2, spent: [] }, 8],
      ['later than now', { version: 1, spent: [spent(1e15)] }, 10],
      ['under way', { version: 1, spent: [spent(null)] }, 10],
      ['long ago', { version: 1, spent: [spent(0)] }, 8],
    ];
    for (const [name, document, left] of rows) {
      const world = new World();
      world.state.write('deletion-budget.json', document);
      const bench = world.bench();
      await bench.start();
      await world.clock.advance(1_000);
      assert.equal(bench.names.length, left, name);
      await bench.collector.stop();
    }
  });
});

function spent(at: number | null): object {
  const { namespace, name } = policy(BUDGETED).reference;
  return { resource: `${namespace}/${name}`, archives: 2, bytes: 20, at };
}
