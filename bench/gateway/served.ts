import express from 'express';
import { Registry } from 'prom-client';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import { tokenReviewer } from '../../kube/authentication.ts';
import { createClient } from '../../kube/client.ts';
import { PodNodeInformers } from '../../kube/pod-nodes.ts';
import { checkpointReviewer } from '../../kube/reviews.ts';
import { createLog } from '../../observe/log.ts';
import { DOOR_NAME } from '../../test/webhook/gateway/kit.ts';
import { FakeSource } from '../../test/webhook/kit.ts';
import { createApp } from '../../webhook/app.ts';
import { policiesOnly } from '../../webhook/connect.ts';
import { BOUNDS, type Bounds } from '../../webhook/gateway/bounds.ts';
import { Callers } from '../../webhook/gateway/callers.ts';
import { DoorAuthority } from '../../webhook/gateway/door-authority.ts';
import { DoorClient } from '../../webhook/gateway/door-client.ts';
import { Gateway } from '../../webhook/gateway/gateway.ts';
import type { ThreadData } from '../../webhook/gateway/messages.ts';
import { createGatewayMetrics } from '../../webhook/gateway/metrics.ts';
import { openGateway } from '../../webhook/gateway/open.ts';
import { startGatewayThread } from '../../webhook/gateway/thread.ts';
import { LiveCatalog } from '../../webhook/live-catalog.ts';
import { createMetrics } from '../../webhook/metrics.ts';
import { mutate } from '../../webhook/mutate.ts';
import { EVERYBODY } from '../../webhook/rights.ts';
import { startServer } from '../../webhook/server.ts';
import { TIMINGS } from '../../webhook/timings.ts';
import { validate } from '../../webhook/validate.ts';

/** Where the gateway stands. */
const [mode = 'thread', kubeconfig = '', ca = '', doorPort = ''] = process.argv.slice(2);
const UNPACED: Bounds = { ...BOUNDS, handshakesPerSecond: 1_000_000 };

// As the program has it, at its default level, into the void.
const log = createLog({ destination: { write: () => {} } });
const certificates = selfSignedCertificates({ names: ['localhost', '127.0.0.1'], log });
await certificates.start();
const source = new FakeSource();
const catalog = new LiveCatalog(source);
const bench = { catalog: () => catalog, rights: EVERYBODY };
const app = createApp({
  judges: {
    '/mutate': policiesOnly((request, deadline) => mutate(request, bench, deadline)),
    '/validate': policiesOnly((request, deadline) => validate(request, bench, deadline)),
  },
  unready: async () => [],
  ...{ log, now: Date.now },
  metrics: createMetrics(source, certificates),
});
const doors = { ca, name: DOOR_NAME, port: Number(doorPort) };
const listen = { host: '127.0.0.1', port: 0 };
const data: ThreadData = {
  ...{ listen, kubeconfig, doors, audiences: [], logLevel: 'silent', minTlsVersion: 'TLSv1.3' },
  certificate: certificates.current(),
};

/** Its port; null where it stands on the webhook's own. */
async function gatewayPort(): Promise<number | null> {
  switch (mode) {
    case 'elsewhere':
    case 'same server':
      return null;
    case 'own listener':
      return (await openGateway({ ...data, bounds: UNPACED }, new Registry())).gateway.port;
    case 'thread':
    case 'thread, nice':
    case 'thread, nice, paced': {
      const settings = {
        ...data,
        ...(mode !== 'thread, nice, paced' && { bounds: UNPACED }),
        ...(mode === 'thread' && { niceness: 0 }),
      };
      const thread = await startGatewayThread({ settings, certificates, log, onCrash() {} });
      return thread.port;
    }
    default:
      throw new Error(`there is no mode ${mode}`);
  }
}

/** On the webhook's server, before its own paths. */
async function together() {
  const client = await createClient({ kubeconfig });
  const pause = async () => {};
  const places = new PodNodeInformers({ client, log, pause });
  const metrics = createGatewayMetrics(new Registry());
  const gateway = new Gateway({
    callers: new Callers({
      tokens: tokenReviewer(client, { audiences: [] }),
      rights: checkpointReviewer(client),
      bounds: BOUNDS,
      now: Date.now,
    }),
    ...{ places, bounds: BOUNDS, metrics, log },
    ready: () => places.synced,
    doors: new DoorClient(doors, new DoorAuthority(ca, log, Date.now)),
    clock: () => performance.now(),
  });
  const outer = express();
  outer.post(/^\/checkpoint\//, async (request, response) => {
    const { method, url, httpVersion, rawHeaders, headers, socket } = request;
    const leaving = new AbortController();
    response.once('close', () => response.writableFinished || leaving.abort(new Error('gone')));
    const ask = { method, url, httpVersion, rawHeaders, authorization: headers.authorization };
    const reply = await gateway.handle({
      ...ask,
      pipelined: false,
      from: socket.remoteAddress ?? '',
      signal: leaving.signal,
    });
    response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  outer.use(app);
  return outer;
}

const server = await startServer({
  ...listen,
  app: mode === 'same server' ? await together() : app,
  ...{ certificates, minTlsVersion: 'TLSv1.3', timings: TIMINGS },
  onTlsError() {},
});
const gateway = await gatewayPort();
process.send?.({ port: server.port, gateway: gateway ?? server.port, ca: certificates.current().ca });
process.on('disconnect', () => process.exit());
