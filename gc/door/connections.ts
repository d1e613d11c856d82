import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from '../../observe/http.ts';
import type { Reply } from './reply.ts';

/**
 * All open connections of a server: those too that Node's HTTP layer has not seen yet (a handshake that does not
 * end) or has let go of (CONNECT), which would keep the server from closing.
 */
export class Connections {
  readonly #open = new Set<Duplex>();

  constructor(server: Server) {
    const add = (socket: Duplex) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    };
    server.on('connection', add);
    server.on('secureConnection', add);
  }

  get count(): number {
    return this.#open.size;
  }

  /** Ends all of them, whatever they carry. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** Headers of every answer. */
export const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

/**
 * An answer on a connection that carries no further one. What still comes on it is read and thrown away: unread, it
 * would keep the connection open for ever.
 *
 * @param lingerMs for so long the other side may go on, and read its answer.
 */
export function endWith(socket: Duplex, { status, headers, body }: Reply, lingerMs: number): void {
  const all = { ...COMMON, ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  endAfter(socket, lingerMs);
  // A caller who resets his connection has nothing to be told.
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** Ends a connection that may go on for so many milliseconds, unless it has ended before. */
export function endAfter(socket: Duplex, ms: number): void {
  const timer = setTimeout(() => socket.destroy(), ms);
  socket.once('close', () => clearTimeout(timer));
}
