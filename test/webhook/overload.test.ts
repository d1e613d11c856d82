import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { BOUNDS } from '../../webhook/bounds.ts';
import { admissionReview, connecting, policy, startTestWebhook, type TestWebhook } from './kit.ts';

const own = admissionReview(policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] }));
const global = admissionReview(policy({ globalPolicy: { maxCheckpointsPerPod: 1 } }));

/** Answers nothing until it is told to. */
function slowReviewer() {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let asked = 0;
  const { promise: full, resolve: isFull } = Promise.withResolvers<void>();
  const reviewer = {
    mayGovern: () => {
      asked += 1;
      if (asked === 2) isFull();
      return promise;
    },
  };
  return { reviewer, full, answer: () => resolve(true) };
}

async function metricsOf({ webhook }: TestWebhook): Promise<string> {
  return (await fetch(webhook.metricsUrl ?? '')).text();
}

test('reviews beyond the bound get 429, those of another kind and health do not', async () => {
  const { reviewer, full, answer } = slowReviewer();
  const metrics = { host: '127.0.0.1', port: 0 };
  await using hook = await startTestWebhook({ reviewer, metrics, bounds: { reviews: 2 } });
  const waiting = [hook.ask('/validate', global), hook.ask('/mutate', global)];
  await full;
  const shed = await hook.send('/validate', own);
  assert.equal(shed.status, 429);
  assert.equal(shed.headers['retry-after'], '1');
  assert.match(shed.body, /^more reviews are under way .*; ask again in 1 s\n$/);
  assert.equal((await hook.ask('/connect', connecting('/metrics'))).allowed, true);
  assert.equal((await hook.send('/healthz', '', { method: 'GET' })).status, 200);
  assert.equal((await hook.send('/readyz', '', { method: 'GET' })).status, 200);
  assert.match(await metricsOf(hook), /\ncheckpoint_warden_shed_total\{what="review"\} 1\n/);
  answer();
  for (const each of await Promise.all(waiting)) assert.equal(each.allowed, true);
  assert.equal((await hook.ask('/validate', own)).allowed, true);
});

test('bodies beyond the bound: who sends slowly gets 429, who sends at once an answer', async () => {
  await using hook = await startTestWebhook({ bounds: { bodies: 2 } });
  const slow = await Promise.all([1, 2].map(() => dialled(hook)));
  for (const socket of slow) {
    socket.write(
      'POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    );
  }
  await new Promise((resume) => setTimeout(resume, 50));
  const answers = slow.map(async (socket) => {
    const [chunk] = await once(socket, 'data');
    return String(chunk);
  });
  assert.equal((await hook.ask('/validate', own)).allowed, true);
  assert.match(await Promise.race(answers), /^HTTP\/1\.1 429 .*retry-after: 1\r\n/s);
  for (const socket of slow) socket.destroy();
});

async function dialled({ webhook, ca }: TestWebhook): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: webhook.port, ca, servername: 'localhost' });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket.resume();
}

async function halfOpen({ webhook }: TestWebhook): Promise<Socket> {
  const socket = connectTcp(webhook.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

test('of handshakes that do not go on the oldest gives way', async () => {
  const metrics = { host: '127.0.0.1', port: 0 };
  await using hook = await startTestWebhook({ metrics, bounds: { handshakes: 3 } });
  const sockets: Socket[] = [];
  for (let index = 0; index < 6; index += 1) sockets.push(await halfOpen(hook));
  await Promise.all(sockets.slice(0, 3).map((socket) => socket.closed || once(socket, 'close')));
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true, true, false, false, false],
  );
  assert.equal((await hook.ask('/validate', own)).allowed, true);
  assert.match(await metricsOf(hook), /\ncheckpoint_warden_shed_total\{what="handshake"\} [45]\n/);
  for (const socket of sockets) socket.destroy();
});

test('what is judged too late is not judged', async () => {
  let now = 1_000_000;
  let asked = 0;
  const reviewer = {
    mayGovern: async () => {
      asked += 1;
      return true;
    },
  };
  await using hook = await startTestWebhook({ reviewer, now: () => (now += 6_000) });
  const { allowed, status } = await hook.ask('/validate?timeout=5s', global);
  assert.equal(allowed, false);
  assert.equal(status?.code, 504);
  assert.equal(status?.reason, 'Timeout');
  assert.match(status?.message ?? '', /too busy to judge it in time; apply it again/);
  assert.equal(asked, 0);
});

test('the bounds together keep the memory bounded', () => {
  assert.ok(BOUNDS.connections * 60_000 + BOUNDS.bodyBytes < 100 * 1024 * 1024);
  assert.ok(BOUNDS.handshakes < BOUNDS.connections);
});

test('while the source is silent policies are not judged beside what may be old, and the rest goes on', async () => {
  await using hook = await startTestWebhook();
  hook.source.fresh = false;
  const { allowed, status } = await hook.ask('/validate', own);
  assert.equal(allowed, false);
  assert.equal(status?.code, 503);
  assert.match(status?.message ?? '', /policies of the cluster are not known now/);
  assert.equal((await hook.ask('/mutate', own)).allowed, true);
  assert.equal((await hook.ask('/connect', connecting('/metrics'))).allowed, true);
  const label = admissionReview(policy({}), { operation: 'UPDATE', oldObject: policy({}) });
  assert.equal((await hook.ask('/validate', label)).allowed, true);
  hook.source.fresh = true;
  assert.equal((await hook.ask('/validate', own)).allowed, true);
});
