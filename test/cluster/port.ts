import { once } from 'node:events';
import { createServer } from 'node:net';

// Below every system's ephemeral range, so that no outgoing connection takes the port while its server
// restarts, and below the node ports.
const lowest = 20_000;
const count = 10_000;

const given = new Set<number>();

/**
 * A port on which nobody listens, at no address of this machine; each is given once. Another process may still be
 * faster than its user.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`found no free port between ${lowest} and ${lowest + count - 1}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
