import { join } from 'node:path';
import { stateDirectoryOf } from './assemble.ts';
import type { CollectorOptions } from './options.ts';
import { type Lock, takeLock } from './system/lock.ts';
import { makeStateDirectory } from './system/state.ts';

/**
 * Says what is about to be collected, and takes the directory's lock; null for a dry run, and without a state
 * directory. Rejects with a sentence when another collector holds it, or the state directory cannot be made.
 */
export async function openLock(options: CollectorOptions): Promise<Lock | null> {
  const { stateDirectory, directory, dryRun, log } = options;
  log.info({ directory, dryRun, stateDirectory }, `collecting in ${directory}${dryRun ? ' (dry run)' : ''}`);
  if (stateDirectory === undefined || dryRun) return null;
  const own = stateDirectoryOf(stateDirectory, directory);
  makeStateDirectory(own);
  return await takeLock(join(own, 'collector.sock'));
}
