import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { type KubeletBounds, kubeletClient } from '../../../gc/door/kubelet.ts';
import type { KubeletFiles } from '../../../gc/door/kubelet-access.ts';
import { type Authority, createAuthority } from '../../cluster/authority.ts';
import { type FakeKubelet, startFakeKubelet } from './fake-kubelet.ts';
import { kubeletContract } from './kubelet-contract.ts';

const CART = { namespace: 'shop', pod: 'cart', container: 'main' };
const scratch = mkdtempSync(join(tmpdir(), 'door-kubelet-'));
const lines: string[] = [];
let authority: Authority;
let fake: FakeKubelet;
let now = 0;

const log = {
  info: (_: object, message: string) => void lines.push(`info ${message}`),
  warn: (_: object, message: string) => void lines.push(`warn ${message}`),
  error: (_: object, message: string) => void lines.push(`error ${message}`),
};

before(async () => {
  authority = await createAuthority('kubelets');
  const other = await createAuthority('others');
  put('ca.crt', authority.certificate);
  put('other.crt', other.certificate);
  const door = authority.issue({ name: 'door' });
  put('door.crt', door.certificate);
  put('door.key', door.key);
  put('other.key', other.issue({ name: 'x' }).key);
  fake = await startFakeKubelet({
    certificate: authority.issue({ name: 'node1', hosts: ['127.0.0.1', 'node1'] }),
    ca: authority.certificate,
    directory: join(scratch, 'checkpoints'),
    tokens: new Map([
      ['good', true],
      ['poor', false],
      ['newer', true],
    ]),
    containers: new Map([
      ['shop/cart/main', { running: true }],
      ['shop/cart/done', { running: false }],
      [
        'shop/cart/frozen',
        { running: true, fails: 'rpc error: code = Unknown desc = container 1 is not running' },
      ],
      [
        'shop/cart/broken',
        { running: true, fails: 'rpc error: /var/lib/containerd/x: runc checkpoint --file-locks' },
      ],
    ]),
  });
});

after(async () => {
  await fake.close();
  rmSync(scratch, { recursive: true });
});

beforeEach(() => {
  put('token', 'good\n');
  lines.length = 0;
  fake.seen.length = 0;
});

function put(name: string, text: string): void {
  writeFileSync(join(scratch, name), text);
}

function client(files: Partial<KubeletFiles> = {}, url = fake.url, bounds: Partial<KubeletBounds> = {}) {
  const at = (name: string) => join(scratch, name);
  return kubeletClient({
    url,
    files: { ca: at('ca.crt'), token: at('token'), ...files },
    log,
    now: () => now,
    bounds,
  });
}

kubeletContract('a kubelet of our own', async () => {
  put('poor', 'poor');
  put('stranger', 'stranger');
  return {
    kubelet: client(),
    forbidden: client({ token: join(scratch, 'poor') }),
    unknown: client({ token: join(scratch, 'stranger') }),
    distrusting: client({ ca: join(scratch, 'other.crt') }),
    running: CART,
    finished: { ...CART, container: 'done' },
    directory: join(scratch, 'checkpoints'),
  };
});

test('the request is made of the parts, and of nothing else', async () => {
  await client().checkpoint(CART, 30);
  const { method, url, headers } = fake.seen[0] ?? {};
  assert.deepEqual([method, url], ['POST', '/checkpoint/shop/cart/main?timeout=30']);
  assert.deepEqual(Object.keys(headers ?? {}).sort(), [
    'accept',
    'authorization',
    'connection',
    'content-length',
    'host',
    'user-agent',
  ]);
  assert.equal(headers?.authorization, 'Bearer good');
});

test('a client certificate in the place of a token', async () => {
  const files = {
    ca: join(scratch, 'ca.crt'),
    certificate: join(scratch, 'door.crt'),
    key: join(scratch, 'door.key'),
  };
  const kubelet = kubeletClient({ url: fake.url, files, log, now: () => now });
  assert.equal((await kubelet.checkpoint(CART, undefined)).kind, 'done');
  assert.equal(fake.seen[0]?.headers.authorization, undefined);
});

test('a token that was replaced is read again, at once after a 401', async () => {
  const kubelet = client();
  assert.equal((await kubelet.checkpoint(CART, undefined)).kind, 'done');
  put('token', 'newer');
  fake.answer = (_, response) => {
    response.writeHead(401).end('Unauthorized');
  };
  assert.equal((await kubelet.checkpoint(CART, undefined)).kind, 'done');
  assert.deepEqual(
    fake.seen.map(({ headers }) => headers.authorization),
    ['Bearer good', 'Bearer good', 'Bearer newer'],
  );
});

test('the last good credential stands in for one that cannot be read, which is told once', async () => {
  const kubelet = client();
  await kubelet.checkpoint(CART, undefined);
  put('token', '');
  for (const _ of [1, 2, 3]) {
    now += 60_000;
    assert.equal((await kubelet.checkpoint(CART, undefined)).kind, 'done');
  }
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? '',
    /^warn .*credential for the kubelet cannot be used: .*token is empty; the last good/,
  );
  put('token', 'good');
  now += 60_000;
  await kubelet.checkpoint(CART, undefined);
  assert.match(lines[1] ?? '', /can be read again/);
});

