import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { Certificate, CertificateSource } from '../../../certs/source.ts';
import { fieldsOf, own } from '../../../policy/json.ts';
import type { GatewaySettings } from '../../../webhook/gateway/messages.ts';
import { GatewayError, startGatewayThread } from '../../../webhook/gateway/thread.ts';
import type { Credentials } from '../../cluster/authority.ts';
import { FakeApiServer, PODS, reply } from '../../kube/fake-api-server.ts';
import { recordedLog, silent } from '../kit.ts';
import { ask, DOOR_NAME, type FakeDoor, startFakeDoor } from './kit.ts';

let api: FakeApiServer;
let door: FakeDoor;
let settings: GatewaySettings;

/** A certificate that a test changes. */
class Certificates implements CertificateSource {
  #current: Certificate;
  readonly #listeners = new Set<() => void>();
  constructor(credentials: Credentials) {
    this.#current = { ...credentials, ca: api.authority.certificate };
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  current(): Certificate {
    return this.#current;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  describe() {
    return { origin: 'test', names: [], notBefore: 0, notAfter: 0, problem: null };
  }
  put(credentials: Credentials): void {
    this.#current = { ...this.#current, ...credentials };
    for (const listener of this.#listeners) listener();
  }
}

const issue = (name: string) => api.authority.issue({ name, hosts: ['127.0.0.1'] });

before(async () => {
  api = await FakeApiServer.start();
  door = await startFakeDoor(api.authority.issue({ name: 'door', hosts: [DOOR_NAME] }));
  const pod = { apiVersion: 'v1', kind: 'Pod', spec: { nodeName: 'node1' } };
  api.put(PODS, { ...pod, metadata: { namespace: 'shop', name: 'cart' } });
  const metadata = { name: 'node1', uid: 'n1', resourceVersion: '7' };
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] };
  api.override = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://fake');
    if (pathname.endsWith('/tokenreviews')) {
      reply(response, 201, { status: { authenticated: true, user: { username: 'ada' } } });
    } else if (pathname.endsWith('/subjectaccessreviews')) {
      json(request).then((review) => {
        const { namespace } = fieldsOf(own(fieldsOf(own(fieldsOf(review), 'spec')), 'resourceAttributes'));
        reply(response, 201, { status: { allowed: namespace === 'shop' } });
      });
    } else if (pathname !== '/api/v1/nodes') return false;
    else if (searchParams.has('watch')) {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    } else {
      const list = { kind: 'List', metadata: { resourceVersion: '7' }, items: [{ metadata, status }] };
      reply(response, 200, list);
    }
    return true;
  };
  const ca = join(api.directory, 'ca.crt');
  await writeFile(ca, api.authority.certificate);
  settings = {
    listen: { host: '127.0.0.1', port: 0 },
    minTlsVersion: 'TLSv1.3',
    kubeconfig: await api.kubeconfig(),
    audiences: [],
    doors: { ca, name: DOOR_NAME, port: door.port },
    logLevel: 'silent',
  };
});
after(async () => {
  await door?.close();
  await api?.[Symbol.asyncDispose]();
});

test('a thread of its own serves, tells its metrics, takes up certificates and ends', async () => {
  const certificates = new Certificates(issue('first'));
  const thread = await startGatewayThread({ settings, certificates, log: silent, onCrash: assert.fail });
  const get = (path: string) => ask(thread.url, api.authority, path);
  // The informers may not have listed yet.
  let answer = await get('/checkpoint/shop/cart/main');
  while (answer.status === 503) answer = await get('/checkpoint/shop/cart/main');
  assert.equal(answer.status, 200, answer.body);
  assert.equal((await get('/checkpoint/bank/cart/main')).status, 403);
  assert.equal((await get('/checkpoint/shop/nobody/main')).status, 404);
  const metrics = await thread.metrics();
  assert.match(metrics, /checkpoint_warden_gateway_requests_total\{outcome="passed"\} 1\n/);
  assert.match(metrics, /checkpoint_warden_gateway_known_objects\{kind="pods"\} 1\n/);

  assert.equal(await nameShown(thread.port), 'first');
  certificates.put(issue('second'));
  while ((await nameShown(thread.port)) !== 'second');
  await thread.stop();
  await assert.rejects(get('/checkpoint/shop/cart/main'));
  assert.equal(await thread.metrics(), '');
});

function nameShown(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: api.authority.certificate }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('what keeps it from beginning is told', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const bound = taken.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const certificates = new Certificates(issue('gateway'));
  const start = (more: Partial<GatewaySettings>) =>
    startGatewayThread({ settings: { ...settings, ...more }, certificates, log: silent, onCrash() {} });
  const listen = { host: '127.0.0.1', port };
  await assert.rejects(start({ listen }), (error: unknown) => {
    return error instanceof GatewayError && error.code === 'EADDRINUSE';
  });
  await assert.rejects(start({ kubeconfig: '/nowhere' }), /kubeconfig \/nowhere cannot be used/);
});

test('a crash is told, counted and mended; a stop in between ends it', { timeout: 10_000 }, async () => {
  const { log, lines } = recordedLog();
  let crashes = 0;
  const again: (() => void)[] = [];
  const thread = await startGatewayThread({
    ...{ settings, log },
    certificates: new Certificates(issue('gateway')),
    onCrash: () => {
      crashes += 1;
    },
    script: new URL('./crashing.ts', import.meta.url),
    timers: {
      after(ms, run) {
        if (ms === 1_000) again.push(run);
        const timer = setTimeout(run, Math.min(ms, 300));
        return () => clearTimeout(timer);
      },
    },
  });
  for (let time = 1; time <= 2; time += 1) {
    while (crashes < time) await Promise.all([thread.metrics(), sleep(5)]);
  }
  assert.match(JSON.stringify(lines[0]), /a fault that nobody foresaw.*the gateway has crashed/);
  await thread.stop();
});
