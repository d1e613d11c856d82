import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { Registry } from 'prom-client';
import { type Authenticator, authenticator, type ClientCertificate } from '../../../gc/door/authenticate.ts';
import { authorizer } from '../../../gc/door/authorize.ts';
import { clientAuthorityFile } from '../../../gc/door/client-authority.ts';
import { Refusal } from '../../../gc/door/refusal.ts';
import { TooManyQuestions } from '../../../kube/answers.ts';
import type { CheckpointVerb } from '../../../kube/reviews.ts';
import type { UserInfo } from '../../../kube/types.ts';
import { type Authority, createAuthority } from '../../cluster/authority.ts';
import { FakeClock, settled } from '../fake-clock.ts';
import { type AskOptions, type OpenDoor, openDoor } from './open-door.ts';

const PATH = '/checkpoint/shop/cart/main';
const registry = new Registry();
let open: OpenDoor;
let others: Authority;

before(async () => {
  [open, others] = await Promise.all([openDoor({ registry }), createAuthority('others')]);
  for (const name of ['main', 'a', 'b', 'c', 'd'])
    open.containers.set(`shop/cart/${name}`, { running: true });
  for (const name of ['ada', 'eve']) open.people.tokens.set(name, { username: name });
  for (const right of ['ada shop', 'cert shop', 'eve garden']) open.people.rights.add(right);
});
after(() => open.stop());

interface Row {
  readonly name: string;
  readonly options: () => AskOptions;
  readonly status: 401 | 403;
  readonly body: RegExp;
}

/** A certificate of the cluster's authority, as kubectl has one. */
function certificate(name: string, groups: readonly string[] = []) {
  return open.authority.issue({ name, groups });
}

const OUT: readonly Row[] = [
  { name: 'nobody', options: () => ({}), status: 401, body: /^nobody says who asks; send a bearer token/ },
  {
    name: 'a token that is nobody’s',
    options: () => ({ token: 'mallory' }),
    status: 401,
    body: /^the token is not valid here, or has ended/,
  },
  {
    name: 'a password',
    options: () => ({ headers: { authorization: 'Basic YWRhOmFkYQ==' } }),
    status: 401,
    body: /^the Authorization header is no bearer token/,
  },
  {
    name: 'two tokens in one header',
    options: () => ({ headers: { authorization: 'Bearer ada, Bearer eve' } }),
    status: 401,
    body: /no bearer token/,
  },
  {
    name: 'a right in another namespace',
    options: () => ({ token: 'eve' }),
    status: 403,
    body: /^eve may not checkpoint shop\/cart\/main: that takes the right to create pods\/checkpoint in the group checkpoint\.criu\.org in namespace shop; ask/,
  },
  {
    name: 'a certificate of another authority',
    options: () => ({ certificate: others.issue({ name: 'cert' }) }),
    status: 401,
    body: /^the client certificate is not of the authority for clients/,
  },
  {
    name: 'a certificate of a server',
    options: () => ({ certificate: open.authority.issue({ name: 'cert', hosts: ['127.0.0.1'] }) }),
    status: 401,
    body: /not of the authority for clients/,
  },
  {
    name: 'a certificate without the right',
    options: () => ({ certificate: certificate('somebody', ['system:masters-not']) }),
    status: 403,
    body: /^somebody may not checkpoint/,
  },
  {
    name: 'a bad token beside a good certificate',
    options: () => ({ token: 'mallory', certificate: certificate('cert') }),
    status: 401,
    body: /^the token is not valid here/,
  },
  {
    name: 'a token without the right beside a certificate with it',
    options: () => ({ token: 'eve', certificate: certificate('cert') }),
    status: 403,
    body: /^eve may not/,
  },
  {
    name: 'a token in the query',
    options: () => ({ headers: { 'x-token': 'ada', cookie: 'token=ada' } }),
    status: 401,
    body: /^nobody says/,
  },
];

