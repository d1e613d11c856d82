import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { type Authority, createAuthority } from './authority.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { eventually } from './eventually.ts';

let plane: ControlPlane;
let authority: Authority;

before(async () => {
  [plane, authority] = await Promise.all([
    startControlPlane({ aggregation: true }),
    createAuthority('others'),
  ]);
});

after(() => plane.stop());

test('a webhook on localhost with an authority of its own is asked', async () => {
  const port = await serve('localhost', async (request, response) => {
    const review = await json(request);
    assert.ok(review !== null && typeof review === 'object' && 'request' in review);
    assert.ok(review.request !== null && typeof review.request === 'object' && 'uid' in review.request);
    const status = { message: 'not today' };
    const answer = { uid: review.request.uid, allowed: false, status };
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }),
    );
  });
  await plane.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: refuse}
webhooks:
  - name: refuse.test.example
    clientConfig: {url: 'https://localhost:${port}/validate', caBundle: ${caBundle()}}
    rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Ignore
`);
  await eventually(async () => {
    const { stderr } = await plane.kubectl(['create', 'configmap', 'c', '--dry-run=server']);
    assert.match(stderr, /"refuse.test.example" denied the request: not today/);
  });
});

test('an aggregated API on localhost is reached through a Service with an external name', async () => {
  const port = await serve('aggregated.default.svc', (request, response) => {
    response.setHeader('Content-Type', 'application/json');
    const { socket } = request;
    if (request.url !== '/apis/aggregated.example/v1/whoami') {
      response.end(
        JSON.stringify({ kind: 'APIResourceList', groupVersion: 'aggregated.example/v1', resources: [] }),
      );
      return;
    }
    assert.ok(socket instanceof TLSSocket);
    const proxy = socket.getPeerCertificate().subject.CN;
    response.end(JSON.stringify({ user: request.headers['x-remote-user'], proxy }));
  });
  await plane.apply(`
apiVersion: v1
kind: Service
metadata: {name: aggregated, namespace: default}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.aggregated.example}
spec:
  group: aggregated.example
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 10
  service: {namespace: default, name: aggregated, port: ${port}}
  caBundle: ${caBundle()}
`);
  await eventually(async () => {
    const { stdout } = await plane.kubectl(['get', '--raw', '/apis/aggregated.example/v1/whoami']);
    assert.equal(stdout, '{"user":"admin","proxy":"front-proxy-client"}');
  });
});

async function serve(host: string, listener: RequestListener): Promise<number> {
  const { certificate, key } = authority.issue({ name: host, hosts: [host] });
  const server = createServer(
    { cert: certificate, key, requestCert: true, rejectUnauthorized: false },
    listener,
  );
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

function caBundle(): string {
  return Buffer.from(authority.certificate).toString('base64');
}
