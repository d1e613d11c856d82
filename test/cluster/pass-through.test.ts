import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkTo } from './link.ts';
import { startPassThrough } from './pass-through.ts';

const silenceMilliseconds = 100;

test('carries bytes both ways and passes a half-close on', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const client = await dial(passThrough.port);
  client.end('question');
  assert.equal(await readAll(client), 'question');
});

test('cut resets connections and refuses new ones; restore accepts again', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const client = await dial(passThrough.port);
  client.write('one');
  await once(client, 'data');

  passThrough.cut();
  await assert.rejects(once(client, 'end'), { code: 'ECONNRESET' });
  await assert.rejects(dial(passThrough.port), { code: 'ECONNREFUSED' });

  passThrough.restore();
  const next = await dial(passThrough.port);
  next.end('two');
  assert.equal(await readAll(next), 'two');
});

test('stall keeps old and new connections silent; restore delivers what waited', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const old = await dial(passThrough.port);
  old.write('a');
  await once(old, 'data');

  passThrough.stall();
  const fresh = await dial(passThrough.port);
  old.end('b');
  fresh.end('c');
  const answers = [readAll(old), readAll(fresh)];
  assert.equal(await Promise.race([...answers, sleep(silenceMilliseconds, 'silence')]), 'silence');

  passThrough.restore();
  assert.deepEqual(await Promise.all(answers), ['b', 'c']);
});

test('stall hides that the target went away; restore shows it', async (t) => {
  const { passThrough, accepted } = await passThroughToEcho(t);
  const client = await dial(passThrough.port);
  client.write('a');
  await once(client, 'data');

  passThrough.stall();
  for (const socket of accepted) socket.resetAndDestroy();
  const end = once(client, 'end');
  assert.equal(await Promise.race([end, sleep(silenceMilliseconds, 'silence')]), 'silence');

  passThrough.restore();
  await assert.rejects(end, { code: 'ECONNRESET' });
});

test('restoring what flows changes nothing', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const client = await dial(passThrough.port);
  passThrough.restore();
  passThrough.restore();
  client.end('once');
  assert.equal(await readAll(client), 'once');
});

test('a stalled connection can be cut, and a cut one stalled', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const client = await dial(passThrough.port);
  passThrough.stall();
  passThrough.cut();
  await assert.rejects(once(client, 'end'), { code: 'ECONNRESET' });

  passThrough.stall();
  const silent = await dial(passThrough.port);
  silent.end('d');
  passThrough.restore();
  assert.equal(await readAll(silent), 'd');
});

test('resets its client when the target refuses', async (t) => {
  const passThrough = await startPassThrough(1);
  t.after(passThrough.close);
  const client = await dial(passThrough.port);
  await assert.rejects(once(client, 'end'), { code: 'ECONNRESET' });
});

test('a link that is reset while an end is under way closes both connections', async (t) => {
  const { passThrough } = await passThroughToEcho(t);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const link = linkTo(passThrough.port, socket, resolve);
    link.flow();
    socket.once('end', link.reset);
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = await dial(portOf(server.address()));
  client.on('error', () => {});
  client.end('e');
  await closed;
});

async function passThroughToEcho(t: TestContext) {
  const accepted = new Set<Socket>();
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const passThrough = await startPassThrough(portOf(echo.address()));
  t.after(async () => {
    await passThrough.close();
    echo.close();
  });
  return { passThrough, accepted };
}

function portOf(address: AddressInfo | string | null): number {
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  let received = '';
  for await (const chunk of socket) received += chunk;
  return received;
}
