import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Refusal } from '../../../gc/door/refusal.ts';
import { type Turn, type TurnBounds, Turns } from '../../../gc/door/turns.ts';
import { FakeClock, settled } from '../fake-clock.ts';

const NEVER = new AbortController().signal;

/** Starts 0.6 s into a second. */
class Bench {
  readonly clock = new FakeClock(Date.parse('2026-11-21T12:00:00.600Z'));
  readonly turns: Turns;
  readonly order: string[] = [];
  readonly held = new Map<string, Turn>();
  readonly refused: string[] = [];

  constructor(bounds: Partial<TurnBounds> = {}) {
    this.turns = new Turns({ clock: this.clock, bounds });
  }

  /** Asks for a turn under a label; `namespace/pod/container`. */
  ask(label: string, name: string, signal = NEVER): void {
    const [namespace = '', pod = '', container = ''] = name.split('/');
    this.turns.take({ namespace, pod, container }, signal).then(
      (turn) => {
        this.order.push(label);
        this.held.set(label, turn);
      },
      (error: Refusal) => void this.refused.push(`${label}: ${error.message}`),
    );
  }

  async end(label: string, usedAt: number | null = this.clock.now(), holdMs = 0): Promise<void> {
    this.held.get(label)?.end(usedAt, holdMs);
    await settled();
  }
}

test('one at a time, in order, and the next one in the next second', async () => {
  const bench = new Bench();
  for (const label of ['1', '2', '3']) bench.ask(label, 'shop/cart/main');
  await settled();
  assert.deepEqual(bench.order, ['1']);
  await bench.end('1');
  await bench.clock.advance(399);
  assert.deepEqual(bench.order, ['1']);
  await bench.clock.advance(1);
  assert.deepEqual(bench.order, ['1', '2'], 'on the whole second');
  await bench.clock.advance(5_000);
  assert.deepEqual(bench.order, ['1', '2'], 'the second holds it still');
  await bench.end('2', bench.clock.now() - 4_000);
  assert.deepEqual(bench.order, ['1', '2', '3'], 'its name is of a second that is over');
});

test('a turn that was not used keeps nobody waiting', async () => {
  const bench = new Bench();
  bench.ask('1', 'shop/cart/main');
  bench.ask('2', 'shop/cart/main');
  await settled();
  await bench.end('1', null);
  assert.deepEqual(bench.order, ['1', '2']);
});

test('two containers with one file name take turns; others do not wait for them', async () => {
  const bench = new Bench();
  bench.ask('a', 'a/twin/b-c');
  bench.ask('a-b', 'a-b/twin/c');
  bench.ask('other', 'a/twin/c');
  await settled();
  assert.deepEqual(bench.order, ['a', 'other']);
  await bench.end('a');
  await bench.clock.advance(400);
  assert.deepEqual(bench.order, ['a', 'other', 'a-b']);
});

test('a name is held longer where the runtime may still be at it', async () => {
  const bench = new Bench();
  bench.ask('1', 'shop/cart/main');
  bench.ask('2', 'shop/cart/main');
  await settled();
  await bench.end('1', bench.clock.now(), 5_000);
  await bench.clock.advance(4_999);
  assert.deepEqual(bench.order, ['1']);
  await bench.clock.advance(1);
  assert.deepEqual(bench.order, ['1', '2']);
});

test('what a process that is gone has used is not used again', async () => {
  const bench = new Bench();
  bench.turns.block('cart_shop-main', bench.clock.now(), 0);
  bench.ask('1', 'shop/cart/main');
  await settled();
  assert.deepEqual(bench.order, []);
  await bench.clock.advance(400);
  assert.deepEqual(bench.order, ['1']);
});

test('namespaces take turns: many requests of one do not keep another waiting', async () => {
  const bench = new Bench({ atOnce: 1 });
  for (let index = 0; index < 20; index += 1) bench.ask(`big ${index}`, `big/pod-${index}/main`);
  bench.ask('small 0', 'small/pod/main');
  bench.ask('small 1', 'small/pod/side');
  await settled();
  for (let index = 0; index < 4; index += 1) await bench.end(bench.order.at(-1) ?? '');
  assert.deepEqual(bench.order, ['big 0', 'big 1', 'small 0', 'big 2', 'small 1']);
});

