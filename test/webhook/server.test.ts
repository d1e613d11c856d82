import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { CertificateSource } from '../../certs/source.ts';
import { LARGEST_BODY } from '../../webhook/intake.ts';
import { startWebhook } from '../../webhook/main.ts';
import {
  admissionReview,
  call,
  FakeSource,
  policy,
  recordedLog,
  sharedCertificates,
  silent,
  startTestWebhook,
  type TestWebhook,
} from './kit.ts';

const own = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] };
const good = admissionReview(policy(own));
const global = admissionReview(policy({ globalPolicy: { maxCheckpointsPerPod: 1 } }));

async function dial({ webhook, ca }: TestWebhook, options = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: webhook.port, ca, servername: 'localhost', ...options });
  await once(socket, 'secureConnect');
  return socket;
}

const TURNED_AWAY: readonly [
  name: string,
  method: string,
  path: string,
  headers: Record<string, string>,
  status: number,
  sentence: RegExp,
][] = [
  [
    'another path',
    'POST',
    '/',
    {},
    404,
    /known are \/mutate, \/validate, \/mutate-schedules, \/validate-schedules, \/mutate-pods, \/connect, \/healthz, \/readyz/,
  ],
  ['another case', 'POST', '/Validate', {}, 404, /nothing here/],
  ['a slash behind', 'POST', '/validate/', {}, 404, /nothing here/],
  ['a path that cannot be decoded', 'POST', '/%zz', {}, 404, /nothing here/],
  ['GET', 'GET', '/validate', {}, 405, /takes POST/],
  ['PUT', 'PUT', '/mutate', {}, 405, /takes POST/],
  ['YAML', 'POST', '/validate', { 'content-type': 'application/yaml' }, 415, /"application\/yaml"; send/],
  ['JSON of another kind', 'POST', '/validate', { 'content-type': 'application/jsonp' }, 415, /send/],
  ['a timeout that is none', 'POST', '/validate?timeout=soon', {}, 400, /\?timeout=10s/],
  ['a timeout below zero', 'POST', '/validate?timeout=-1s', {}, 400, /above zero/],
];

test('what is no review is turned away with a sentence', async (t) => {
  await using hook = await startTestWebhook();
  for (const [name, method, path, headers, status, sentence] of TURNED_AWAY) {
    await t.test(name, async () => {
      const answer = await hook.send(path, method === 'GET' ? '' : good, { method, headers });
      assert.equal(answer.status, status);
      assert.match(answer.body, sentence);
      assert.equal(answer.headers.allow, status === 405 ? 'POST' : undefined);
      assert.equal(answer.headers['x-powered-by'], undefined);
    });
  }
  const charset = { headers: { 'content-type': 'application/json; charset=utf-8' } };
  assert.equal((await hook.send('/validate?timeout=10s', good, charset)).status, 200);
});

test('a body over the limit gets 413, announced or not, and the connection goes on', async () => {
  await using hook = await startTestWebhook();
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: hook.ca });
  const large = Buffer.alloc(LARGEST_BODY + 1, ' ');
  const announced = await hook.send('/validate', large, { agent });
  assert.equal(announced.status, 413);
  assert.match(announced.body, /larger than 7340032 bytes; send a smaller one/);
  const chunked = { agent, headers: { 'transfer-encoding': 'chunked' } };
  assert.equal((await hook.send('/validate', large, chunked)).status, 413);
  assert.equal((await hook.send('/validate', good, { agent })).status, 200);
  const fits = Buffer.concat([Buffer.from(JSON.stringify(good)), Buffer.alloc(1024 * 1024, ' ')]);
  assert.equal((await hook.send('/validate', fits, { agent })).status, 200);
  agent.destroy();
});

test('what is no HTTP gets a sentence and ends', async () => {
  await using hook = await startTestWebhook();
  const socket = await dial(hook);
  socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 400 Bad Request\r\n.*the request is not HTTP\/1\.1\n$/s);
  const long = await dial(hook);
  long.write(`POST /validate HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(20_000)}\r\n`);
  assert.match(await text(long), /^HTTP\/1\.1 431 .*the headers are too large\n$/s);
});

