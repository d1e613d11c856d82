import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { checkpointOf } from '../../policy/proxy-path.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { mayReachCheckpoint } from '../manifests/backstop.ts';
import { SEED } from '../policy/cases.ts';
import { type Caller, callerAs, isDenied, type ProxyAnswer, reachedHandler } from './connect/caller.ts';
import { type Guard, type Posture, startConnectGuard } from './connect/guard.ts';
import { decodedPath, decorated, HARMLESS, SPELLINGS } from './connect/spellings.ts';

/** Decorations of the path: some 2 ms each. */
const CASES = Number(process.env.CASES ?? 2_000);

let cluster: Cluster;
let admin: Caller;
let guard: Guard;

before(async () => {
  cluster = await startCluster();
  admin = callerAs(cluster, 'root', ['system:masters']);
  await Promise.all(
    ['counter', 'checkpoint-x', 'checkpoint'].map((name) => cluster.runPod({ name, node: 'node1' })),
  );
  guard = await startConnectGuard(cluster, admin, ['migrator']);
});
after(async () => {
  await guard?.[Symbol.asyncDispose]();
  admin?.[Symbol.dispose]();
  await cluster?.stop();
});

/** Names, sizes and times of all archives: anything the kubelet writes shows. */
async function archives(): Promise<string[]> {
  const { checkpointDirectory: directory } = cluster.node('node1');
  const names = await readdir(directory);
  const each = names.sort().map(async (name) => {
    const { size, mtimeMs } = await stat(join(directory, name));
    return `${name} ${size} ${mtimeMs}`;
  });
  return Promise.all(each);
}

test('nothing in the way: every spelling is a checkpoint', async (t) => {
  await guard.take('nothing');
  for (const { name, path } of SPELLINGS) {
    const earlier = await archives();
    const { status, body } = await admin.ask(path);
    assert.equal(status, 200, `${name}: ${body}`);
    assert.match(body, /checkpoint-counter_default-main-/);
    assert.notDeepEqual(await archives(), earlier, name);
  }
  for (const headers of DRESSES) {
    const earlier = await archives();
    const path = 'node1/proxy/checkpoint/default/counter/main';
    // After an upgrade that comes to nothing the API server may close the connection without an answer.
    const told = await admin.ask(path, 'POST', headers).then(({ body }) => body, String);
    t.diagnostic(`${JSON.stringify(headers)}: ${told}`);
    await eventually(async () => assert.notDeepEqual(await archives(), earlier, told), 3_000);
  }
  for (const { name, path } of HARMLESS) {
    const earlier = await archives();
    await admin.ask(path);
    assert.deepEqual(await archives(), earlier, name);
  }
});

