import { once } from 'node:events';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Handshakes } from './handshakes.ts';

/** A server that listens, and how it ends. */
export interface Listening {
  readonly address: string;
  readonly port: number;
  /** Of all callers whose handshake is done. */
  readonly sockets: ReadonlySet<Socket>;
  /** Takes no new connection and ends the idle ones. Resolves when none is left. */
  close(): Promise<void>;
  /** Ends all connections, whatever they carry. */
  cut(): void;
}

/**
 * Begins to listen, with whatever else the server answers by in place already. Rejects when the address cannot be had.
 *
 * @param port 0 takes any free one
 */
export async function listen(
  server: Server,
  handshakes: Handshakes,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the gateway has no port');
  return {
    address: bound.address,
    port: bound.port,
    sockets,
    async close() {
      const closed = once(server, 'close');
      server.close();
      handshakes.stop();
      server.closeIdleConnections();
      await closed;
    },
    cut() {
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}
