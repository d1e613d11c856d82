import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, suite, type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { type ClientOptions, createClient, type KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { createAuthority } from '../cluster/authority.ts';
import { FakeApiServer, notFound, reply, status } from './fake-api-server.ts';

let fake: FakeApiServer;

before(async () => {
  fake = await FakeApiServer.start();
});
after(() => fake[Symbol.asyncDispose]());
beforeEach(() => {
  fake.override = () => false;
  fake.requests.length = 0;
});

async function connect(t: TestContext, options: ClientOptions = {}): Promise<KubeClient> {
  const client = await createClient({ kubeconfig: await fake.kubeconfig(), ...options });
  t.after(() => client.close());
  return client;
}

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => assert.fail('it was answered'),
    (each: unknown) => each,
  );
  assert.ok(error instanceof KubeError, String(error));
  return error;
}

suite('answers', () => {
  test('JSON of a 2xx, by path and query', async (t) => {
    const client = await connect(t);
    const query = { limit: 5, continue: undefined, labelSelector: 'a=b,c' };
    assert.equal(client.server, `https://127.0.0.1:${fake.port}`);
    assert.ok(await client.request({ path: '/api/v1/pods', query }));
    assert.deepEqual(fake.requests, ['GET /api/v1/pods?limit=5&labelSelector=a%3Db%2Cc']);
  });

  test('warnings that come with it', async (t) => {
    const client = await connect(t);
    fake.override = (_, response) => {
      response.setHeader('Warning', ['299 - "node \\"a\\", of two"', '299 kube "and this"', 'rubbish']);
      reply(response, 200, {});
      return true;
    };
    const told: string[] = [];
    await client.request({ path: '/api/v1/pods', onWarning: (text) => told.push(text) });
    assert.deepEqual(told, ['node "a", of two', 'and this']);
  });

  const rows: readonly (readonly [
    name: string,
    code: number,
    body: object | string,
    KubeError['details'],
    RegExp,
  ])[] = [
    [
      'a Status',
      403,
      status(403, 'Forbidden', 'no right'),
      { reason: 'Forbidden', kind: '', name: '' },
      /403: no right$/,
    ],
    [
      'a NotFound',
      404,
      notFound('pods', 'a'),
      { reason: 'NotFound', kind: 'pods', name: 'a' },
      /pods "a" not found$/,
    ],
    ["a proxy's page", 502, '<html>Bad gateway</html>', null, /answered 502 with something that is not JSON/],
    ['JSON that is no Status', 500, { error: 'x' }, null, /answered 500$/],
    ['a redirect', 302, {}, null, /answered 302$/],
    [
      'a page with status 200',
      200,
      '<html>Sign in</html>',
      null,
      /answered 200 with something that is not JSON/,
    ],
  ];
  for (const [name, code, body, details, message] of rows) {
    test(`${name} is an error`, async (t) => {
      const client = await connect(t);
      fake.override = (_, response) => {
        reply(response, code, body);
        return true;
      };
      const error = await failure(client.request({ path: '/api/v1/pods' }));
      assert.equal(error.status, code);
      assert.deepEqual(error.details, details);
      assert.match(error.message, message);
      assert.match(error.message, /^GET https:\/\/127.0.0.1:\d+\/api\/v1\/pods/);
    });
  }
});

