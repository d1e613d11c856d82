import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicySet } from '../../../policy/govern.ts';
import { FakeNode, statusesOf } from './fake-node.ts';
import { type Course, WELL } from './fake-runtime.ts';

const LIMIT = 2;

function limited(): FakeNode {
  const node = new FakeNode();
  node.govern({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: LIMIT, whenFull: 'RejectNew' }] });
  return node;
}

const FAILS: Course = { answerMs: 300, answer: 'failed', archiveMs: null, bytes: 0 };

/** Asks for this many, one after the other. */
async function ask(node: FakeNode, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const asked = node.ask(`shop/pod-${index % 3}/main`);
    await node.clock.advance(1_500);
    statuses.push(asked.reply?.status ?? 0);
  }
  return statuses;
}

const HOWS = ['before', 'torn', 'after'] as const;
const COURSES: Readonly<Record<string, Course>> = {
  'goes well': WELL,
  fails: FAILS,
  'fails, and its archive comes 5 s later': { ...FAILS, archiveMs: 5_300, bytes: 9_000 },
  'answers late': { answerMs: 4_000, answer: 'ok', archiveMs: 3_900, bytes: 9_000 },
};

for (const [name, course] of Object.entries(COURSES)) {
  for (const how of HOWS) {
    test(`killed ${how} each write of the journal, where a checkpoint ${name}`, async () => {
      // From the first write to where a run has no such write any more.
      for (let write = 1; ; write += 1) {
        const node = limited();
        node.journal.killAt = { write, how };
        node.runtime.courses.push(course);
        let deaths = 0;
        // A door that dies while it starts is started again.
        const start = () =>
          node.start().catch(() => {
            deaths += 1;
            return node.start();
          });
        await start();
        for (let round = 0; round < 4; round += 1) {
          await ask(node, 1);
          if (node.door?.life.alive === false) {
            deaths += 1;
            await start();
          }
          assert.ok(node.onDisk().length <= LIMIT, `${node.onDisk()} after write ${write}`);
        }
        await node.clock.advance(120_000);
        if (node.door?.life.alive === false) {
          deaths += 1;
          await start();
          await node.clock.advance(120_000);
        }
        assert.deepEqual(node.door?.ledger.reserved(), [], `leaked after write ${write}`);
        // All of the room can be had, and no more of it.
        node.journal.killAt = null;
        await ask(node, LIMIT + 1);
        assert.equal(node.onDisk().length, LIMIT, `after write ${write}`);
        if (deaths === 0) {
          assert.ok(write > 6, `only ${write} writes`);
          return;
        }
      }
    });
  }
}

test('a door that is killed in flight: its successor counts what it promised until it has come', async () => {
  const node = limited();
  node.runtime.standard = { ...WELL, answerMs: 8_000, archiveMs: 7_900 };
  await node.start();
  node.ask('shop/a/main');
  node.ask('shop/b/main');
  await node.clock.advance(1_000);
  node.kill();
  await node.start();
  assert.deepEqual(
    node.door?.ledger.reserved().map(({ state }) => state),
    ['ended', 'ended'],
  );
  assert.deepEqual(await ask(node, 1), [507]);
  await node.clock.advance(20_000);
  assert.equal(node.onDisk().length, 2);
  assert.deepEqual(node.door?.ledger.reserved(), []);
  assert.deepEqual(await ask(node, 1), [507]);
});

test('two doors killed one after the other under 50 requests: exactly the limit', async () => {
  const node = limited();
  await node.start();
  const containers = ['shop/a/main', 'shop/b/main', 'shop/c/main'];
  for (let life = 0; life < 3; life += 1) {
    for (let index = 0; index < 50; index += 1) node.ask(containers[index % 3] ?? '');
    await node.clock.advance(150);
    node.kill();
    await node.start();
  }
  await node.clock.advance(60_000);
  await ask(node, 5);
  assert.equal(node.onDisk().length, LIMIT);
  assert.deepEqual(node.runtime.overwritten, []);
});

test('an archive that was made just before the end of a door counts at once for the next one', async () => {
  const node = limited();
  await node.start();
  assert.deepEqual(await ask(node, 2), [200, 200]);
  node.kill();
  await node.start();
  // The new inventory still waits for both to stand still.
  const [first] = node.onDisk();
  assert.equal(node.door?.inventory.get(first ?? '')?.state, 'growing');
  const asked = node.ask('shop/c/main');
  await node.clock.advance(100);
  assert.equal(asked.reply?.status, 507, asked.reply?.body);
});

test('a name of this very second is not used again by the next door', async () => {
  const node = limited();
  node.policies = new PolicySet();
  await node.start();
  const container = 'shop/cart/main';
  const first = node.ask(container);
  await node.clock.advance(400);
  assert.equal(first.reply?.status, 200);
  node.kill();
  await node.start();
  const second = node.ask(container);
  await node.clock.advance(6_000);
  assert.equal(second.reply?.status, 200, second.reply?.body);
  assert.deepEqual(node.runtime.overwritten, []);
  assert.equal(node.onDisk().length, 2);
});

