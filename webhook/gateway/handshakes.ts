import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Timers } from './timers.ts';

export interface HandshakeBounds {
  /** Handshakes begun in a second. */
  readonly handshakesPerSecond: number;
  /** Connections in all, those that wait included, and from one address. */
  readonly connections: number;
  readonly connectionsOfPeer: number;
}

const SLICE_MS = 20;

/**
 * Begins TLS handshakes at a bounded rate. Each costs more than all the rest of a request, and whoever floods the
 * gateway with connections must not have the processor for it. Addresses take turns, so that one with many does not
 * keep the others waiting.
 */
export class Handshakes {
  readonly #begin: (socket: Socket) => void;
  readonly #bounds: HandshakeBounds;
  readonly #timers: Timers;
  /** By address, in the order of their turns. */
  readonly #waiting = new Map<string, Socket[]>();
  readonly #ofPeer = new Map<string, number>();
  #open = 0;
  #left: number;
  #cancel: (() => void) | null = null;
  /** Connections that were closed because there were too many. */
  refused = 0;

  /** Takes the place of the server's own way of meeting connections. */
  constructor(server: Server, bounds: HandshakeBounds, timers: Timers) {
    const own = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => this.#meet(socket));
    this.#begin = (socket) => {
      for (const listener of own) Reflect.apply(listener, server, [socket]);
    };
    this.#bounds = bounds;
    this.#timers = timers;
    this.#left = this.#slice;
  }

  stop(): void {
    this.#cancel?.();
    for (const line of this.#waiting.values()) for (const socket of line) socket.destroy();
    this.#waiting.clear();
  }

  get #slice(): number {
    return Math.max(1, Math.round((this.#bounds.handshakesPerSecond * SLICE_MS) / 1_000));
  }

  #meet(socket: Socket): void {
    const peer = socket.remoteAddress ?? '';
    const ofPeer = this.#ofPeer.get(peer) ?? 0;
    if (this.#open >= this.#bounds.connections || ofPeer >= this.#bounds.connectionsOfPeer) {
      this.refused += 1;
      socket.destroy();
      return;
    }
    this.#open += 1;
    this.#ofPeer.set(peer, ofPeer + 1);
    socket.once('close', () => this.#gone(socket, peer));
    if (this.#left > 0 && this.#waiting.size === 0) {
      this.#left -= 1;
      this.#begin(socket);
    } else {
      // Until TLS takes it over, an error of the connection would end the process.
      socket.on('error', () => socket.destroy());
      const line = this.#waiting.get(peer);
      if (line === undefined) this.#waiting.set(peer, [socket]);
      else line.push(socket);
    }
    this.#cancel ??= this.#timers.after(SLICE_MS, () => this.#next());
  }

  #gone(socket: Socket, peer: string): void {
    this.#open -= 1;
    const left = (this.#ofPeer.get(peer) ?? 1) - 1;
    if (left === 0) this.#ofPeer.delete(peer);
    else this.#ofPeer.set(peer, left);
    const line = this.#waiting.get(peer) ?? [];
    const index = line.indexOf(socket);
    if (index >= 0) line.splice(index, 1);
    if (line.length === 0) this.#waiting.delete(peer);
  }

  #next(): void {
    this.#cancel = null;
    this.#left = this.#slice;
    for (const [peer, line] of this.#waiting) {
      if (this.#left === 0) break;
      const socket = line.shift();
      // To the end of the line of addresses.
      this.#waiting.delete(peer);
      if (line.length > 0) this.#waiting.set(peer, line);
      if (socket === undefined) continue;
      this.#left -= 1;
      this.#begin(socket);
    }
    const isIdle = this.#waiting.size === 0 && this.#left === this.#slice;
    if (!isIdle) this.#cancel = this.#timers.after(SLICE_MS, () => this.#next());
  }
}
