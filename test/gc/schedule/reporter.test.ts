import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ScheduleMemories } from '../../../gc/schedule/memory.ts';
import { managerOf, type Reported, ScheduleReporter } from '../../../gc/schedule/reporter.ts';
import { entriesOf, type SeenEntry } from '../../../gc/schedule/status.ts';
import { memoryState } from '../../../gc/system/state.ts';
import { fieldsOf, type JsonObject } from '../../../policy/json.ts';
import { MOST_NODES } from '../../../policy/schedule/status-schema.ts';
import { FakeClock } from '../fake-clock.ts';
import { scheduleOf } from './place.ts';

/** A schedule in the API server, which nodes write into. */
class Shared {
  readonly clock = new FakeClock();
  readonly schedule = scheduleOf({ triggers: { interval: '1m' } });
  readonly byManager = new Map<string, JsonObject>();
  writes = 0;
  failing = false;
  gone = new Set<string>();
  #drawn = 0;

  #random(): number {
    this.#drawn += 1;
    return (this.#drawn * 0.618) % 1;
  }

  get seen(): readonly SeenEntry[] {
    const nodes = [...this.byManager.values()].flatMap((status) => {
      const own = status.nodes;
      return Array.isArray(own) ? own : [];
    });
    return entriesOf({ status: { nodes } });
  }

  /** A node whose figures change all the time. */
  node(name: string): { readonly reporter: ScheduleReporter; work(): void } {
    const { clock, schedule } = this;
    const memory = new ScheduleMemories(memoryState(), clock.now()).of(schedule, clock.now());
    const entry = () => ({ node: name, taken: memory.counts.taken });
    const reporter = new ScheduleReporter({
      node: name,
      writer: {
        write: async (_, manager, status) => {
          this.writes += 1;
          if (this.failing) throw new Error('503');
          this.byManager.set(manager, status);
        },
      },
      nodes: { get: async (each) => (this.gone.has(each) ? null : { unschedulable: false }) },
      current: (): Reported[] => [{ schedule, own: { memory, entry: entry() }, seen: this.seen }],
      ...{ clock, random: () => this.#random(), onFailure() {} },
      log: { info() {}, warn() {}, error() {} },
    });
    const work = () => {
      memory.counts.taken += 1;
      memory.lastTaken = { at: clock.now(), trigger: 'interval', file: 'x' };
      reporter.wake();
    };
    return { reporter, work };
  }
}

suite("a schedule's status", () => {
  test('a hundred nodes that take one a second: 32 entries, and a write in some seconds', async () => {
    const shared = new Shared();
    const nodes = Array.from({ length: 100 }, (_, index) => shared.node(`n-${index}`));
    for (let second = 0; second < 600; second += 1) {
      for (const { work } of nodes) work();
      await shared.clock.advance(1_000);
    }
    // Those that look at one moment find room together, so there may be some more.
    assert.ok(shared.seen.length >= MOST_NODES);
    const before = shared.writes;
    for (let second = 0; second < 600; second += 1) {
      for (const { work } of nodes) work();
      await shared.clock.advance(1_000);
    }
    assert.ok(shared.writes - before <= 150, `${shared.writes - before} writes in ten minutes`);
  });

  test('what nobody changes is not written again', async () => {
    const shared = new Shared();
    const { work, reporter } = shared.node('node1');
    work();
    await shared.clock.advance(60_000);
    assert.equal(shared.writes, 1);
    reporter.wake();
    await shared.clock.advance(3_600_000);
    assert.equal(shared.writes, 1);
  });

  test('a server that does not answer is asked ever more seldom, and told in the end', async () => {
    const shared = new Shared();
    shared.failing = true;
    const { work } = shared.node('node1');
    work();
    await shared.clock.advance(600_000);
    assert.ok(shared.writes >= 4 && shared.writes <= 10, `${shared.writes} tries in ten minutes`);
    shared.failing = false;
    await shared.clock.advance(600_000);
    assert.equal(shared.seen[0]?.taken, 1);
  });

  test('the entry of a node that is gone goes an hour later, that of one that is quiet stays', async () => {
    const shared = new Shared();
    for (const name of ['gone', 'quiet']) shared.node(name).work();
    await shared.clock.advance(60_000);
    shared.gone.add('gone');
    const { work } = shared.node('node1');
    for (let minute = 0; minute < 90; minute += 1) {
      work();
      await shared.clock.advance(60_000);
    }
    assert.deepEqual(shared.seen.map(({ node }) => node).sort(), ['node1', 'quiet']);
    assert.equal(fieldsOf(shared.byManager.get(managerOf('node1'))).checkpointsCreated, 91);
  });

  test("a manager's name fits, whatever the node's", () => {
    assert.ok(managerOf('n'.repeat(253)).length <= 128);
    assert.notEqual(managerOf(`${'n'.repeat(252)}a`), managerOf(`${'n'.repeat(252)}b`));
  });
});
