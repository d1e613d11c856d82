import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import type { KubeRequest, WatchRequest } from '../../kube/client.ts';
import { KubeError, statusError } from '../../kube/error.ts';
import { Informer, type InformerTiming } from '../../kube/informer.ts';
import { fieldsOf, own } from '../../policy/json.ts';
import { SOURCE_TIMING } from '../../webhook/timings.ts';
import { status } from './fake-api-server.ts';
import { clientOf } from './scripted-client.ts';

const object = (name: string, resourceVersion: number, uid = `uid-${name}`) => ({
  metadata: { namespace: 'n', name, uid, resourceVersion: String(resourceVersion) },
});
const list = (version: number, ...items: readonly object[]) => ({
  metadata: { resourceVersion: String(version) },
  items,
});
const gone = (code: number) => statusError('GET', status(code, 'Expired', 'too old'), code) ?? new Error('?');

/** What one watch brings, and how it ends: open until the test is over, of itself, or with an error. */
interface Watch {
  readonly events?: readonly unknown[];
  readonly ends?: 'open' | 'closed' | Error;
  /** Milliseconds that it lasts before it ends. */
  readonly lasts?: number;
  /** Instead of a stream. */
  readonly refused?: Error;
}

interface Script {
  /** Each list in turn; the last one again and again. */
  readonly lists: readonly (object | Error)[];
  readonly watches: readonly Watch[];
  readonly timing?: Partial<InformerTiming>;
  readonly onPause?: () => void;
}

