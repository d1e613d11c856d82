import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Connections } from '../../webhook/connections.ts';

/** A server with as many connections as a test opens by hand. */
function serverWith(bounds: { readonly connections: number; readonly handshakes: number }) {
  const server = new EventEmitter();
  const shed: string[] = [];
  const connections = new Connections(server, bounds, (what) => shed.push(what));
  let ports = 0;
  const meet = () => {
    ports += 1;
    const socket = new Socket();
    Object.defineProperties(socket, { remoteAddress: { value: '10.0.0.1' }, remotePort: { value: ports } });
    server.emit('connection', socket);
    return socket;
  };
  const open = () => {
    const socket = meet();
    server.emit('secureConnection', socket);
    return socket;
  };
  /** @returns what ends the request. */
  const ask = (socket: Socket) => {
    const response = new EventEmitter();
    server.emit('request', { socket }, response);
    return () => void response.emit('close');
  };
  const gone = (...sockets: readonly Socket[]) => sockets.map(({ destroyed }) => destroyed);
  return { connections, shed, meet, open, ask, gone };
}

test('of handshakes that do not go on the oldest gives way', () => {
  const { connections, shed, meet, open, gone } = serverWith({ connections: 10, handshakes: 2 });
  const slow = [meet(), meet(), meet()];
  assert.deepEqual(gone(...slow), [true, false, false]);
  const quick = open();
  assert.deepEqual(gone(...slow, quick), [true, true, false, false]);
  assert.deepEqual(shed, ['handshake', 'handshake']);
  assert.equal(connections.size, 2);
});

test('of open ones one without a request gives way, then the longest idle, and never a busy one', () => {
  const { shed, meet, open, ask, gone } = serverWith({ connections: 3, handshakes: 2 });
  const [busy, used, unused] = [open(), open(), open()];
  ask(busy);
  ask(used)();
  const fourth = open();
  assert.deepEqual(gone(busy, used, unused), [false, false, true]);
  const end = ask(fourth);
  const fifth = open();
  assert.deepEqual(gone(busy, used, fourth, fifth), [false, true, false, false]);
  ask(fifth);
  const sixth = meet();
  assert.deepEqual(gone(busy, fourth, fifth, sixth), [false, false, false, true], 'all are busy');
  end();
  assert.deepEqual(gone(busy, fourth, fifth, open()), [false, true, false, false]);
  assert.deepEqual(shed, Array(4).fill('connection'));
});

test('ten thousand that come in one turn of the loop leave no more than the bounds', () => {
  const { connections, meet, open } = serverWith({ connections: 100, handshakes: 20 });
  for (let index = 0; index < 5_000; index += 1) meet();
  for (let index = 0; index < 5_000; index += 1) open();
  assert.ok(connections.size <= 100, String(connections.size));
});

test('at the end those without a request end at once, the others with theirs', () => {
  const { connections, meet, open, ask, gone } = serverWith({ connections: 9, handshakes: 9 });
  const [handshaking, idle, busy] = [meet(), open(), open()];
  const end = ask(busy);
  connections.close();
  assert.deepEqual(gone(handshaking), [true]);
  assert.deepEqual([idle.writableEnded, busy.writableEnded], [true, false]);
  end();
  assert.equal(busy.writableEnded, true);
});
