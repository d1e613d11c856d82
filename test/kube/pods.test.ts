import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createClient } from '../../kube/client.ts';
import { podLookup } from '../../kube/pods.ts';
import { FakeApiServer, notFound, reply, status } from './fake-api-server.ts';
import { clientOf } from './scripted-client.ts';

suite('only the word of the API server on that very pod is proof', () => {
  const pod = (metadata: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata });
  const rows: readonly (readonly [name: string, code: number, body: object | string, proof: boolean])[] = [
    ['its own NotFound', 404, notFound('pods', 'cart'), true],
    ['NotFound of another name', 404, notFound('pods', 'till'), false],
    ['NotFound of a namespace', 404, notFound('namespaces', 'shop'), false],
    ['NotFound of another resource', 404, notFound('nodes', 'cart'), false],
    ["a proxy's page", 404, '<html>404</html>', false],
    ["a proxy's JSON", 404, { message: 'no such route' }, false],
    [
      'a path that is not known',
      404,
      status(404, 'NotFound', 'could not find the requested resource'),
      false,
    ],
    ['a Status of another reason', 404, status(404, 'Expired', 'x', { kind: 'pods', name: 'cart' }), false],
    ['NotFound with another code', 403, notFound('pods', 'cart'), false],
    ['NotFound with 410', 410, notFound('pods', 'cart'), false],
    ['NotFound with 200', 200, notFound('pods', 'cart'), false],
    ['too many requests', 429, status(429, 'TooManyRequests', 'x'), false],
    ['an internal error', 500, status(500, 'InternalError', 'x'), false],
    ['a list', 200, { apiVersion: 'v1', kind: 'PodList', metadata: {}, items: [] }, false],
    ['another pod', 200, pod({ namespace: 'shop', name: 'till', uid: 'u' }), false],
    ['a pod of another namespace', 200, pod({ namespace: 'bar', name: 'cart', uid: 'u' }), false],
    ['a pod without uid', 200, pod({ namespace: 'shop', name: 'cart' }), false],
    ['nothing', 200, '', false],
  ];
  test('each of these', async (t) => {
    await using fake = await FakeApiServer.start();
    const client = await createClient({ kubeconfig: await fake.kubeconfig() });
    const pods = podLookup(client);
    for (const [name, code, body, proof] of rows) {
      await t.test(name, async () => {
        fake.override = (_, response) => {
          reply(response, code, body);
          return true;
        };
        if (proof) assert.equal(await pods.get('shop', 'cart'), null);
        else await assert.rejects(pods.get('shop', 'cart'), { name: 'KubeError' });
      });
    }
    client.close();
  });
});

test('a look-up that is not made rejects as it is', async () => {
  const away = new Error('away');
  const pods = podLookup(clientOf(() => Promise.reject(away)));
  await assert.rejects(pods.get('shop', 'cart'), away);
});
