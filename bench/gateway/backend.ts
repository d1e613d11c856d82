import { writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fieldsOf, own, text } from '../../policy/json.ts';
import { FakeApiServer, PODS, reply } from '../../test/kube/fake-api-server.ts';
import { answerWith, DOOR_NAME, startFakeDoor } from '../../test/webhook/gateway/kit.ts';

/** What doors and API server take for an answer. */
const DOOR_MS = 20;
const REVIEW_MS = 3;
const PODS_OF_CLUSTER = 200;

// Not what is measured: it takes what is left of the processors.
setPriority(19);
const api = await FakeApiServer.start();
const door = await startFakeDoor(api.authority.issue({ name: 'door', hosts: [DOOR_NAME] }));
door.answer = async (_, response) => {
  await sleep(DOOR_MS);
  answerWith(response, 200, '{"items":["/var/lib/kubelet/checkpoints/checkpoint-x.tar"]}');
};
for (let index = 0; index < PODS_OF_CLUSTER; index += 1) {
  const metadata = { namespace: 'shop', name: `cart-${index}` };
  api.put(PODS, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'node1' } });
}
const node = {
  metadata: { name: 'node1', uid: 'n1', resourceVersion: '7' },
  status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
};
api.override = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'https://fake');
  if (pathname.endsWith('/tokenreviews')) {
    json(request).then(async (review) => {
      await sleep(REVIEW_MS);
      const token = text(own(fieldsOf(own(fieldsOf(review), 'spec')), 'token'));
      const status = token.startsWith('good')
        ? { authenticated: true, user: { username: `user-${token}` } }
        : { authenticated: false };
      reply(response, 201, { status });
    });
  } else if (pathname.endsWith('/subjectaccessreviews')) {
    sleep(REVIEW_MS).then(() => reply(response, 201, { status: { allowed: true } }));
  } else if (pathname === '/api/v1/nodes' && !searchParams.has('watch')) {
    reply(response, 200, { kind: 'List', metadata: { resourceVersion: '7' }, items: [node] });
  } else if (pathname === '/api/v1/nodes') {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  } else return false;
  return true;
};
const ca = join(api.directory, 'ca.crt');
await writeFile(ca, api.authority.certificate);
process.send?.({ kubeconfig: await api.kubeconfig(), ca, doorPort: door.port, directory: api.directory });
process.on('disconnect', () => process.exit());