test('without any credential nothing is asked', async () => {
  const outcome = await client({ token: join(scratch, 'nowhere') }).checkpoint(CART, undefined);
  assert.equal(outcome.kind, 'unsent');
  assert.match('text' in outcome ? outcome.text : '', /nowhere: it does not exist/);
  assert.equal(fake.seen.length, 0);
});

test('a key of another certificate is found before it is used', async () => {
  const files = { certificate: join(scratch, 'door.crt'), key: join(scratch, 'other.key') };
  assert.equal((await client(files).checkpoint(CART, undefined)).kind, 'unsent');
});

test('nobody listens', async () => {
  const outcome = await client({}, 'https://127.0.0.1:1').checkpoint(CART, undefined);
  assert.equal(outcome.kind, 'unsent');
});

test('a name that is not in the certificate, unless one that is is given', async () => {
  const url = fake.url.replace('127.0.0.1', 'localhost');
  assert.equal((await client({}, url).checkpoint(CART, undefined)).kind, 'unsent');
  const files = { ca: join(scratch, 'ca.crt'), token: join(scratch, 'token') };
  for (const [serverNames, kind] of [
    [['127.0.0.1'], 'done'],
    [['node1'], 'done'],
    [['127.0.0.2', 'node1'], 'done'],
    [['127.0.0.2'], 'unsent'],
    [['node2', '127.0.0.2'], 'unsent'],
    [[], 'unsent'],
  ] as const) {
    const kubelet = kubeletClient({ url, serverNames, files, log, now: () => now });
    assert.equal((await kubelet.checkpoint(CART, undefined)).kind, kind, serverNames.join());
  }
});

test('a URL without TLS is none', () => {
  assert.throws(() => client({}, 'http://127.0.0.1:10250'), /must begin with https/);
});

const CART_FILE = 'checkpoint-cart_shop-main-2026-11-21T00:00:00Z.tar';
type Answering = (request: IncomingMessage, response: ServerResponse) => void;

const ANSWERS: readonly { readonly name: string; readonly answer: Answering; readonly kind: string }[] = [
  { name: 'cuts the connection', kind: 'lost', answer: (request) => request.socket.destroy() },
  {
    name: 'cuts it within its answer',
    kind: 'lost',
    answer: (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"items"');
      setTimeout(() => request.socket.destroy(), 20);
    },
  },
  { name: 'says 200 and no JSON', kind: 'lost', answer: (_, response) => response.end('fine') },
  { name: 'names no file', kind: 'lost', answer: (_, response) => response.end('{"items":[]}') },
  {
    name: 'names two',
    kind: 'lost',
    answer: (_, response) => response.end(`{"items":["/c/${CART_FILE}","/c/x"]}`),
  },
  {
    name: 'names a file of another',
    kind: 'lost',
    answer: (_, response) =>
      response.end('{"items":["/c/checkpoint-till_shop-main-2026-11-21T00:00:00Z.tar"]}'),
  },
  {
    name: 'names a file of another time zone',
    kind: 'done',
    answer: (_, response) =>
      response.end('{"items":["/c/checkpoint-cart_shop-main-2026-11-21T06:00:21+05:30.tar"]}'),
  },
  { name: 'says 503', kind: 'lost', answer: (_, response) => response.writeHead(503).end('x') },
  {
    name: 'redirects',
    kind: 'lost',
    answer: (_, response) => response.writeHead(307, { location: '/' }).end(),
  },
  {
    name: 'does not serve it',
    kind: 'refused',
    answer: (_, response) => response.writeHead(404).end('404 page not found\n'),
  },
  {
    name: 'says too much',
    kind: 'lost',
    answer: (_, response) => response.writeHead(500).end('x'.repeat(300_000)),
  },
];

for (const { name, answer, kind } of ANSWERS) {
  test(`a kubelet that ${name}: ${kind}`, async () => {
    fake.answer = answer;
    assert.equal((await client().checkpoint(CART, undefined)).kind, kind);
  });
}

test('a kubelet that does not answer in time: nobody knows', async () => {
  fake.answer = () => {};
  const bounds = { leastSeconds: 0, leewaySeconds: 0.2 };
  assert.equal((await client({}, fake.url, bounds).checkpoint(CART, undefined)).kind, 'lost');
});

test('a door that closes gives up what it waits for', async () => {
  fake.answer = () => {};
  const kubelet = client();
  const asked = kubelet.checkpoint(CART, undefined);
  setTimeout(() => kubelet.close(), 100);
  assert.equal((await asked).kind, 'lost');
});

test('what the runtime says of its failures', async () => {
  const kubelet = client();
  const frozen = await kubelet.checkpoint({ ...CART, container: 'frozen' }, undefined);
  assert.deepEqual([frozen.kind, 'standsStill' in frozen && frozen.standsStill], ['failed', true]);
  const broken = await kubelet.checkpoint({ ...CART, container: 'broken' }, undefined);
  assert.deepEqual([broken.kind, 'standsStill' in broken && broken.standsStill], ['failed', false]);
});