const SHORT = { handshake: 150, headers: 150, request: 300, check: 50 };

test('who does not finish in time loses the connection', async (t) => {
  await using hook = await startTestWebhook({ timings: SHORT });
  const ends: readonly [name: string, open: () => Promise<NodeJS.ReadableStream>, answer: RegExp][] = [
    [
      'its handshake',
      async () => {
        const socket = connectTcp(hook.webhook.port, '127.0.0.1');
        await once(socket, 'connect');
        socket.write(Buffer.from([0x16, 0x03, 0x01]));
        return socket;
      },
      /^$/,
    ],
    [
      'its headers',
      async () => {
        const socket = await dial(hook);
        socket.write('POST /validate HTTP/1.1\r\nhost: x\r\n');
        return socket;
      },
      /^HTTP\/1\.1 408 .*did not arrive in time\n$/s,
    ],
    [
      'its body',
      async () => {
        const socket = await dial(hook);
        const head = 'POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
        socket.write(`${head}content-length: 100\r\n\r\n{`);
        return socket;
      },
      /^HTTP\/1\.1 408 .*did not arrive in time\n$/s,
    ],
  ];
  await Promise.all(
    ends.map(([name, open, answer]) =>
      t.test(name, async () => {
        const startedAt = performance.now();
        const socket = await open();
        socket.on('error', () => {});
        const received = await text(socket as TLSSocket).catch(() => '');
        assert.match(received, answer);
        assert.ok(performance.now() - startedAt < 3_000);
      }),
    ),
  );
  assert.equal((await hook.send('/validate', good)).status, 200);
});

test('an idle connection is kept for longer than headers may take', async () => {
  await using hook = await startTestWebhook({ timings: SHORT });
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: hook.ca });
  await hook.send('/validate', good, { agent });
  const [idle] = Object.values(agent.freeSockets).flat();
  assert.ok(idle);
  await new Promise((resume) => setTimeout(resume, 500));
  const answer = await hook.send('/validate', good, { agent });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['keep-alive'], 'timeout=100');
  assert.equal(Object.values(agent.freeSockets).flat()[0], idle);
  agent.destroy();
});

test('TLS below 1.3 is refused, 1.2 with AEAD ciphers on demand', async () => {
  const { log, lines } = recordedLog();
  await using strict = await startTestWebhook({ log });
  await assert.rejects(dial(strict, { maxVersion: 'TLSv1.2' }), /alert protocol version/);
  const newest = await dial(strict);
  assert.equal(newest.getProtocol(), 'TLSv1.3');
  newest.destroy();
  assert.match(JSON.stringify(lines), /failed in its TLS handshake/);
  await using wide = await startTestWebhook({ minTlsVersion: 'TLSv1.2' });
  const socket = await dial(wide, { maxVersion: 'TLSv1.2' });
  assert.match(socket.getCipher().name, /GCM|CHACHA20/);
  socket.destroy();
  const old = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA256' };
  await assert.rejects(dial(wide, old), /handshake failure/);
});

test('ready only with a valid certificate, a fresh source and a server that answers', async () => {
  const certificates = await sharedCertificates();
  let now = Date.now();
  let served = certificates;
  const changing: CertificateSource = {
    ...certificates,
    current: () => served.current(),
    describe: () => served.describe(),
  };
  await using hook = await startTestWebhook({ certificates: changing, now: () => now });
  const ready = async () => {
    now += 1_000;
    const { status, body } = await hook.send('/readyz', '', { method: 'GET' });
    return `${status} ${body}`;
  };
  assert.equal(await ready(), '200 ok\n');
  hook.source.fresh = false;
  assert.match(await ready(), /^503 the policies may be out of date/);
  hook.source.fresh = true;
  const other = await import('../../certs/self-signed.ts');
  served = other.selfSignedCertificates({ names: ['localhost'], log: silent });
  await served.start();
  assert.match(await ready(), /^503 a dial to the own port failed: /);
  served = certificates;
  assert.equal(await ready(), '200 ok\n');
  now = certificates.describe().notAfter + 1;
  assert.match(await ready(), /^503 the certificate expired at \d{4}-\d\d-\d\dT/);
  assert.equal((await hook.send('/healthz', '', { method: 'GET' })).status, 200);
});

