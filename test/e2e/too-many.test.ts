import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fieldsOf, own } from '../../policy/json.ts';
import { createAuthority } from '../cluster/authority.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';

/**
 * What a real API server does about the webhook's 429: `webhook/reviewer.ts` counts on its asking again.
 */
let plane: ControlPlane;
let asked: number[] = [];
/** So many are turned away first. */
let busy = 0;
const authority = await createAuthority('too many');
const { certificate, key } = authority.issue({ name: 'webhook', hosts: ['localhost', '127.0.0.1'] });
const server = createServer({ cert: certificate, key }, async (request, response) => {
  const review = fieldsOf(await json(request));
  asked.push(performance.now());
  if (busy > 0) {
    busy -= 1;
    response.writeHead(429, { 'content-type': 'text/plain', 'retry-after': '1' }).end('ask again in 1 s\n');
    return;
  }
  const { apiVersion, kind } = review;
  const uid = own(fieldsOf(own(review, 'request')), 'uid');
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ apiVersion, kind, response: { uid, allowed: true } }));
});

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  plane = await startControlPlane();
  const name = 'too-many.example.org';
  await plane.apply(
    JSON.stringify({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name },
      webhooks: [
        {
          ...{ name, sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail' },
          timeoutSeconds: 5,
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
          ],
          clientConfig: {
            url: `https://localhost:${port}/validate`,
            caBundle: Buffer.from(authority.certificate).toString('base64'),
          },
        },
      ],
    }),
  );
  let trial = 0;
  await eventually(async () => {
    trial += 1;
    await plane.kubectl(['create', 'configmap', `trial-${trial}`]);
    assert.ok(asked.length > 0);
  });
});
after(async () => {
  await plane.stop();
  server.close();
  server.closeAllConnections();
});

test('it asks again after the time that the answer names, and its user sees nothing of it', async () => {
  [asked, busy] = [[], 2];
  const { status, stderr } = await plane.kubectl(['create', 'configmap', 'patient']);
  assert.equal(status, 0, stderr);
  assert.equal(asked.length, 3);
  const [first = 0, second = 0] = asked;
  assert.ok(second - first >= 900, String(second - first));
});

test('within its time limit; then the request fails, because the policy says Fail', async (t) => {
  [asked, busy] = [[], 1_000];
  const { status, stderr } = await plane.kubectl(['create', 'configmap', 'impatient']);
  t.diagnostic(`asked ${asked.length} times: ${stderr.trim()}`);
  assert.notEqual(status, 0);
  assert.match(stderr, /failed calling webhook "too-many\.example\.org"/);
  busy = 0;
});
