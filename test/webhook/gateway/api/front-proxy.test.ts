import assert from 'node:assert/strict';
import { Agent, request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { readFrontProxy } from '../../../../webhook/gateway/api/front-proxy.ts';
import { BASE, startApiKit } from './kit.ts';

let kit: Awaited<ReturnType<typeof startApiKit>>;
before(async () => {
  kit = await startApiKit();
});
after(() => kit.api.stop(100));

describe('who is believed', () => {
  it('the API server, by its request-header client certificate', async () => {
    assert.equal((await kit.ask(BASE)).status, 200);
  });

  it('nobody else, whatever headers he writes', async () => {
    const { other, frontProxy, warden } = kit;
    for (const [name, credentials] of [
      ['nobody', null],
      [
        'a certificate of another authority, with the allowed name',
        other.issue({ name: 'front-proxy-client' }),
      ],
      ["one of the webhook's own authority", warden.issue({ name: 'front-proxy-client' })],
      ['the right authority, another name', frontProxy.issue({ name: 'kubelet' })],
      [
        'the right authority, the name as a group',
        frontProxy.issue({ name: 'x', groups: ['front-proxy-client'] }),
      ],
      [
        'a certificate for servers of the right authority',
        frontProxy.issue({ name: 'front-proxy-client', hosts: ['localhost'] }),
      ],
    ] as const) {
      for (const headers of [
        { 'x-remote-user': 'system:admin', 'x-remote-group': 'system:masters' },
        { authorization: 'Bearer x', 'x-forwarded-for': '127.0.0.1', 'x-remote-user': 'root' },
      ]) {
        const { status, body } = await kit.ask(`${BASE}/checkpoints`, { credentials, headers });
        assert.deepEqual([status, /only the API server is believed here/.test(body)], [401, true], name);
      }
    }
  });

  it('not the API server either, where it names nobody', async () => {
    for (const headers of [{}, { 'x-remote-user': '' }, { 'x-remote-group': 'system:masters' }]) {
      assert.equal((await kit.ask(BASE, { headers: { ...headers } })).status, 401);
    }
  });

  it('whoever the ConfigMap names next, and not longer who it named before', async () => {
    const { published, other, frontProxy } = kit;
    const next = other.issue({ name: 'aggregator' });
    assert.equal((await kit.ask(BASE, { credentials: next })).status, 401);
    Object.assign(published, { ca: other.certificate, names: ['aggregator'] });
    await kit.api.reload();
    assert.equal((await kit.ask(BASE, { credentials: next })).status, 200);
    assert.equal((await kit.ask(BASE)).status, 401);
    // What cannot be read changes nothing.
    for (const wrong of [{ ca: '' }, { ca: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----' }]) {
      Object.assign(published, wrong);
      await kit.api.reload();
      assert.equal((await kit.ask(BASE, { credentials: next })).status, 200);
    }
    Object.assign(published, { ca: frontProxy.certificate, names: ['front-proxy-client'] });
    await kit.api.reload();
    assert.equal((await kit.ask(BASE)).status, 200);
  });
});

it('a connection that was met before the authority changed carries nothing more', async () => {
  const own = await startApiKit();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    assert.equal(await statusBy(own, agent), 200);
    Object.assign(own.published, { ca: own.other.certificate });
    await own.api.reload();
    // Refused, or closed under the request.
    const refusals = [401, 0];
    assert.ok(refusals.includes(await statusBy(own, agent).catch(() => 0)));
    assert.equal(await statusBy(own, agent).catch(() => 0), 401);
  } finally {
    agent.destroy();
    await own.api.stop(100);
  }
});

function statusBy({ api, believed, warden }: typeof kit, agent: Agent): Promise<number> {
  const { certificate: cert, key } = believed;
  const headers = { 'x-remote-user': 'ada' };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${api.url}${BASE}`, { agent, cert, key, ca: warden.certificate, headers });
    outgoing.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

describe('what the API server publishes', () => {
  const data = {
    'requestheader-username-headers': '["X-Remote-User"]',
    'requestheader-allowed-names': '["a"]',
  };
  for (const [name, more, message] of [
    ['no authority', {}, /holds no authority; start the API server with/],
    ['no list of names', { 'requestheader-allowed-names': '"a"' }, /holds no authority/],
  ] as const) {
    it(`with ${name} cannot be used`, async () => {
      const client = { request: async () => ({ data: { ...data, ...more } }) };
      await assert.rejects(readFrontProxy(client), { message });
    });
  }
  it('with names that are no list cannot be used: an empty one lets in everybody', async () => {
    const ca = kit.frontProxy.certificate;
    for (const names of ['"a"', '[1]', '{}']) {
      const wrong = { ...data, 'requestheader-client-ca-file': ca, 'requestheader-allowed-names': names };
      await assert.rejects(readFrontProxy({ request: async () => ({ data: wrong }) }), /no list of names/);
    }
  });
});
