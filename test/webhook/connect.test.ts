import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonObject } from '../../policy/json.ts';
import {
  admissionReview,
  connecting,
  policy,
  recordedLog,
  startTestWebhook,
  type TestWebhook,
} from './kit.ts';

const { log, lines } = recordedLog();
let plain: TestWebhook;
let configured: TestWebhook;

before(async () => {
  plain = await startTestWebhook({ log });
  configured = await startTestWebhook({
    connect: {
      gateway: 'https://gateway.example:8443/',
      exemptUsers: ['system:serviceaccount:ops:migrator'],
    },
  });
});
after(async () => {
  await plain[Symbol.asyncDispose]();
  await configured[Symbol.asyncDispose]();
});

const UNCLEAR =
  'below /checkpoint the kubelet knows only /checkpoint/NAMESPACE/POD/CONTAINER, and that is not to be had through nodes/proxy; ask the gateway or the door of the node for it';

test('a checkpoint request is denied, and the door of the node named', async () => {
  const { allowed, status } = await plain.ask('/connect', connecting('/x/..//checkpoint/shop/cart/main'));
  assert.equal(allowed, false);
  assert.deepEqual(status, {
    status: 'Failure',
    code: 403,
    reason: 'Forbidden',
    message:
      'a checkpoint of shop/cart/main cannot be had through nodes/proxy, where no room is reserved for it; ask the door of node node1 instead: POST /checkpoint/shop/cart/main',
  });
  const { path, operation, name, user, verdict } = lines.findLast(({ msg }) => msg === 'reviewed') ?? {};
  assert.deepEqual(
    [path, operation, name, user, verdict],
    ['/connect', 'CONNECT', 'nodes/https:node1:10250/proxy/x/..//checkpoint/shop/cart/main', 'ada', 'denied'],
  );
});

test('the gateway is named where there is one', async () => {
  const { status } = await configured.ask('/connect', connecting('/checkpoint/shop/cart/main'));
  assert.equal(
    status?.message,
    'a checkpoint of shop/cart/main cannot be had through nodes/proxy, where no room is reserved for it; ask the gateway instead: POST https://gateway.example:8443/checkpoint/shop/cart/main',
  );
});

test('a node id that is none is not repeated', async () => {
  const review = connecting('/checkpoint/shop/cart/main', { name: 'a:b:c:d' });
  const { status } = await plain.ask('/connect', review);
  assert.match(status?.message ?? '', /; ask the door of its node instead: POST /);
});

for (const path of [
  '/checkpoint',
  '/checkpoint/shop/cart',
  '/checkpoint/shop/cart/main/more',
  '/checkpoint/shop/cart/main; rm -rf',
  '/checkpoint/shop/cart/main\n\u001b[2J',
  `/checkpoint/shop/cart/${'x'.repeat(100_000)}`,
]) {
  test(`in doubt denied, and nothing repeated: ${JSON.stringify(path.slice(0, 40))}`, async () => {
    const { allowed, status } = await plain.ask('/connect', connecting(path));
    assert.deepEqual([allowed, status?.message], [false, UNCLEAR]);
  });
}

for (const path of [
  undefined,
  '',
  '/',
  '/metrics',
  '/pods',
  '/containerLogs/shop/checkpoint-x/main',
  '/containerLogs/shop/checkpoint/main',
  '/exec/shop/checkpoint/main',
  '/checkpoint/../metrics',
  '/Checkpoint/shop/cart/main',
]) {
  test(`not a checkpoint request: ${path}`, async () => {
    assert.equal((await plain.ask('/connect', connecting(path))).allowed, true);
  });
}

test('an exempt user passes, and nobody else', async () => {
  for (const [username, expected] of [
    ['system:serviceaccount:ops:migrator', true],
    ['system:serviceaccount:ops:migrator2', false],
    ['SYSTEM:serviceaccount:ops:migrator', false],
  ] as const) {
    const review = connecting('/checkpoint/shop/cart/main', { userInfo: { username, groups: [] } });
    assert.equal((await configured.ask('/connect', review)).allowed, expected, username);
  }
});

const policyReview = admissionReview(policy({}));
/** Never allowed: what cannot be judged may be a checkpoint request. */
const MALFORMED: readonly (readonly [name: string, path: string, review: JsonObject, message: RegExp])[] = [
  ['a policy', '/connect', policyReview, /^\/connect judges CONNECT nodes\/proxy; correct the rules/],
  ['a CONNECT', '/validate', connecting('/metrics'), /belongs to \/connect; correct the rules/],
  ['a CONNECT', '/mutate', connecting('/metrics'), /belongs to \/connect; correct the rules/],
  ['another subresource', '/connect', connecting('/metrics', { subResource: 'status' }), /"status"; correct/],
  ['no subresource', '/connect', connecting('/metrics', { subResource: undefined }), /nothing; correct/],
  ['another operation', '/connect', connecting('/metrics', { operation: 'UPDATE' }), /not nodes\.v1\. /],
  [
    'pods/proxy',
    '/connect',
    connecting('/', { resource: { group: '', version: 'v1', resource: 'pods' } }),
    /not pods/,
  ],
  ['no node', '/connect', connecting('/metrics', { name: '' }), /request.name is missing/],
  ['no user', '/connect', connecting('/metrics', { userInfo: null }), /request.userInfo is missing/],
  ['no object', '/connect', connecting('/metrics', { object: null }), /request.object is missing/],
  ['a path that is a number', '/connect', connecting(7), /request.object.path is "7"; send a text/],
  ['a path that is a list', '/connect', connecting(['/metrics']), /request.object.path is no text/],
];

for (const [name, path, review, message] of MALFORMED) {
  test(`${path}: ${name} is turned away`, async () => {
    const { allowed, status } = await plain.ask(path, review);
    assert.deepEqual([allowed, status?.code], [false, 400]);
    assert.match(status?.message ?? '', message);
  });
}
