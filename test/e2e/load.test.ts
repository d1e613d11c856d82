import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { admissionReview, policy } from '../webhook/kit.ts';
import { type Program, startProgram, streamOfReviews } from './load/program.ts';

/** MB; the goal for a webhook that has been busy for long. */
const MOST_MEMORY = 200;
/** MB; while somebody does his worst. The manifests' limit is above. */
const MOST_MEMORY_UNDER_ATTACK = 320;
const good = JSON.stringify(
  admissionReview(policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] })),
);
const JSON_TYPE = { 'content-type': 'application/json' };

async function healthy({ ask, metrics }: Program): Promise<void> {
  for (const path of ['/healthz', '/readyz']) {
    const { status, body } = await ask({ path, agent: false, timeout: 5_000 });
    assert.equal(status, 200, body);
  }
  assert.equal((await fetch(metrics)).status, 200);
}

suite('what comes from outside', () => {
  test('10,000 connections that do nothing keep nobody out and cost little', async (t) => {
    await using program = await startProgram();
    const reviews = streamOfReviews(program);
    // Its handshakes are over: under attack the oldest of them would give way.
    await reviews.more(100);
    const before = await program.memory();
    const sockets: Socket[] = [];
    let most = before;
    for (let index = 0; index < 10_000; index += 1) {
      const socket = index % 2 === 0 ? tcp(program) : tls(program);
      sockets.push(socket);
      if (index % 250 === 0) {
        await healthy(program);
        most = Math.max(most, await program.memory());
      }
    }
    await healthy(program);
    most = Math.max(most, await program.memory());
    const { answered, failed } = await reviews.end();
    t.diagnostic(`${answered} reviews; MB before ${before.toFixed(0)}, at most ${most.toFixed(0)}`);
    assert.deepEqual(failed, []);
    assert.ok(answered > 100);
    assert.ok(most < MOST_MEMORY_UNDER_ATTACK, String(most));
    for (const socket of sockets) socket.destroy();
  });

  test('bodies of all sizes, slow ones, and what is no review', async (t) => {
    await using program = await startProgram();
    const reviews = streamOfReviews(program, 4);
    await reviews.more(100);
    const agent = new Agent({ keepAlive: true, maxSockets: 20, ca: program.ca });
    const post = (body: string | Buffer) =>
      program.ask({ path: '/validate', method: 'POST', agent, headers: JSON_TYPE }, body);
    const many = async (times: number, body: string | Buffer) =>
      Promise.all(Array.from({ length: times }, async () => (await post(body)).status));
    let most = 0;
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        most = Math.max(most, await program.memory());
        await sleep(50);
      }
    })();
    t.after(() => {
      watching.abort();
      agent.destroy();
    });

    const slow = Array.from({ length: 300 }, () => tls(program));
    for (const socket of slow) {
      socket.write('POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n');
      socket.write('content-length: 7000000\r\n\r\n{"a":');
    }
    assert.deepEqual(new Set(await many(20, Buffer.alloc(8 * 1024 * 1024, ' '))), new Set([413]));
    const lists = `{"a":[${'[],'.repeat(2_300_000)}1]}`;
    // Each is refused for what it is, or for what else is arriving.
    for (const status of await many(10, lists)) assert.ok([400, 429].includes(status), String(status));
    const deep = good.replace('"maxCheckpoints":3', () => `"pod":${'['.repeat(10_000)}${']'.repeat(10_000)}`);
    assert.deepEqual(new Set(await many(20, deep)), new Set([200]));
    assert.deepEqual(new Set(await many(20, good.slice(0, -9))), new Set([400]));
    await healthy(program);
    for (const socket of slow) socket.destroy();
    const { answered, failed } = await reviews.end();
    watching.abort();
    await watch;
    for (let round = 0; round < 200; round += 1) await post(good);
    const after = await program.memory();
    t.diagnostic(`${answered} reviews; MB at most ${most.toFixed(0)}, afterwards ${after.toFixed(0)}`);
    assert.deepEqual(failed, []);
    assert.ok(most < MOST_MEMORY_UNDER_ATTACK, String(most));
    assert.equal(program.child.exitCode, null);
  });
});

suite('a loop that stands still', () => {
  test('for two seconds: no review fails, and no probe of the kubelet', async (t) => {
    await using program = await startProgram(2_000);
    const reviews = streamOfReviews(program);
    await sleep(500);
    program.child.kill('SIGUSR2');
    await sleep(100);
    const began = performance.now();
    const { status } = await program.ask({ path: '/healthz', agent: false, timeout: 5_000 });
    assert.equal(status, 200);
    const took = performance.now() - began;
    assert.ok(took > 1_000, `it did not stand still: ${took} ms`);
    await sleep(500);
    const { answered, failed } = await reviews.end();
    t.diagnostic(`${answered} reviews, a probe took ${took.toFixed(0)} ms`);
    assert.deepEqual(failed, []);
    await healthy(program);
  });

  test('for good: no probe is answered', async () => {
    await using program = await startProgram(3_600_000);
    program.child.kill('SIGUSR2');
    await sleep(200);
    const probe = { path: '/healthz', agent: false, signal: AbortSignal.timeout(3_000) } as const;
    await assert.rejects(program.ask(probe), /abort/i);
  });
});

test('SIGTERM under load: unready, callers are told to close, no request fails, and it exits with 0', async (t) => {
  await using program = await startProgram();
  const reviews = streamOfReviews(program);
  await sleep(500);
  const began = performance.now();
  program.child.kill('SIGTERM');
  await sleep(200);
  const { status, headers } = await program.ask({ path: '/readyz', agent: false });
  assert.equal(status, 503);
  assert.equal(headers.connection, 'close');
  // The endpoints of the Service take some seconds to catch up.
  await sleep(6_000);
  const { answered, failed } = await reviews.end();
  assert.deepEqual(failed, []);
  const [code, signal] = await once(program.child, 'exit');
  t.diagnostic(`${answered} reviews; it took ${((performance.now() - began) / 1_000).toFixed(1)} s to end`);
  assert.deepEqual([code, signal], [0, null]);
});

test('busy for a while: memory stays within its bound', async (t) => {
  await using program = await startProgram();
  const reviews = streamOfReviews(program, 25);
  const found: number[] = [];
  for (let second = 0; second < 8; second += 1) {
    await sleep(1_000);
    found.push(Math.round(await program.memory()));
  }
  const { answered, failed } = await reviews.end();
  t.diagnostic(`${answered} reviews; MB each second: ${found.join(' ')}`);
  assert.deepEqual(failed, []);
  // Run from its sources, which takes 30 MB more than the build.
  assert.ok(Math.max(...found) < MOST_MEMORY + 50);
});

function tcp({ port }: Program): Socket {
  return connectTcp(port, '127.0.0.1')
    .on('error', () => {})
    .resume();
}

function tls({ port, ca }: Program): Socket {
  return connect({ host: '127.0.0.1', port, ca, servername: 'localhost' })
    .on('error', () => {})
    .resume();
}
