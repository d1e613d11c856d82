import { randomUUID } from 'node:crypto';
import { linkSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { errorCode, explain } from './files.ts';

/** The right to be the one collector of a directory. */
export interface Lock {
  /** False once another process has taken it over; then nothing may be deleted any more. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** Another process holds the lock, or took it at the same moment; the message names it. */
export class LockHeldError extends Error {}

/** Longer paths do not fit a socket's address. */
const LONGEST_PATH = 107;

/** How long a holder may take to answer; it does nothing else for it. */
const ANSWER_MS = 2_000;

const LONGEST_ANSWER = 512;

/** Who takes over a stale lock looks again after this long, in case two did so at once. */
const SETTLE_MS = 100;

/**
 * Takes a lock that is a socket in the file system: it is held while a process listens on it, so the kernel
 * frees it with its holder, however that ends. Process ids tell nothing here: in containers everybody is 1, and
 * a new container of the same pod could not tell its predecessor from itself. Rejects with a sentence that names
 * the holder when there is one, and has a `cause` where the lock cannot be made.
 */
export async function takeLock(
  path: string,
  { node, settleMs = SETTLE_MS }: { readonly node: string; readonly settleMs?: number },
): Promise<Lock> {
  const id = randomUUID();
  const own = `${path}.${id.slice(0, 8)}`;
  if (Buffer.byteLength(own) > LONGEST_PATH) {
    throw new Error(
      `the state directory's path is too long for a socket in it (${path}); choose a shorter one`,
    );
  }
  const text = `process ${process.pid} on ${node}, since ${new Date().toISOString()}`;
  const server = await listen(own, text).catch(async (error: unknown) => {
    // One that was made before the disk was full is held all the same.
    await refuseIfHeld(path);
    throw error;
  });
  // While it is bound, no other file gets its inode.
  const mine = lstatSync(own).ino;
  const isHeld = () => lstatSync(path, { throwIfNoEntry: false })?.ino === mine;
  try {
    if (!linked(own, path)) {
      await refuseIfHeld(path);
      renameSync(own, path);
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      if (!isHeld()) {
        await refuseIfHeld(path);
        throw new LockHeldError(`the lock ${path} could not be taken; start again`);
      }
    }
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    isHeld,
    async release() {
      // Whoever has taken it over keeps it.
      if (isHeld()) rmSync(path, { force: true });
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Gives the socket the lock's name too, unless that is taken. */
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    unlinkSync(own);
    return true;
  } catch {
    // Taken, or a file system without hard links: whoever holds it answers.
    return false;
  }
}

function listen(path: string, holder: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(holder);
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`the lock ${path} cannot be made: ${explain(error)}`, { cause: error })),
    );
    server.listen(path, () => resolve(server));
  });
}

async function refuseIfHeld(path: string): Promise<void> {
  const holder = await holderOf(path);
  if (holder === null) return;
  throw new LockHeldError(`another collector has this directory (${holder}); stop it first (lock: ${path})`);
}

/** What it says of itself; null when nobody listens. */
function holderOf(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const unknown = 'a process that does not say who it is';
    let answer = '';
    const socket = createConnection(path);
    socket.setEncoding('utf8');
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > LONGEST_ANSWER) socket.destroy();
    });
    socket.on('error', (error) => {
      const code = errorCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(null);
    });
    socket.on('close', () => resolve(/^[\x20-\x7e]+$/.test(answer) ? answer : unknown));
  });
}
