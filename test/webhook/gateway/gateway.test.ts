import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { after, afterEach, before, suite, test } from 'node:test';
import type { PodPlace } from '../../../kube/pod-nodes.ts';
import { answerWith, at, type OpenGateway, openGateway, startFakeDoor } from './kit.ts';

let open: OpenGateway;
before(async () => {
  open = await openGateway({ doorBounds: { connectMs: 400, bodyMs: 300, bodyBytes: 10_000 } });
});
after(() => open.stop());
afterEach(() => {
  open.door.asked.length = 0;
  open.door.answer = ok;
  open.fresh.clear();
  open.places.clear();
  open.places.set('shop/cart', at('node1', '127.0.0.1'));
  Object.assign(open.state, { down: false, synced: true, reviews: 0, finds: 0 });
});

const ok = (_: unknown, response: Parameters<OpenGateway['door']['answer']>[1]) =>
  answerWith(response, 200, '{"items":["/x.tar"]}');

suite('what is passed on', () => {
  test('the request, made anew: path, timeout and token, and nothing else of the caller', async () => {
    const headers = {
      cookie: 'a=b',
      'x-remote-user': 'root',
      'impersonate-user': 'root',
      'x-forwarded-for': '1.2.3.4',
      'checkpoint-warden-x': 'y',
      accept: 'text/html',
    };
    const answer = await open.ask('/checkpoint/shop/cart/main?timeout=+300', { headers });
    assert.equal(answer.status, 200, answer.body);
    const [asked, ...more] = open.door.asked;
    assert.deepEqual(more, []);
    assert.deepEqual([asked?.method, asked?.url], ['POST', '/checkpoint/shop/cart/main?timeout=300']);
    assert.deepEqual(asked?.headers, {
      host: 'checkpoint-warden-door.checkpoint-warden.svc',
      accept: 'application/json',
      'user-agent': 'checkpoint-warden',
      connection: 'close',
      authorization: 'Bearer good',
      'content-length': '0',
    });
  });

  for (const [name, status, headers, body] of [
    ['a checkpoint', 200, { 'checkpoint-warden-expected': '33Mi are expected' }, '{"items":["/x.tar"]}'],
    ['a quota', 507, { 'checkpoint-warden-refusal': 'total', 'content-type': 'text/plain' }, 'no room\n'],
    ['a rate', 429, { 'retry-after': '17', 'checkpoint-warden-refusal': 'interval' }, 'later\n'],
    ['a policy', 403, { 'checkpoint-warden-refusal': 'denied' }, 'denied\n'],
    ['no such container', 404, { 'checkpoint-warden-refusal': 'noContainer' }, 'none\n'],
    ["the door's own 401", 401, { 'www-authenticate': 'Bearer' }, 'who?\n'],
    ['a failure', 500, { 'checkpoint-warden-refusal': 'failed' }, ''],
  ] as const) {
    test(`the door's answer as it is: ${name}`, async () => {
      open.door.answer = (_, response) =>
        answerWith(response, status, body, { ...headers, 'set-cookie': 'a=b', 'x-secret': 'no' });
      const answer = await open.ask();
      assert.deepEqual([answer.status, answer.body], [status, body]);
      for (const [key, value] of Object.entries(headers)) assert.equal(answer.headers[key], value, key);
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.equal(answer.headers['x-secret'], undefined);
    });
  }

  test('a caller who leaves takes the request to the door with him', { timeout: 3_000 }, async () => {
    const arrived = Promise.withResolvers<void>();
    open.door.answer = () => arrived.resolve();
    const leaving = new AbortController();
    const answer = open.ask(undefined, { signal: leaving.signal });
    await arrived.promise;
    leaving.abort();
    await assert.rejects(answer);
    await open.door.asked[0]?.gone;
  });

  test('a pod that has moved is looked up anew, and its new door asked once', async (t) => {
    const second = await startFakeDoor(open.ofDoor, { host: '127.0.0.2', port: open.door.port });
    t.after(() => second.close());
    open.door.answer = (_, response) =>
      answerWith(response, 404, 'not here\n', { 'checkpoint-warden-refusal': 'elsewhere' });
    open.fresh.set('shop/cart', at('node2', '127.0.0.2'));
    const { status } = await open.ask();
    assert.deepEqual([status, open.door.asked.length, second.asked.length], [200, 1, 1]);
    open.fresh.clear();
    assert.equal((await open.ask()).status, 404);
    assert.deepEqual([open.door.asked.length, second.asked.length], [2, 1]);
  });
});

