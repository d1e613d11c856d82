import { join } from 'node:path';
import type { Guard } from './guard.ts';
import { probe } from './probe.ts';
import { type Server, startServer, waitUntilReady } from './server.ts';

/** Storage for one API server. What it keeps ends with the directory, so it never waits for the disk. */
export async function startEtcd(guard: Guard, programs: string, port: number): Promise<Server> {
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer(guard, join(programs, 'etcd'), [
    `--data-dir=${join(guard.directory, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    // It has no peers; the system may choose.
    '--listen-peer-urls=http://127.0.0.1:0',
    '--unsafe-no-fsync',
    // Milliseconds; alone, it need not wait a second for other candidates.
    '--heartbeat-interval=10',
    '--election-timeout=100',
    '--log-level=warn',
  ]);
  await waitUntilReady(server, () => probe(`${url}/health`), 30_000);
  return server;
}
