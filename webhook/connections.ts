import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Bounds, Shed } from './bounds.ts';

/**
 * The connections of a server, so that it can end those that carry no request. Node's `closeIdleConnections`
 * leaves those that never carried one, and those in their handshake.
 *
 * They are bounded, and whoever does nothing gives way to whoever comes: of handshakes under way the oldest, of open
 * connections one that never carried a request, or else the one that has been idle for the longest. So somebody who
 * opens thousands and lets them stand keeps out neither the API server nor the kubelet.
 */
export class Connections {
  readonly #bounds: Pick<Bounds, 'connections' | 'handshakes'>;
  readonly #onShed: (what: Shed) => void;
  /** By address and port, which a connection and its TLS layer share; the oldest first. */
  readonly #handshaking = new Map<string, Socket>();
  /** With the number of requests under way. */
  readonly #open = new Map<Socket, number>();
  /** That never carried a request, the oldest first. */
  readonly #unused = new Set<Socket>();
  /** That carry none now, the longest idle first. */
  readonly #idle = new Set<Socket>();
  #closing = false;

  constructor(
    server: EventEmitter,
    bounds: Pick<Bounds, 'connections' | 'handshakes'>,
    onShed: (what: Shed) => void,
  ) {
    this.#bounds = bounds;
    this.#onShed = onShed;
    server.on('connection', (socket: Socket) => this.#meet(socket));
    server.on('secureConnection', (socket: Socket) => {
      this.#handshaking.delete(keyOf(socket));
      this.#open.set(socket, 0);
      this.#unused.add(socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        this.#unused.delete(socket);
        this.#idle.delete(socket);
      });
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, +1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  /** Those in their handshake included. */
  get size(): number {
    return this.#handshaking.size + this.#open.size;
  }

  /** Ends every connection without a request now, and the others as they get rid of theirs. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#handshaking.values()) socket.destroy();
    for (const [socket, requests] of this.#open) if (requests === 0) socket.end();
  }

  /** Ends all, whatever they carry. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #meet(socket: Socket): void {
    const key = keyOf(socket);
    this.#handshaking.set(key, socket);
    socket.once('close', () => {
      if (this.#handshaking.get(key) === socket) this.#handshaking.delete(key);
    });
    if (this.#handshaking.size > this.#bounds.handshakes) {
      const [oldest] = this.#handshaking;
      if (oldest !== undefined) this.#shed('handshake', oldest[1], () => this.#handshaking.delete(oldest[0]));
    } else if (this.size > this.#bounds.connections) {
      const [unused] = this.#unused;
      const [idle] = this.#idle;
      const gone = unused ?? idle ?? socket;
      this.#shed('connection', gone, () => {
        this.#open.delete(gone);
        this.#unused.delete(gone);
        this.#idle.delete(gone);
      });
    }
  }

  /** Forgotten at once: it closes a turn of the loop later, and more may come in this one. */
  #shed(what: Shed, socket: Socket, forget: () => void): void {
    forget();
    socket.destroy();
    this.#onShed(what);
  }

  #count(socket: Socket, change: number): void {
    const requests = this.#open.get(socket);
    if (requests === undefined) return;
    this.#open.set(socket, requests + change);
    if (requests === 0) {
      this.#unused.delete(socket);
      this.#idle.delete(socket);
    } else if (requests + change === 0) {
      if (this.#closing) socket.end();
      else this.#idle.add(socket);
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