describe('who does not get in', { concurrency: true }, () => {
  for (const { name, options, status, body } of OUT) {
    it(`${name}: ${status}`, async () => {
      const answer = await open.ask(PATH, options());
      assert.equal(answer.status, status, answer.body);
      assert.match(answer.body, body);
      assert.equal(answer.headers['www-authenticate'], status === 401 ? 'Bearer' : undefined);
      if (status === 401) assert.equal(answer.headers.connection, 'close');
    });
  }
});

test('the kubelet has not heard of them, and each is in the audit log', () => {
  assert.deepEqual(open.kubelet.seen, []);
  assert.equal(open.audit.length, OUT.length);
  assert.ok(open.audit.every(({ metadata }) => metadata.verdict === 'refused'));
  assert.doesNotMatch(JSON.stringify(open.audit), /mallory|YWRh|Bearer/);
  assert.deepEqual(open.logged, []);
});

test('a verdict over the wire: for whom it is, and counted as such', async () => {
  const path = '/verdict/shop/cart/main';
  const { status, body } = await open.ask(path, { token: 'ada', method: 'GET' });
  assert.equal(status, 200, body);
  assert.equal(JSON.parse(body).allowed, true);
  assert.match(await registry.metrics(), /door_verdicts_total\{outcome="allowed"\} 1/);
  for (const [options, out] of [
    [{}, 401],
    [{ token: 'mallory' }, 401],
    [{ token: 'eve' }, 403],
  ] as const) {
    const answer = await open.ask(path, { ...options, method: 'GET' });
    assert.equal(answer.status, out);
    assert.match(String(answer.headers['content-type']), /^text\/plain/);
  }
  const [post, get] = await Promise.all([
    open.ask(path, { token: 'ada' }),
    open.ask(PATH, { token: 'ada', method: 'GET' }),
  ]);
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET']);
  assert.deepEqual([get.status, get.headers.allow], [405, 'POST']);
  assert.deepEqual(open.kubelet.seen, []);
});

describe('who gets in', { concurrency: true }, () => {
  it('with a token', async () => assert.equal((await open.ask(PATH, { token: 'ada' })).status, 200));
  it('with a certificate', async () => {
    const { status } = await open.ask('/checkpoint/shop/cart/a', { certificate: certificate('cert') });
    assert.equal(status, 200);
  });
  it('with a token, whatever the certificate is', async () => {
    const { status } = await open.ask('/checkpoint/shop/cart/b', {
      token: 'ada',
      certificate: others.issue({ name: 'x' }),
    });
    assert.equal(status, 200);
  });
});