suite('who must not get through', () => {
  for (const [name, path, options, status, message] of [
    [
      'no token',
      '/checkpoint/shop/cart/main',
      { token: null },
      401,
      'nobody says who asks; send Authorization: Bearer TOKEN; a client certificate cannot be passed on to the door of a node, so it counts for nothing here\n',
    ],
    ['no token, whatever the path', '/%2e', { token: null }, 401, /^nobody says who asks; /],
    [
      'basic',
      undefined,
      { token: null, headers: { authorization: 'Basic YTpi' } },
      401,
      /is no bearer token/,
    ],
    [
      'a token that is nobody’s',
      undefined,
      { token: 'bad' },
      401,
      /^the token is not valid here, or has ended; /,
    ],
    [
      'no right, and the pod is there',
      '/checkpoint/bank/vault/main',
      {},
      403,
      'ada may not checkpoint bank/vault/main: that takes the right to create pods/checkpoint in the group checkpoint.criu.org in namespace bank; ask whoever keeps the roles of that namespace for it\n',
    ],
    ['no right, and no pod', '/checkpoint/bank/nobody/main', {}, 403, /^ada may not checkpoint bank\/nobody/],
    ['forged headers', '/checkpoint/bank/vault/main', { headers: { 'x-remote-user': 'root' } }, 403, /^ada /],
    ['another method', undefined, { method: 'GET' }, 405, '"GET" makes no checkpoint; use POST\n'],
    ['a verdict', '/verdict/shop/cart/main', { method: 'GET' }, 404, /^verdicts are had from the door/],
    ['another path', '/metrics', {}, 404, /^there is nothing at "\/metrics"; ask as POST /],
    ['an encoded path', '/checkpoint/shop/cart/%6dain', {}, 400, /holds an encoded character/],
    ['a dot segment', '/checkpoint/shop/../cart/main', {}, 400, /dot segment/],
    ['two timeouts', '/checkpoint/shop/cart/main?timeout=1&timeout=2', {}, 400, /not one timeout/],
    [
      'a secret in a query',
      '/checkpoint/shop/cart/main?token=hunter2',
      {},
      400,
      /^the query is not one timeout/,
    ],
    ['a body', undefined, { headers: { 'content-length': '3' } }, 400, /has no body/],
    ['chunks', undefined, { headers: { 'transfer-encoding': 'chunked' } }, 400, /takes no Transfer-Encoding/],
    [
      'an upgrade',
      undefined,
      { headers: { connection: 'upgrade', upgrade: 'websocket' } },
      400,
      /be upgraded/,
    ],
    ['an expectation', undefined, { headers: { expect: '100-continue' } }, 400, /Expect cannot be met/],
    ['a CONNECT', 'node1:10250', { method: 'CONNECT' }, 400, /does not begin with a slash/],
    ['a header bomb', undefined, { headers: { x: 'x'.repeat(20_000) } }, 431, /headers are too large/],
  ] as const) {
    test(name, { timeout: 3_000 }, async () => {
      open.places.set('bank/vault', at('node1', '127.0.0.1'));
      const answer = await open.ask(path, options);
      assert.equal(answer.status, status, answer.body);
      if (typeof message === 'string') assert.equal(answer.body, message);
      else assert.match(answer.body, message);
      assert.deepEqual([open.door.asked.length, open.state.finds], [0, 0]);
    });
  }

  test('what is refused for want of a right does not tell whether the pod is there', async () => {
    open.places.set('bank/vault', at('node1', '127.0.0.1'));
    const [there, not] = await Promise.all([
      open.ask('/checkpoint/bank/vault/main'),
      open.ask('/checkpoint/bank/vaulx/main'),
    ]);
    assert.equal(there.body.replaceAll('vault', 'vaulx'), not.body);
    assert.deepEqual(Object.keys(there.headers), Object.keys(not.headers));
  });
});

suite('what is not there', () => {
  for (const [name, place, status, message] of [
    ['no pod', { kind: 'noPod' }, 404, 'there is no pod shop/cart; look at kubectl get pods\n'],
    [
      'no node yet',
      { kind: 'unbound' },
      409,
      'pod shop/cart is not bound to a node yet; wait until it runs\n',
    ],
    [
      'no node any more',
      { kind: 'noNode', node: 'node9' },
      502,
      /^node node9, which .* is not there any more; /,
    ],
    ['no address', { kind: 'noAddress', node: 'node9' }, 502, /^node node9, .* has no internal address; /],
    [
      'nobody at the address',
      at('node9', '127.0.0.9'),
      503,
      /^the door of node node9 does not answer; try again/,
    ],
  ] as const satisfies readonly (readonly [string, PodPlace, number, string | RegExp])[]) {
    test(name, async () => {
      open.places.set('shop/cart', place);
      const { status: got, body, headers } = await open.ask();
      assert.equal(got, status, body);
      if (typeof message === 'string') assert.equal(body, message);
      else assert.match(body, message);
      if (status === 503) assert.equal(headers['retry-after'], '5');
    });
  }

  test('the pods are not known yet', async () => {
    open.state.synced = false;
    const { status, body, headers } = await open.ask();
    assert.deepEqual([status, headers['retry-after']], [503, '2']);
    assert.match(body, /^the pods of the cluster are not known yet; try again in a moment/);
  });

  test('the API server does not answer', async () => {
    open.state.down = true;
    const { status, body } = await open.ask();
    assert.equal(status, 503);
    assert.match(body, /^the API server does not say whose the token is; /);
    assert.ok(!body.includes('10.0.0.1'));
  });
});

