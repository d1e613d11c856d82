import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/**
 * The connections of a server, so that it can end those that carry no request. Node's `closeIdleConnections`
 * leaves those that never carried one, and those in their handshake.
 */
export class Connections {
  /** By address and port, which a connection and its TLS layer share. */
  readonly #handshaking = new Map<string, Socket>();
  /** With the number of requests under way. */
  readonly #open = new Map<Socket, number>();
  #closing = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      this.#handshaking.set(key, socket);
      socket.once('close', () => {
        if (this.#handshaking.get(key) === socket) this.#handshaking.delete(key);
      });
    });
    server.on('secureConnection', (socket: Socket) => {
      this.#handshaking.delete(keyOf(socket));
      this.#open.set(socket, 0);
      socket.once('close', () => this.#open.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, +1);
      response.once('close', () => this.#count(socket, -1));
    });
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

  #count(socket: Socket, change: number): void {
    const requests = this.#open.get(socket);
    if (requests === undefined) return;
    this.#open.set(socket, requests + change);
    if (this.#closing && requests + change === 0) socket.end();
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