test('a name that is not ready keeps no other of its namespace waiting', async () => {
  const bench = new Bench();
  bench.ask('1', 'shop/cart/main');
  bench.ask('2', 'shop/cart/main');
  bench.ask('3', 'shop/cart/side');
  await settled();
  assert.deepEqual(bench.order, ['1', '3']);
});

test('no more at once than the node takes', async () => {
  const bench = new Bench({ atOnce: 3 });
  for (let index = 0; index < 10; index += 1) bench.ask(`${index}`, `shop/pod-${index}/main`);
  await settled();
  assert.deepEqual(bench.turns.counts, { busy: 3, waiting: 7 });
  await bench.end('1');
  assert.deepEqual(bench.order, ['0', '1', '2', '3']);
});

const FULL: readonly { bounds: Partial<TurnBounds>; says: RegExp }[] = [
  {
    bounds: { waitingForName: 2 },
    says: /2 checkpoints wait for shop\/cart\/main, and no more may; try again/,
  },
  { bounds: { waitingOfNamespace: 2 }, says: /2 checkpoints of namespace shop wait on this node/ },
  { bounds: { waiting: 2 }, says: /2 checkpoints wait on this node/ },
];

for (const { bounds, says } of FULL) {
  test(`the line is bounded: ${JSON.stringify(bounds)}`, async () => {
    const bench = new Bench(bounds);
    for (const label of ['1', '2', '3', '4']) bench.ask(label, 'shop/cart/main');
    await settled();
    assert.equal(bench.refused.length, 1);
    assert.match(bench.refused[0] ?? '', says);
    assert.equal(bench.turns.counts.waiting, 2);
  });
}

test('nobody waits for ever, and whoever leaves loses his place only', async () => {
  const bench = new Bench({ longestMs: 10_000 });
  const leaving = new AbortController();
  bench.ask('1', 'shop/cart/main');
  bench.ask('2', 'shop/cart/main', leaving.signal);
  bench.ask('3', 'shop/cart/main');
  await settled();
  leaving.abort(new Error('gone'));
  await settled();
  assert.deepEqual(bench.refused, ['2: gone']);
  await bench.clock.advance(10_000);
  assert.match(bench.refused[1] ?? '', /3: shop\/cart\/main had no turn within 10s; try again later/);
  assert.deepEqual(bench.turns.counts, { busy: 1, waiting: 0 });
  await bench.end('1');
  assert.equal(bench.clock.timers, 0, 'no timer is left');
});

test('a clock that is set back does not stop a name for hours', async () => {
  const bench = new Bench();
  bench.ask('1', 'shop/cart/main');
  await settled();
  await bench.end('1');
  bench.clock.set(bench.clock.now() - 3_600_000);
  bench.ask('2', 'shop/cart/main');
  await settled();
  assert.deepEqual(bench.order, ['1', '2']);
});

/** As Node's timers, which go off up to a millisecond before the clock of the day says so. */
class EarlyClock extends FakeClock {
  /** So many looks at it still show the millisecond before. */
  early = 0;

  override now(): number {
    this.early -= 1;
    return super.now() - (this.early >= 0 ? 1 : 0);
  }
}

for (const looks of [1, 2, 3, 4]) {
  test(`a timer that goes off a moment early, by ${looks} looks at the clock, costs no turn`, async () => {
    const clock = new EarlyClock(Date.parse('2026-11-21T12:00:00.600Z'));
    const turns = new Turns({ clock });
    const container = { namespace: 'shop', pod: 'cart', container: 'main' };
    const first = await turns.take(container, NEVER);
    const second = turns.take(container, NEVER);
    first.end(clock.now());
    await clock.advance(399);
    clock.early = looks;
    await clock.advance(2_000);
    assert.notEqual(await Promise.race([second, settled().then(() => null)]), null);
  });
}
