import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../kube/types.ts';
import { stateDirectoryOf } from './assemble.ts';
import type { CollectorOptions } from './options.ts';
import { explain, isNoRoom } from './system/files.ts';
import { type Lock, LockHeldError, takeLock } from './system/lock.ts';
import { makeStateDirectory } from './system/state.ts';

/**
 * Says what is about to be collected, and takes the directory's locks; null for a dry run. Rejects with a sentence
 * when another collector holds one, or the state directory cannot be made.
 */
export async function openLock(options: CollectorOptions): Promise<Lock | null> {
  const { stateDirectory, directory, dryRun, log } = options;
  log.info({ directory, dryRun, stateDirectory }, `collecting in ${directory}${dryRun ? ' (dry run)' : ''}`);
  if (dryRun) return null;
  const locks: Lock[] = [];
  try {
    for (const lock of [await lockOfMachine(options), await lockOfState(options)]) if (lock) locks.push(lock);
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
  if (locks.length === 0)
    log.warn({}, 'no lock keeps a second collector of this directory away; name a state directory');
  return locks.length === 0 ? null : all(locks);
}

/**
 * Where whoever has another state directory, or none, meets the others of this machine. Containers have a `/run` of
 * their own; those of a node meet in the state directory.
 */
async function lockOfMachine(options: CollectorOptions): Promise<Lock | null> {
  const { directory, log, lockDirectory = runtimeDirectory() } = options;
  if (lockDirectory === null) return null;
  const path = `${stateDirectoryOf(lockDirectory, directory)}.sock`;
  try {
    makeStateDirectory(lockDirectory);
    return await takeLock(path, { node: nodeOf(options) });
  } catch (error) {
    if (error instanceof LockHeldError) throw error;
    log.info({ err: error, path }, `there is no lock of this machine: ${explain(error)}`);
    return null;
  }
}

async function lockOfState(options: CollectorOptions): Promise<Lock | null> {
  const { stateDirectory, directory, log } = options;
  if (stateDirectory === undefined) return null;
  const own = stateDirectoryOf(stateDirectory, directory);
  const take = async () => {
    makeStateDirectory(own);
    return await takeLock(join(own, 'collector.sock'), { node: nodeOf(options) });
  };
  try {
    return await take();
  } catch (error) {
    // A disk that is full must not keep away whoever makes room on it.
    if (!(error instanceof Error) || !isNoRoom(error.cause)) throw error;
    const rest = 'it is gone without until there is room, for that has to be made';
    log.error({ err: error }, `the lock cannot be taken: ${explain(error.cause)}; ${rest}`);
    return lockTakenLater(take, log);
  }
}

/** Counts as held until somebody else has it; asking whether it is held tries to take it. */
function lockTakenLater(take: () => Promise<Lock>, log: Log): Lock {
  let lock: Lock | null = null;
  let isLost = false;
  let isHopeless = false;
  let taking: Promise<void> | null = null;
  const tryToTake = async () => {
    try {
      lock = await take();
      log.info({}, 'the lock is taken now');
    } catch (error) {
      isLost = error instanceof LockHeldError;
      isHopeless = !(error instanceof Error && isNoRoom(error.cause));
      if (isHopeless && !isLost) log.error({ err: error }, `the lock cannot be taken: ${explain(error)}`);
    }
    taking = null;
  };
  return {
    isHeld() {
      if (lock !== null) return lock.isHeld();
      if (!isHopeless) taking ??= tryToTake();
      return !isLost;
    },
    async release() {
      await taking;
      await lock?.release();
    },
  };
}

function nodeOf({ nodeName }: CollectorOptions): string {
  return nodeName ?? hostname();
}

/** For what ends with the machine's run; null where there is none for this user. */
function runtimeDirectory(): string | null {
  const folder = process.getuid?.() === 0 ? '/run' : process.env.XDG_RUNTIME_DIR;
  return folder ? join(folder, 'checkpoint-warden') : null;
}

function all(locks: readonly Lock[]): Lock {
  return {
    isHeld: () => locks.every((lock) => lock.isHeld()),
    async release() {
      for (const lock of locks) await lock.release();
    },
  };
}
