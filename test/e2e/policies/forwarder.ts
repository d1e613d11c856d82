import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../../cluster/port.ts';

/** A port in front of several replicas, as a Service is: each new connection goes to the next. */
export interface Forwarder {
  readonly port: number;
  /** From now on connections go to these, and those there are end. */
  lead(ports: readonly number[]): void;
  close(): Promise<void>;
}

export async function startForwarder(ports: readonly number[]): Promise<Forwarder> {
  const port = await freePort();
  const open = new Set<Socket>();
  let targets = ports;
  let turn = 0;
  const server = createServer((client) => {
    const target = targets[turn++ % Math.max(1, targets.length)];
    if (target === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  const reset = () => {
    for (const socket of open) socket.destroy();
  };
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    lead(next) {
      targets = next;
      reset();
    },
    async close() {
      server.close();
      reset();
    },
  };
}