/** Headers by which servers elsewhere take a request for another one, or pass it on unread. */
const DRESSES = [
  { connection: 'Upgrade', upgrade: 'websocket' },
  { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
  { 'x-http-method-override': 'GET', 'x-original-url': '/metrics', 'x-rewrite-url': '/metrics' },
  { 'x-forwarded-prefix': '/x', 'x-forwarded-uri': '/metrics' },
] as const;

const DENIALS: readonly (readonly [Posture, number, RegExp])[] = [
  [
    'webhook',
    403,
    /denied the request: a checkpoint of default\/counter\/main cannot be had .* ask the door of node node1 instead: POST \/checkpoint\/default\/counter\/main"/,
  ],
  ['webhook away', 500, /failed calling webhook/],
  ['policy', 403, /denied request: (a checkpoint of default\/counter\/main|the kubelet's checkpoint API) /],
  ['both', 403, /denied request: /],
  ['both, webhook away', 403, /denied request: /],
];

for (const [posture, status, message] of DENIALS) {
  test(`${posture}: every spelling is stopped, by every method`, async () => {
    await guard.take(posture);
    const earlier = await archives();
    for (const { name, path } of SPELLINGS) {
      const started = Date.now();
      const answer = await admin.ask(path);
      assert.ok(Date.now() - started < 2_000, `${name} took ${Date.now() - started} ms`);
      assert.equal(answer.status, status, `${name}: ${answer.body}`);
      assert.match(answer.body, message, name);
    }
    for (const headers of DRESSES) {
      const answer = await admin.ask('node1/proxy/checkpoint/default/counter/main', 'POST', headers);
      assert.equal(answer.status, status, `${JSON.stringify(headers)}: ${answer.body}`);
    }
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await admin.ask('node1/proxy/checkpoint/default/counter/main', method);
      assert.equal(answer.status, status, `${method}: ${answer.body}`);
    }
    assert.deepEqual(await archives(), earlier);
  });
}

test('the policy names the container wherever the path is plain', async () => {
  await guard.take('policy');
  const { body } = await admin.ask('node1/proxy//checkpoint/default/./counter/main/');
  assert.match(
    body,
    /denied request: a checkpoint of default\/counter\/main cannot be had through nodes\/proxy, where no room is reserved for it; ask the door of the node instead: POST \/checkpoint\/default\/counter\/main"/,
  );
  const elsewhere = await admin.ask('node1/proxy/x/../checkpoint/default/counter/main');
  assert.match(
    elsewhere.body,
    /denied request: the kubelet's checkpoint API is not to be had through nodes\/proxy; ask /,
  );
});

/** Requests of those who read metrics and logs, with the status that the kubelet gives. */
const OTHERS: readonly (readonly [string, number])[] = [
  ['node1/proxy/metrics', 200],
  ['node1/proxy/metrics/cadvisor', 200],
  ['node1/proxy/metrics/resource', 200],
  ['https:node1:10250/proxy/metrics', 200],
  ['node1/proxy/healthz', 200],
  ['node1/proxy/pods', 200],
  ['node1/proxy/pods/', 200],
  ['node1/proxy/configz', 200],
  ['node1/proxy/stats/summary', 200],
  ['node1/proxy/containerLogs/default/counter/main', 200],
  ['node1/proxy/containerLogs/default/checkpoint-x/main', 200],
  ['node1/proxy/containerLogs/default/checkpoint/main', 200],
  ['node2/proxy/healthz', 200],
  ['node1/proxy/logs/nothing-here', 404],
  ['node1/proxy/logs/checkpoint/', 404],
  ['node1/proxy/checkpoints/default/counter/main', 404],
  ['node1/proxy', 301],
];

for (const posture of ['nothing', 'webhook away', 'both, webhook away'] as const) {
  test(`${posture}: what is no checkpoint request is not touched`, async () => {
    await guard.take(posture);
    for (const [path, status] of OTHERS) {
      const answer = await admin.ask(path, 'GET');
      assert.equal(answer.status, status, `${path}: ${answer.body.slice(0, 300)}`);
    }
    // Its own word for what it does not know.
    assert.match((await admin.ask('node1/proxy/Checkpoint/default/counter/main')).body, /404/);
  });
}

/** Near to what the API server takes in a header at all, 1 MiB. */
const LONGEST = 400_000;

test('a path too long for CEL is stopped if it holds checkpoint, and passes if not', async (t) => {
  const request = (path: string) => admin.ask(`node1/proxy/${'./'.repeat(LONGEST)}${path}`, 'POST');
  await guard.take('nothing');
  assert.ok(reachedHandler(await request('checkpoint/default/counter/missing')));
  const bare = await request('configz');
  for (const posture of ['webhook', 'webhook away', 'policy', 'both, webhook away'] as const) {
    await guard.take(posture);
    const started = Date.now();
    const { status, body } = await request('checkpoint/default/counter/missing');
    t.diagnostic(
      `${posture}: ${status} after ${Date.now() - started} ms: ${body.replace(/.*"message":/s, '').slice(0, 160)}`,
    );
    assert.ok(status >= 400 && /"kind":\s*"Status"/.test(body), `${posture}: ${body.slice(0, 500)}`);
    assert.ok(!reachedHandler({ status, body }));
    assert.equal((await request('configz')).status, bare.status, posture);
  }
});

test('an exempt user passes; his name in another case, or as a group, does not', async () => {
  await cluster.kubectl(['create', 'clusterrole', 'proxies', '--verb=*', '--resource=nodes/proxy']);
  const users = ['migrator', 'Migrator', 'somebody'];
  const subjects = [...users.map((user) => `--user=${user}`), '--group=migrator'];
  await cluster.kubectl(['create', 'clusterrolebinding', 'proxies', '--clusterrole=proxies', ...subjects]);
  await guard.take('both, webhook away');
  using migrator = callerAs(cluster, 'migrator');
  using capital = callerAs(cluster, 'Migrator');
  using member = callerAs(cluster, 'somebody', ['migrator']);
  const path = 'node1/proxy/checkpoint/default/counter/missing';
  assert.ok(reachedHandler(await migrator.ask(path)), JSON.stringify(await migrator.ask(path)));
  for (const other of [capital, member]) assert.ok(isDenied(await other.ask(path)));
});

test(`${CASES} decorations: whatever reaches the kubelet is denied, with the webhook and without`, async (t) => {
  t.diagnostic(`SEED=${SEED} CASES=${CASES}`);
  const requests = fc.sample(decorated, { numRuns: CASES, seed: SEED });
  const answersWith = async (posture: Posture): Promise<ProxyAnswer[]> => {
    await guard.take(posture);
    const started = Date.now();
    const answers = await admin.askAll(requests);
    t.diagnostic(`${posture}: ${((Date.now() - started) / CASES).toFixed(1)} ms each`);
    return answers;
  };
  const before = await answersWith('nothing');
  const archivesBefore = await archives();
  const judged = await answersWith('webhook');
  const stopped = await answersWith('both, webhook away');
  assert.deepEqual(await archives(), archivesBefore);

  const seen = { reached: 0, denied: 0, overDenied: 0, let: 0 };
  for (const [index, request] of requests.entries()) {
    const [bare, webhook, policy] = [before[index], judged[index], stopped[index]];
    assert.ok(bare && webhook && policy);
    const path = decodedPath(request);
    const told = `SEED=${SEED} ${JSON.stringify({ request, path, bare, webhook, policy }, null, 1)}`;
    const { kind } = checkpointOf(path);
    if (reachedHandler(bare)) {
      seen.reached += 1;
      assert.ok(isDenied(webhook) && isDenied(policy), told);
      assert.equal(kind, 'container', told);
    }
    assert.equal(isDenied(webhook), kind !== 'elsewhere', told);
    assert.equal(isDenied(policy), mayReachCheckpoint(path), told);
    if (isDenied(policy)) seen.denied += 1;
    if (isDenied(policy) && !isDenied(webhook)) seen.overDenied += 1;
    if (!isDenied(policy)) {
      seen.let += 1;
      assert.equal(policy.status, bare.status, told);
    }
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.reached > CASES / 10 && seen.let > 0, JSON.stringify(seen));
});
