import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:https';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Handshakes } from '../../../webhook/gateway/handshakes.ts';

interface Scene {
  readonly server: Server;
  readonly begun: string[];
  connect(peer: string): Socket;
  /** The next slice of time. */
  tick(): void;
  readonly handshakes: Handshakes;
}

/** Handshakes by the slice of 20 ms, which a test turns on by hand. */
function scene({ perSlice = 2, connections = 100, ofPeer = 100 } = {}): Scene {
  const server = createServer();
  server.removeAllListeners('connection');
  const begun: string[] = [];
  server.on('connection', (socket: Socket) => void begun.push(socket.remoteAddress ?? ''));
  let due: (() => void) | null = null;
  const handshakes = new Handshakes(
    server,
    { handshakesPerSecond: perSlice * 50, connections, connectionsOfPeer: ofPeer },
    {
      after(_, run) {
        due = run;
        return () => {
          due = null;
        };
      },
    },
  );
  return {
    ...{ server, begun, handshakes },
    connect(peer) {
      const socket = new Socket();
      Object.defineProperty(socket, 'remoteAddress', { value: peer });
      EventEmitter.prototype.emit.call(server, 'connection', socket);
      return socket;
    },
    tick() {
      const run = due;
      due = null;
      run?.();
    },
  };
}

test('so many at once, the others in the slices after', () => {
  const { begun, connect, tick } = scene({ perSlice: 2 });
  for (let index = 0; index < 5; index += 1) connect('a');
  assert.equal(begun.length, 2);
  tick();
  assert.equal(begun.length, 4);
  tick();
  assert.equal(begun.length, 5);
  tick();
  tick();
  connect('a');
  assert.equal(begun.length, 6);
});

test('addresses take turns', () => {
  const { begun, connect, tick } = scene({ perSlice: 2 });
  for (let index = 0; index < 8; index += 1) connect('flood');
  connect('ada');
  assert.deepEqual(begun, ['flood', 'flood']);
  tick();
  assert.deepEqual(begun.slice(2).sort(), ['ada', 'flood']);
});

test('too many in all, or from one address, are closed', () => {
  const { begun, connect, handshakes } = scene({ perSlice: 10, connections: 3, ofPeer: 2 });
  const sockets = ['a', 'a', 'a', 'b', 'c'].map(connect);
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, false, true, false, true],
  );
  assert.deepEqual([begun.length, handshakes.refused], [3, 2]);
});

test('who leaves while he waits is forgotten; a stop closes those who wait', async () => {
  const { begun, connect, tick, handshakes } = scene({ perSlice: 1 });
  const [, leaving, staying] = ['a', 'a', 'a'].map(connect);
  leaving?.destroy();
  await new Promise(setImmediate);
  handshakes.stop();
  assert.ok(staying?.destroyed);
  tick();
  assert.equal(begun.length, 1);
});