function play(t: TestContext, { lists, watches, timing = {}, onPause }: Script) {
  let now = 1_000_000;
  const listed: KubeRequest[] = [];
  const watched: WatchRequest[] = [];
  const pauses: number[] = [];
  const logged: string[] = [];
  const parsed: unknown[] = [];
  const idle = Promise.withResolvers<void>();
  const client = clientOf(
    async (request) => {
      listed.push(request);
      const next = lists[Math.min(listed.length, lists.length) - 1];
      if (next instanceof Error) throw next;
      return next;
    },
    async (request) => {
      watched.push(request);
      const watch = watches[watched.length - 1] ?? {};
      if (watch.refused) throw watch.refused;
      return stream(watch, request);
    },
  );
  async function* stream({ events = [], ends = 'open', lasts = 60_000 }: Watch, { signal }: WatchRequest) {
    yield* events;
    if (ends === 'open') {
      idle.resolve();
      signal?.throwIfAborted();
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    }
    now += lasts;
    if (ends instanceof Error) throw ends;
  }
  const write = (_: object, message: string) => logged.push(message);
  const informer = new Informer({
    client,
    path: '/things',
    parse: (each) => {
      parsed.push(each);
      return `${own(fieldsOf(own(each, 'metadata')), 'name')}@${own(fieldsOf(own(each, 'metadata')), 'resourceVersion')}`;
    },
    now: () => now,
    random: () => 1,
    sleep: async (ms) => {
      onPause?.();
      pauses.push(ms);
      now += ms;
    },
    log: { info: write, warn: write, error: write },
    timing,
  });
  t.after(() => informer.stop());
  return {
    informer,
    listed,
    watched,
    pauses,
    logged,
    parsed,
    /** Resolves when a watch stays open. */
    idle: idle.promise,
    values: () => [...informer.values()],
    versions: () => watched.map(({ query }) => query?.resourceVersion),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

suite('list and watch', () => {
  test('of all nodes that start at once, each lists at a time of its own', async (t) => {
    const { informer, idle, pauses, listed } = play(t, {
      lists: [list(10)],
      watches: [{}],
      timing: { startWithinMs: 10_000 },
      onPause: () => assert.equal(listed.length, 0),
    });
    await informer.start();
    await idle;
    assert.deepEqual(pauses, [10_000]);
    assert.equal(listed.length, 1);
  });

  test('events change what is held; the watch goes on from the last version', async (t) => {
    const { informer, idle, values, versions, watched, parsed } = play(t, {
      lists: [list(10, object('a', 1), object('b', 2))],
      watches: [
        {
          events: [
            { type: 'ADDED', object: object('c', 11) },
            { type: 'MODIFIED', object: object('a', 12) },
            { type: 'DELETED', object: object('b', 13) },
            { type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } },
          ],
          ends: 'closed',
        },
        {},
      ],
    });
    await informer.start();
    await idle;
    assert.deepEqual(values(), ['a@12', 'c@11']);
    assert.deepEqual(versions(), ['10', '20']);
    assert.equal(parsed.length, 4);
    const { query, idleMs } = watched[0] ?? { query: {}, idleMs: 0 };
    assert.deepEqual(query, {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: '10',
      timeoutSeconds: 600,
    });
    assert.equal(idleMs, 75_000);
  });

  test('a list in pages; an object of the same version is not parsed again', async (t) => {
    const page = { metadata: { resourceVersion: '10', continue: 'next' }, items: [object('a', 1)] };
    const { informer, idle, values, listed, parsed } = play(t, {
      lists: [page, list(10, object('b', 2)), list(20, object('a', 1), object('b', 19), object('c', 3))],
      watches: [{ refused: gone(410) }, {}],
    });
    await informer.start();
    await idle;
    assert.deepEqual(values(), ['a@1', 'b@19', 'c@3']);
    assert.deepEqual(
      listed.map(({ query }) => query),
      [
        { limit: 500, continue: undefined },
        { limit: 500, continue: 'next' },
        { limit: 500, continue: undefined },
      ],
    );
    assert.equal(parsed.length, 4);
  });

  test('an object made anew under its name is another one, whatever its version', async (t) => {
    const { informer, idle, parsed } = play(t, {
      lists: [list(10, object('a', 1)), list(20, object('a', 1, 'other'))],
      watches: [{ refused: gone(410) }, {}],
    });
    await informer.start();
    await idle;
    assert.equal(parsed.length, 2);
  });

  test('listeners hear once of what comes together, and not of what changes nothing', async (t) => {
    const { informer, idle } = play(t, {
      lists: [list(10, object('a', 1)), list(20, object('a', 1))],
      watches: [
        {
          events: [object('b', 2), object('c', 3)].map((each) => ({ type: 'ADDED', object: each })),
          ends: gone(410),
        },
        {},
      ],
    });
    let told = 0;
    const end = informer.onChange(() => {
      told += 1;
    });
    await informer.start();
    await idle;
    await new Promise(setImmediate);
    assert.ok(told >= 1 && told <= 2, String(told));
    end();
  });
});

suite('what goes wrong', () => {
  const cut = new KubeError('cut');
  const expired = { type: 'ERROR', object: status(410, 'Expired', 'too old resource version') };
  const internal = { type: 'ERROR', object: status(500, 'InternalError', 'x') };
  const rows: readonly (readonly [name: string, watch: Watch, lists: number])[] = [
    ['a watch that is cut goes on from its version', { ends: cut }, 1],
    ['a watch that is refused for a moment', { refused: new KubeError('x', { status: 429 }) }, 1],
    ['an error in the stream', { events: [internal] }, 1],
    ['a version that has expired, told in the stream', { events: [expired] }, 2],
    ['a version that has expired, told by the status', { refused: gone(410) }, 2],
    ['a version from the future', { refused: gone(504) }, 2],
    ['an event of no known type', { events: [{ type: 'NEWS' }] }, 1],
    ['an event that is none', { events: [null] }, 1],
    ['an object without version', { events: [{ type: 'ADDED', object: { metadata: {} } }] }, 1],
    ['a watch that ends at once', { ends: 'closed', lasts: 10 }, 1],
  ];
  for (const [name, watch, lists] of rows) {
    test(name, async (t) => {
      const { informer, idle, listed, pauses, watched } = play(t, {
        lists: [list(10, object('a', 1))],
        watches: [watch, {}],
      });
      await informer.start();
      await idle;
      assert.equal(listed.length, lists);
      assert.equal(watched.length, 2);
      assert.deepEqual(pauses, [1_000]);
      assert.equal(informer.counts.failures, 1);
      assert.deepEqual([...informer.values()], ['a@1']);
    });
  }

  test('waits grow from one second to thirty, with a list anew after five failures, and shrink after a success', async (t) => {
    const { informer, idle, pauses, listed, logged } = play(t, {
      lists: [list(10)],
      watches: [...Array(8).fill({ refused: cut }), { ends: 'closed' }, { refused: cut }, {}],
    });
    await informer.start();
    await idle;
    assert.deepEqual(
      pauses,
      [1, 2, 4, 8, 16, 30, 30, 30, 1].map((seconds) => seconds * 1_000),
    );
    assert.equal(listed.length, 5);
    assert.deepEqual(logged, [
      'watch broken, making it again',
      'the API server cannot be watched, trying on',
      'the API server is watched again',
      'watch broken, making it again',
    ]);
  });

  test('a list that fails keeps what there was', async (t) => {
    const { informer, idle, values } = play(t, {
      lists: [list(10, object('a', 1)), cut, { kind: 'Table' }, list(20, object('b', 2))],
      watches: [{ refused: gone(410) }, {}],
    });
    await informer.start();
    assert.deepEqual(values(), ['a@1']);
    await idle;
    assert.deepEqual(values(), ['b@2']);
  });

  test('a list is made anew each hour', async (t) => {
    const { informer, idle, listed } = play(t, {
      lists: [list(10)],
      watches: [{ ends: 'closed', lasts: 3_600_001 }, {}],
    });
    await informer.start();
    await idle;
    assert.equal(listed.length, 2);
  });
});

suite('start', () => {
  for (const code of [401, 403]) {
    test(`does not wait where the answer is ${code}`, async (t) => {
      const error = new KubeError('no right', { status: code });
      const { informer, listed } = play(t, { lists: [error], watches: [] });
      await assert.rejects(informer.start(), error);
      assert.equal(listed.length, 1);
      assert.equal(informer.isFresh(), false);
    });
  }

  test('tries on where the API server is away, and gives up with its error in time', async (t) => {
    const away = new KubeError('away');
    const later = play(t, { lists: [away, away, list(1)], watches: [{}] });
    await later.informer.start();
    assert.equal(later.listed.length, 3);
    const never = play(t, { lists: [away], watches: [] });
    await assert.rejects(never.informer.start(), away);
    assert.equal(never.listed.length, 6);
  });
});

suite('freshness', () => {
  test('ends when nothing has been heard for 90 seconds', async (t) => {
    const { informer, idle, pass } = play(t, { lists: [list(1)], watches: [{}] });
    assert.equal(informer.isFresh(), false);
    await informer.start();
    await idle;
    pass(90_000);
    assert.equal(informer.isFresh(), true);
    assert.equal(informer.staleness(), 90_000);
    pass(1);
    assert.equal(informer.isFresh(), false);
  });

  test('ends ten seconds after a watch is lost, and is back with the next', async (t) => {
    const cut = new KubeError('cut');
    const fresh: boolean[] = [];
    const { informer, idle } = play(t, {
      lists: [list(1)],
      watches: [{ ends: cut, lasts: 0 }, ...Array(4).fill({ refused: cut }), {}],
      onPause: () => fresh.push(informer.isFresh()),
    });
    await informer.start();
    await idle;
    assert.deepEqual(fresh, [true, true, true, true, false]);
    assert.equal(informer.isFresh(), true);
  });

  test("the webhook's view outlasts an API server that restarts, and is made again within two seconds", async (t) => {
    const cut = new KubeError('cut');
    const fresh: boolean[] = [];
    const { informer, idle, pauses } = play(t, {
      lists: [list(1), ...Array(40).fill(cut), list(2)],
      watches: [{ ends: cut, lasts: 0 }, ...Array(4).fill({ refused: cut }), {}],
      timing: SOURCE_TIMING,
      onPause: () => fresh.push(informer.isFresh()),
    });
    await informer.start();
    await idle;
    assert.deepEqual(pauses.slice(0, 3), [1_000, 2_000, 2_000]);
    assert.ok(pauses.every((ms) => ms <= 2_000));
    assert.equal(fresh.indexOf(false), 31);
    assert.equal(informer.isFresh(), true);
  });

  test('is over when it is stopped', async (t) => {
    const { informer } = play(t, { lists: [list(1)], watches: [{}] });
    await informer.start();
    await informer.stop();
    assert.equal(informer.isFresh(), false);
  });
});