const LATE: readonly { readonly name: string; readonly course: Course; readonly status: number }[] = [
  {
    name: 'a kubelet that answers 500',
    course: { answerMs: 300, answer: 'failed', archiveMs: 5_300, bytes: 9_000 },
    status: 500,
  },
  {
    name: 'a connection that is cut',
    course: { answerMs: 300, answer: 'lost', archiveMs: 8_000, bytes: 9_000 },
    status: 504,
  },
];

for (const { name, course, status } of LATE) {
  test(`${name}, and an archive all the same: counted once, before and after it has come`, async () => {
    const node = limited();
    node.runtime.courses.push(course);
    await node.start();
    const asked = node.ask('shop/a/main');
    await node.clock.advance(500);
    assert.equal(asked.reply?.status, status);
    // One place is left, not two.
    assert.deepEqual(await ask(node, 2), [200, 507]);
    for (let second = 0; second < 40; second += 1) {
      await node.clock.advance(1_000);
      assert.deepEqual(await ask(node, 1), [507], `after ${second} s`);
    }
    assert.equal(node.onDisk().length, 2);
    assert.deepEqual(node.door?.ledger.reserved(), []);
  });
}

test('nothing comes after a 500: the room is free again after ten seconds, not before', async () => {
  const node = limited();
  node.runtime.courses.push(FAILS, FAILS);
  await node.start();
  const asked = [node.ask('shop/a/main'), node.ask('shop/b/main')];
  await node.clock.advance(400);
  assert.deepEqual(statusesOf(asked), { 500: 2 });
  await node.clock.advance(8_000);
  assert.deepEqual(await ask(node, 1), [507]);
  await node.clock.advance(1_000);
  assert.deepEqual(await ask(node, 2), [200, 200]);
});

for (const answer of ['unsent', 'unknown', 'notRunning'] as const) {
  test(`nothing was done (${answer}): the room is free again at once`, async () => {
    const node = limited();
    node.runtime.courses.push({ ...FAILS, answer });
    await node.start();
    assert.deepEqual(await ask(node, 3), [503, 200, 200]);
  });
}

test('a directory that cannot be read: nothing is let through, and nothing lapses', async () => {
  const node = limited();
  node.runtime.courses.push(FAILS);
  await node.start();
  await ask(node, 1);
  node.files.fault('stat', '/checkpoints', 'EACCES');
  await node.door?.inventory.scan();
  assert.deepEqual(await ask(node, 1), [503]);
  await node.clock.advance(60_000);
  assert.equal(node.door?.ledger.reserved().length, 1);
  node.files.fault('stat', '/checkpoints', null);
  await node.clock.advance(10_000);
  assert.deepEqual(node.door?.ledger.reserved(), []);
  node.files.fault('stat', '/checkpoints', 'EACCES');
  await node.door?.inventory.scan();
  assert.doesNotMatch(JSON.stringify(node.audit), /"[^"]*\/checkpoints[^"]* cannot/);
});

test('a caller who leaves: the kubelet is asked to the end, and the archive is counted', async () => {
  const node = limited();
  node.runtime.standard = { ...WELL, answerMs: 2_000, archiveMs: 1_900 };
  await node.start();
  const leaving = new AbortController();
  node.ask('shop/a/main', { signal: leaving.signal });
  await node.clock.advance(500);
  leaving.abort(new Error('gone'));
  await node.clock.advance(500);
  assert.equal(node.door?.ledger.reserved().length, 1);
  await node.clock.advance(5_000);
  assert.equal(node.onDisk().length, 1);
  assert.deepEqual(node.door?.ledger.reserved(), []);
  assert.equal(node.audit.find(({ operation }) => operation === 'request')?.metadata.callerLeft, true);
});

test('a ledger that cannot be written lets nothing through, and says so once', async () => {
  const node = limited();
  const door = await node.start();
  const store = node.journal.store(door.life);
  node.kill();
  let broken = false;
  node.more = {
    state: {
      ...store,
      append(line: string) {
        if (broken) throw new Error('no space left on device');
        node.journal.store({ alive: true }).append(line);
      },
      replace(lines: readonly string[]) {
        if (broken) throw new Error('no space left on device');
        node.journal.store({ alive: true }).replace(lines);
      },
    },
  };
  await node.start();
  broken = true;
  assert.deepEqual(await ask(node, 2), [503, 503]);
  assert.deepEqual(node.runtime.begun, []);
  assert.equal(node.lines.filter(({ message }) => /ledger cannot be written/.test(message)).length, 1);
  broken = false;
  assert.deepEqual(await ask(node, 1), [200]);
});
