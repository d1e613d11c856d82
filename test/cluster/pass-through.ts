import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Link, linkTo } from './link.ts';
import { freePort } from './port.ts';

/** A port that leads to another, and can be told to fail as networks do. */
export interface PassThrough extends AsyncDisposable {
  readonly port: number;
  /** Unreachable: resets the connections there are and refuses new ones. */
  cut(): void;
  /** Silent: accepts connections, keeps them all open, lets no byte through and loses none. */
  stall(): void;
  /** Goes on: lets through what waited, and whatever comes. */
  restore(): void;
  /** Resets all connections and gives up the port. */
  close(): Promise<void>;
}

/** Opens a port of 127.0.0.1 that leads to `targetPort`, there or at another address. */
export async function startPassThrough(targetPort: number, targetHost = '127.0.0.1'): Promise<PassThrough> {
  const port = await freePort();
  const links = new Set<Link>();
  let stalled = false;
  let server: Server | undefined;

  const accept = (client: Socket) => {
    const link = linkTo(targetPort, client, () => links.delete(link), targetHost);
    links.add(link);
    if (!stalled) link.flow();
  };
  const listen = () => {
    server ??= createServer({ pauseOnConnect: true, allowHalfOpen: true }, accept).listen(port, '127.0.0.1');
    return server;
  };
  const cut = () => {
    server?.close();
    server = undefined;
    for (const link of links) link.reset();
  };
  const close = async () => {
    const closed = server && once(server, 'close');
    cut();
    await closed;
  };

  await once(listen(), 'listening');
  return {
    port,
    cut,
    stall() {
      stalled = true;
      listen();
      for (const link of links) link.hold();
    },
    restore() {
      stalled = false;
      listen();
      for (const link of links) link.flow();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
