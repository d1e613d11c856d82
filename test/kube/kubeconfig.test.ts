import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { createClient } from '../../kube/client.ts';
import { inCluster, readKubeconfig } from '../../kube/kubeconfig.ts';

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly config?: object;
}

async function written(t: TestContext, content: Parts | string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'checkpoint-warden-kubeconfig-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'config');
  if (typeof content === 'string') await writeFile(file, content);
  else {
    const { cluster, user, config } = content;
    await writeFile(
      file,
      stringify({
        clusters: [{ name: 'c', cluster: { server: 'https://api.example:6443', ...cluster } }],
        users: [{ name: 'u', user: { token: 'secret', ...user } }],
        contexts: [
          { name: 'x', context: { cluster: 'c', user: 'u' } },
          { name: 'nobody', context: { cluster: 'c' } },
        ],
        'current-context': 'x',
        ...config,
      }),
    );
  }
  return file;
}

suite('a kubeconfig', () => {
  test('files are found beside it', async (t) => {
    const cluster = { 'certificate-authority': 'ca.crt', 'tls-server-name': 'kubernetes' };
    const user = {
      'client-certificate': 'a.crt',
      'client-key': '/keys/a.key',
      tokenFile: 'token',
      token: '',
    };
    const file = await written(t, { cluster, user });
    const access = await readKubeconfig(file);
    const beside = (name: string) => join(file, '..', name);
    assert.deepEqual(access, {
      server: new URL('https://api.example:6443'),
      serverName: 'kubernetes',
      ca: { file: beside('ca.crt') },
      certificate: { file: beside('a.crt') },
      key: { file: '/keys/a.key' },
      tokenFile: beside('token'),
      impersonate: {},
    });
  });

  test('another context, and one without a user', async (t) => {
    const access = await readKubeconfig(await written(t, {}), 'nobody');
    assert.deepEqual(access, { server: new URL('https://api.example:6443'), impersonate: {} });
  });

  test('of several files the first that has a thing counts, each with its own folder', async (t) => {
    const first = await written(t, {
      config: {
        ...{ clusters: [], 'current-context': '' },
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'shop' } }],
        users: [{ name: 'u', user: { tokenFile: 'token' } }],
      },
    });
    const second = await written(t, { cluster: { 'certificate-authority': 'ca.crt' } });
    const access = await readKubeconfig([first, '/nowhere/config', second]);
    assert.equal(access.namespace, 'shop');
    assert.equal(access.tokenFile, join(first, '..', 'token'));
    assert.deepEqual(access.ca, { file: join(second, '..', 'ca.crt') });
    await assert.rejects(
      readKubeconfig(['/nowhere/a', '/nowhere/b']),
      /\/nowhere\/a:\/nowhere\/b .*none of them/,
    );
  });

  test('acting as somebody else takes the groups along', async (t) => {
    const user = { as: 'jane', 'as-groups': ['a', 'b'], 'as-uid': '7', 'as-user-extra': { 'x/y': ['z'] } };
    assert.deepEqual((await readKubeconfig(await written(t, { user }))).impersonate, {
      'Impersonate-User': 'jane',
      'Impersonate-Uid': '7',
      'Impersonate-Group': ['a', 'b'],
      'Impersonate-Extra-x%2Fy': ['z'],
    });
  });

  const refused: readonly (readonly [name: string, content: Parts | string, message: RegExp])[] = [
    [
      'no TLS',
      { cluster: { server: 'http://localhost:8080' } },
      /cluster "c" has a server without TLS; write https/,
    ],
    [
      'no check of the certificate',
      { cluster: { 'insecure-skip-tls-verify': true } },
      /insecure-skip-tls-verify; name/,
    ],
    ['a proxy', { cluster: { 'proxy-url': 'http://p:1' } }, /proxy-url, which is not known here/],
    ['no URL', { cluster: { server: 'api.example' } }, /has no URL as its server/],
    ['a server that is no text', { cluster: { server: 5 } }, /cannot be used: /],
    ['an auth-provider', { user: { 'auth-provider': { name: 'oidc' } } }, /use exec or a token/],
    ['an unknown context', { config: { 'current-context': 'y' } }, /it has no context "y"/],
    ['no context', { config: { 'current-context': '' } }, /it names no current context/],
    ['no cluster', { config: { clusters: [] } }, /it has no cluster "c"/],
    ['text', 'hello', /it is no mapping/],
    ['YAML with an error', 'a: [', /kubeconfig .*config cannot be used: /],
    ['nothing', '', /it is no mapping/],
  ];
  for (const [name, content, message] of refused) {
    test(`with ${name} is refused`, async (t) => {
      await assert.rejects(readKubeconfig(await written(t, content)), { message });
    });
  }

  test('that is missing is named', async () => {
    await assert.rejects(createClient({ kubeconfig: '/nowhere/config' }), {
      message: 'kubeconfig /nowhere/config cannot be used: it does not exist',
    });
  });

  test('with a key that does not belong to its certificate is refused before any call', async (t) => {
    const user = { 'client-certificate-data': 'AAAA', 'client-key-data': 'AAAA' };
    const kubeconfig = await written(t, { user });
    await assert.rejects(createClient({ kubeconfig }), {
      message: /^the credentials for https:\/\/api.example:6443 cannot be used: /,
    });
  });
});

suite('in a pod', () => {
  test('the service account is used', () => {
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    assert.deepEqual(inCluster(env, '/sa'), {
      server: new URL('https://[fd00::1]:443'),
      ca: { file: '/sa/ca.crt' },
      tokenFile: '/sa/token',
      impersonate: {},
    });
  });

  test('elsewhere there is a sentence', () => {
    assert.throws(() => inCluster({}), { message: /KUBERNETES_SERVICE_HOST is not set.*name a kubeconfig/ });
  });
});
