import type { Server } from '../server.ts';

/** A program of a node that a test may take away. */
export interface Daemon {
  /** Path of its log here; it is continued at each start. */
  readonly log: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it; waits as the first start did. */
  restart(): Promise<void>;
}

/** Starts a program that `start` knows how to start again. */
export async function startDaemon(start: () => Promise<Server>): Promise<Daemon> {
  let server = await start();
  return {
    log: server.log,
    kill: () => server.kill(),
    async restart() {
      await server.kill();
      server = await start();
    },
  };
}