test('a door with a new certificate shows it to the next caller', async () => {
  open.certificates.put(open.authority.issue({ name: 'door2', hosts: ['localhost'] }));
  await assert.rejects(open.ask(PATH, { token: 'ada' }), /does not match certificate's altnames/);
  open.certificates.put(open.authority.issue({ name: 'door3', hosts: ['127.0.0.1'] }));
  assert.equal((await open.ask('/checkpoint/shop/cart/c', { token: 'ada' })).status, 200);
  const { status } = await open.ask('/checkpoint/shop/cart/d', { certificate: certificate('cert') });
  assert.equal(status, 200, 'and still knows the authority of clients');
});

const NOW = Date.parse('2026-11-21T12:00:00Z');
const GOOD: ClientCertificate = {
  trusted: true,
  commonNames: ['ada'],
  organizations: ['ops', 'ops', 'dev'],
  notAfter: NOW + 1_000,
};

function whoIs(certificate: Partial<ClientCertificate> | null, authorization?: string): Promise<UserInfo> {
  const who: Authenticator = authenticator({ tokens: { whose: async () => null }, now: () => NOW });
  return who.authenticate({ authorization, certificate: certificate && { ...GOOD, ...certificate } });
}

test('a certificate names its user and his groups', async () => {
  assert.deepEqual(await whoIs({}), { username: 'ada', groups: ['ops', 'dev', 'system:authenticated'] });
});

for (const [name, certificate, says] of [
  ['has ended', { notAfter: NOW - 1 }, /the client certificate has ended/],
  ['ends at no time that one knows', { notAfter: Number.NaN }, /has ended/],
  ['names nobody', { commonNames: [] }, /has no common name/],
  ['names the empty user', { commonNames: [''] }, /has no common name/],
  ['names two', { commonNames: ['ada', 'root'] }, /has several common names/],
  ['is not trusted', { trusted: false }, /is not of the authority/],
] as const) {
  test(`a certificate that ${name}`, async () => {
    await assert.rejects(whoIs(certificate), { name: 'Refusal', status: 401, message: says });
  });
}

test('no answer is no yes: of the token, of the right, and where too many ask', async () => {
  const fails = (error: Error) => () => Promise.reject(error);
  const busy = new TooManyQuestions('many');
  const ask = (whose: () => Promise<null>) =>
    authenticator({ tokens: { whose }, now: () => NOW }).authenticate({
      authorization: 'Bearer x',
      certificate: null,
    });
  await assert.rejects(ask(fails(new Error('x'))), { code: 'noReview', status: 503 });
  await assert.rejects(ask(fails(busy)), { code: 'reviewsBusy', status: 503 });
  const cart = { namespace: 'shop', pod: 'cart', container: 'main' };
  const may = authorizer({ mayCheckpoint: fails(new Error('x')) });
  await assert.rejects(may.authorize({ username: 'ada' }, cart), { code: 'noReview', status: 503 });
});

test('a checkpoint takes create, a verdict get', async () => {
  const asked: unknown[] = [];
  const { authorize } = authorizer({
    mayCheckpoint: async (...question: readonly unknown[]) => {
      asked.push(question.slice(1));
      return false;
    },
  });
  const cart = { namespace: 'shop', pod: 'cart', container: 'main' };
  for (const verb of [undefined, 'create', 'get'] satisfies (CheckpointVerb | undefined)[]) {
    await assert.rejects(authorize({ username: 'ada' }, cart, verb), (error) => {
      assert.ok(error instanceof Refusal);
      assert.match(
        error.message,
        verb === 'get' ? /verdict on .* to get pods/ : /checkpoint .* to create pods/,
      );
      return error.status === 403;
    });
  }
  assert.deepEqual(asked, [
    ['shop', 'cart', 'create'],
    ['shop', 'cart', 'create'],
    ['shop', 'cart', 'get'],
  ]);
});

test('the authority of clients is read again as it changes; the last good one stands in', async () => {
  const file = join(open.scratch, 'clients.crt');
  const lines: string[] = [];
  const log = { info: () => {}, warn: (_: object, line: string) => void lines.push(line), error: () => {} };
  const clock = new FakeClock();
  await assert.rejects(
    clientAuthorityFile(file, clock, log),
    /clients\.crt cannot be used: it does not exist \(ENOENT\); give/,
  );
  writeFileSync(file, open.authority.certificate);
  const clients = await clientAuthorityFile(file, clock, log);
  let changes = 0;
  const end = clients.onChange(() => {
    changes += 1;
  });
  const later = async () => {
    await clock.advance(10_000);
    // A real file is read; behind that the next look is set.
    while (clock.timers === 0) await settled();
  };
  for (const bad of ['', 'nothing', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    writeFileSync(file, bad);
    await later();
  }
  assert.equal(clients.current(), open.authority.certificate.trim());
  assert.equal(lines.length, 1, lines.join());
  assert.match(lines[0] ?? '', /clients\.crt cannot be used: it holds no certificate; the last good one/);
  writeFileSync(file, others.certificate + open.authority.certificate);
  await later();
  assert.equal(changes, 1);
  assert.equal(clients.current().match(/BEGIN/g)?.length, 2);
  end();
  clients.stop();
  assert.equal(clock.timers, 0);
});