suite('doors that cannot be trusted, or do not behave', () => {
  for (const name of ['another authority', 'another name', 'a client'] as const) {
    test(`a certificate of ${name}: the token is not sent`, async (t) => {
      const { authority, others } = open;
      const credentials = {
        'another authority': () => others.issue({ name: 'door', hosts: [DOOR] }),
        'another name': () => authority.issue({ name: 'door', hosts: ['127.0.0.3', 'door.example'] }),
        'a client': () => authority.issue({ name: DOOR }),
      }[name]();
      const forged = await startFakeDoor(credentials, { host: '127.0.0.3', port: open.door.port });
      t.after(() => forged.close());
      open.places.set('shop/cart', at('node3', '127.0.0.3'));
      const { status, body } = await open.ask();
      assert.equal(status, 502, body);
      assert.match(body, /^the door of node node3 does not show a certificate that can be trusted; /);
      assert.deepEqual([forged.connections(), forged.asked.length], [1, 0]);
    });
  }

  for (const [name, answer, status, message] of [
    [
      'a connection that breaks',
      (_: unknown, r: Response) => r.destroy(),
      504,
      /broke; its archive may still/,
    ],
    [
      'an answer that breaks off',
      (_: unknown, r: Response) => r.writeHead(200, { 'content-length': 100 }).write('x', () => r.destroy()),
      504,
      /the connection to the door of node node1 broke/,
    ],
    [
      'an answer without an end',
      (_: unknown, r: Response) => r.writeHead(200).write('x'),
      504,
      /the connection to the door of node node1 broke/,
    ],
    [
      'a redirection',
      (_: unknown, r: Response) => answerWith(r, 307, '', { location: 'https://elsewhere.example/' }),
      502,
      /gave an answer that is none/,
    ],
    [
      'too long an answer',
      (_: unknown, r: Response) => answerWith(r, 200, 'x'.repeat(20_000)),
      502,
      /is none/,
    ],
  ] as const) {
    test(name, async () => {
      open.door.answer = (asked, response) => void answer(asked, response);
      const { status: got, body } = await open.ask();
      assert.equal(got, status, body);
      assert.match(body, message);
    });
  }

  test('a listener that says nothing', async (t) => {
    const mute = createServer();
    const sockets: Socket[] = [];
    mute.on('connection', (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => mute.listen(open.door.port, '127.0.0.4', resolve));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
    open.places.set('shop/cart', at('node4', '127.0.0.4'));
    const { status, body } = await open.ask();
    assert.equal(status, 503, body);
    assert.match(body, /^the door of node node4 does not answer; /);
  });

  test('a listener without TLS', async (t) => {
    const plain = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    });
    await new Promise<void>((resolve) => plain.listen(open.door.port, '127.0.0.5', resolve));
    t.after(() => plain.close());
    open.places.set('shop/cart', at('node5', '127.0.0.5'));
    const { status, body } = await open.ask();
    assert.equal(status, 502, body);
    assert.match(body, /^the door of node node5 does not show a certificate that can be trusted; /);
  });

  test('an authority that is renewed is taken up, a bad one is not', async () => {
    writeFileSync(open.caFile, 'rubbish');
    assert.equal((await open.ask()).status, 200);
    writeFileSync(open.caFile, open.authority.certificate);
    assert.equal((await open.ask()).status, 200);
  });
});

type Response = Parameters<OpenGateway['door']['answer']>[1];
const DOOR = 'checkpoint-warden-door.checkpoint-warden.svc';

test('no log line holds a token; those who are known have a line each', async () => {
  open.tokens.set('s3cr3t-t0ken-of-eve', { username: 'eve', groups: [] });
  await open.ask(undefined, { token: 's3cr3t-t0ken-of-eve' });
  await open.ask(undefined, { token: 's3cr3t-unknown' });
  await open.ask();
  assert.ok(!open.lines.some((line) => /s3cr3t|Bearer good/.test(line)));
  const eve = open.lines.find((line) => line.includes('"user":"eve"')) ?? '';
  assert.match(eve, /"status":403.*"code":"forbidden".*refused a checkpoint request/);
  assert.match(open.lines.at(-1) ?? '', /"user":"ada","node":"node1","status":200/);
  const metrics = await open.registry.metrics();
  assert.match(metrics, /gateway_requests_total\{outcome="passed"\} [1-9]/);
  assert.match(metrics, /gateway_requests_total\{outcome="unauthenticated"\} [1-9]/);
});