test('stop turns unready, asks callers to close, ends what is in flight and takes nothing new', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<boolean>();
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
  const reviewer = {
    mayGovern: () => {
      isAsked();
      return answered;
    },
  };
  const hook = await startTestWebhook({ reviewer, timings: { drain: 150 } });
  const agent = new Agent({ keepAlive: true, ca: hook.ca });
  await hook.send('/healthz', '', { method: 'GET', agent });
  const idle = (await dial(hook)).resume();
  const inFlight = hook.send('/validate', global, { agent });
  await asked;

  const stopped = hook.webhook.stop();
  const unready = await hook.send('/readyz', '', { method: 'GET', agent });
  assert.deepEqual([unready.status, unready.body], [503, 'the webhook is stopping\n']);
  assert.equal(unready.headers.connection, 'close');
  const late = await hook.send('/validate', good, { agent });
  assert.equal(late.status, 200);
  await once(idle, 'close');
  assert.equal(hook.source.stopped, false);
  await assert.rejects(call(`${hook.webhook.url}/healthz`, { ca: hook.ca, agent: false }), /ECONNREFUSED/);

  answer(true);
  assert.equal(JSON.parse((await inFlight).body).response.allowed, true);
  await stopped;
  assert.equal(hook.source.stopped, true);
  await hook.webhook.stop();
  agent.destroy();
});

test('stop cuts what does not end', async () => {
  const reviewer = { mayGovern: () => new Promise<boolean>(() => {}) };
  const hook = await startTestWebhook({ reviewer, timings: { finish: 100 } });
  const hanging = assert.rejects(hook.send('/validate', global), /socket hang up|ECONNRESET/);
  await new Promise((resume) => setTimeout(resume, 50));
  await hook.webhook.stop();
  await hanging;
});

test('metrics tell of verdicts, latency, certificate and source', async () => {
  await using hook = await startTestWebhook({ metrics: { host: '127.0.0.1', port: 0 } });
  await hook.ask('/validate', good);
  await hook.ask('/validate', global);
  await hook.ask('/mutate', { ...good, apiVersion: 'admission.k8s.io/v1beta1' });
  await hook.send('/nowhere', '');
  hook.source.fresh = false;
  const url = hook.webhook.metricsUrl ?? '';
  const metrics = await (await fetch(url)).text();
  const expiry = (await sharedCertificates()).describe().notAfter / 1000;
  for (const line of [
    'checkpoint_warden_admission_decisions_total{endpoint="/validate",verdict="allowed"} 1',
    'checkpoint_warden_admission_decisions_total{endpoint="/validate",verdict="denied"} 1',
    'checkpoint_warden_admission_decisions_total{endpoint="/mutate",verdict="malformed"} 1',
    'checkpoint_warden_admission_duration_seconds_count{endpoint="/validate"} 2',
    'checkpoint_warden_http_errors_total{status="404"} 1',
    `checkpoint_warden_certificate_expiry_timestamp_seconds ${expiry}`,
    'checkpoint_warden_certificate_problem 0',
    'checkpoint_warden_policy_source_fresh 0',
  ]) {
    assert.ok(metrics.includes(`\n${line}\n`), `${line} is not in\n${metrics.slice(0, 3_000)}`);
  }
  assert.match(metrics, /\nprocess_resident_memory_bytes \d+/);
  assert.equal((await fetch(url.replace('/metrics', '/'))).status, 404);
});

test('a start that fails leaves nothing behind', async () => {
  const source = new FakeSource();
  source.start = () => Promise.reject(new Error('no API server at localhost'));
  const options = { reviewer: null, log: silent, certificates: await sharedCertificates() };
  const listen = { host: '127.0.0.1', port: 0 };
  await assert.rejects(startWebhook({ ...options, listen, source }), /no API server at localhost/);
  assert.equal(source.stopped, true);
  await using hook = await startTestWebhook();
  const taken = { host: '127.0.0.1', port: hook.webhook.port };
  await assert.rejects(
    startWebhook({ ...options, listen: taken, source: new FakeSource() }),
    /address already in use 127\.0\.0\.1:\d+/,
  );
});