suite('no answer', () => {
  test('within the time limit, before and within the body', async (t) => {
    const client = await connect(t, { timeoutMs: 100 });
    fake.override = () => true;
    assert.match((await failure(client.request({ path: '/a' }))).message, /had no answer for 0.1 s$/);
    fake.override = (_, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{');
      return true;
    };
    assert.match((await failure(client.request({ path: '/a' }))).message, /had no answer for 0.1 s$/);
  });

  test('a connection that breaks within the body', async (t) => {
    const client = await connect(t);
    fake.override = (_, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{', () => response.destroy());
      return true;
    };
    const error = await failure(client.request({ path: '/a' }));
    assert.equal(error.status, null);
    assert.match(error.message, /had no answer: aborted/);
  });

  test('a port where nobody listens', async (t) => {
    const client = await connect(t, { kubeconfig: await fake.kubeconfig(1) });
    assert.match(
      (await failure(client.request({ path: '/a' }))).message,
      /connect ECONNREFUSED 127.0.0.1:1$/,
    );
  });

  test('a client that is closed, and a call that is given up', async (t) => {
    const client = await connect(t);
    fake.override = () => true;
    const giveUp = new AbortController();
    const calls = [client.request({ path: '/a', signal: giveUp.signal }), client.request({ path: '/b' })];
    const failures = Promise.all(calls.map(failure));
    giveUp.abort();
    client.close();
    for (const error of await failures) assert.match(error.message, /was given up$/);
  });
});

suite('connections', () => {
  test('are kept and used again', async (t) => {
    const client = await connect(t);
    const former = fake.connections;
    for (let i = 0; i < 5; i += 1) await client.request({ path: '/api/v1/pods' });
    assert.equal(fake.connections - former, 1);
  });

  test('one that the server has closed meanwhile costs a second attempt, but only where that is harmless', async (t) => {
    const client = await connect(t);
    const breakOnce = () => {
      let broken = false;
      fake.override = (request) => {
        if (broken) return false;
        broken = true;
        request.socket.destroy();
        return true;
      };
    };
    await client.request({ path: '/api/v1/pods' });
    breakOnce();
    assert.ok(await client.request({ path: '/api/v1/pods' }));
    breakOnce();
    const review = { method: 'POST', path: '/apis/x/subjectaccessreviews', body: {} } as const;
    assert.ok(await client.request({ ...review, repeatable: true }));
    breakOnce();
    await failure(client.request(review));
  });
});

suite('trust', () => {
  test('a server of another authority is not believed, whatever the environment says', async (t) => {
    const stranger = await createAuthority('stranger');
    const file = join(fake.directory, 'stranger');
    await writeFile(file, kubeconfig({ ca: stranger.certificate }));
    const client = await connect(t, { kubeconfig: file });
    const former = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    t.after(() => {
      if (former === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = former;
    });
    const { message } = await failure(client.request({ path: '/api/v1/pods' }));
    assert.match(message, /had no answer: .*(certificate|self.signed)/i);
    assert.deepEqual(fake.requests, []);
  });
});

suite('credentials are read again', () => {
  const authorizations = () => {
    const seen: (string | undefined)[] = [];
    fake.override = (request) => {
      seen.push(request.headers.authorization);
      return false;
    };
    return seen;
  };

  test('a token file each minute, and at once after a 401', async (t) => {
    const token = join(fake.directory, 'token');
    const file = join(fake.directory, 'with-token');
    await writeFile(token, 'one\n');
    await writeFile(file, kubeconfig({ user: { tokenFile: 'token' } }));
    let now = 0;
    const client = await connect(t, { kubeconfig: file, now: () => now });
    const seen = authorizations();
    const call = () => client.request({ path: '/api/v1/pods' });
    await call();
    await writeFile(token, 'two\n');
    now += 59_999;
    await call();
    now += 1;
    await call();
    assert.deepEqual(seen, ['Bearer one', 'Bearer one', 'Bearer two']);

    await writeFile(token, 'three');
    fake.override = (_, response) => {
      reply(response, 401, status(401, 'Unauthorized', 'Unauthorized'));
      return true;
    };
    assert.equal((await failure(call())).status, 401);
    const later = authorizations();
    await call();
    assert.deepEqual(later, ['Bearer three']);
  });

  test('the last good ones stand in when a file is away, and the log says so', async (t) => {
    const token = join(fake.directory, 'token-away');
    const file = join(fake.directory, 'with-token-away');
    await writeFile(token, 'one');
    await writeFile(file, kubeconfig({ user: { tokenFile: token } }));
    let now = 0;
    const told: string[] = [];
    const tell = (_: object, message: string) => told.push(message);
    const log = { info: tell, warn: tell, error: tell };
    const client = await connect(t, { kubeconfig: file, now: () => now, log });
    await rename(token, `${token}.gone`);
    now = 60_000;
    const seen = authorizations();
    await client.request({ path: '/api/v1/pods' });
    assert.deepEqual(seen, ['Bearer one']);
    assert.deepEqual(told, ['credentials cannot be read again; the last good ones stand in']);
  });

  test('an authority that is replaced is believed without a restart', async (t) => {
    const ca = join(fake.directory, 'ca.crt');
    const file = join(fake.directory, 'with-ca-file');
    await writeFile(ca, (await createAuthority('old')).certificate);
    await writeFile(file, kubeconfig({ caFile: 'ca.crt' }));
    let now = 0;
    const client = await connect(t, { kubeconfig: file, now: () => now });
    await failure(client.request({ path: '/api/v1/pods' }));
    await writeFile(ca, fake.authority.certificate);
    now = 60_000;
    assert.ok(await client.request({ path: '/api/v1/pods' }));
  });

  test('of a program, which is told what it is asked for', async (t) => {
    const program = join(fake.directory, 'give-token');
    const file = join(fake.directory, 'with-exec');
    const head = '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", ';
    const credential = `${head}"status": {"token": "`.replaceAll('"', '\\"');
    const script = `#!/bin/sh\necho "${credential}$(echo "$KUBERNETES_EXEC_INFO" | tr -cd a-z0-9.)\\"}}"\n`;
    await writeFile(program, script, { mode: 0o755 });
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './give-token' };
    await writeFile(file, kubeconfig({ user: { exec } }));
    const client = await connect(t, { kubeconfig: file });
    const seen = authorizations();
    await client.request({ path: '/api/v1/pods' });
    assert.match(String(seen[0]), /^Bearer api.*client.authentication.k8s.iov1.*interactivefalse/);
  });
});

function kubeconfig(options: { user?: object; ca?: string; caFile?: string }): string {
  const { user = {}, ca = fake.authority.certificate, caFile } = options;
  const authority = caFile
    ? { 'certificate-authority': caFile }
    : { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return stringify({
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${fake.port}`, ...authority } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}
