import { stat } from 'node:fs/promises';
import { ActivePolicies } from '../gc/deciding/active.ts';
import { explain } from '../gc/system/files.ts';
import { nodeFiles } from '../gc/system/node-files.ts';
import { directoryNames, sameDirectoryAs } from '../gc/system/same-directory.ts';
import type { PolicySet } from '../policy/govern.ts';
import type { Schedule } from '../policy/schedule/types.ts';
import type { PolicyResource } from '../policy/types.ts';
import { readPolicyAndScheduleFiles, readPolicyFiles } from '../source/files.ts';
import { type PodsFile, podsFromFile } from '../source/pods-file.ts';
import type { Problem } from '../source/source.ts';
import { InputError } from './errors.ts';

/** Policies out of files, as one call of a command sees them. */
export interface ReadPolicies {
  readonly resources: readonly PolicyResource[];
  readonly problems: readonly Problem[];
}

/**
 * Reads policy files and folders; a path that is not there is a wrong call.
 * @param directory where they are to act: resources that do and contradict one another are told
 */
export async function readPolicies(paths: readonly string[], directory?: string): Promise<ReadPolicies> {
  for (const path of paths) await requirePath(path);
  if (directory === undefined) return await readPolicyFiles(paths);
  return await readPolicyFiles(paths, { directoryOf: directoryNames(directory, nodeFiles) });
}

/** The same of policies and of the schedules among them. */
export async function readPoliciesAndSchedules(
  paths: readonly string[],
): Promise<ReadPolicies & { readonly schedules: readonly Schedule[] }> {
  for (const path of paths) await requirePath(path);
  return await readPolicyAndScheduleFiles(paths);
}

/** Those that act on a directory, as the collector takes them. */
export function policiesFor(directory: string, resources: readonly PolicyResource[]): PolicySet {
  const isSameDirectory = sameDirectoryAs(directory, nodeFiles);
  const active = new ActivePolicies({ directory, lenientDirectory: true, isSameDirectory });
  active.update(resources, 0);
  return active.set;
}

/** A path that was given must lead somewhere: a typing error is no sound policy. */
export async function requirePath(given: string): Promise<void> {
  try {
    await stat(given);
  } catch (error) {
    throw new InputError(`${given} cannot be read: ${explain(error)}`);
  }
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ finding }) => finding.severity === 'error');
}

/** The pods that prove orphans; a file that cannot be one is a wrong call. */
export async function readPods(file: string): Promise<PodsFile> {
  await requirePath(file);
  return await podsFromFile(file).catch((error: unknown) => {
    throw new InputError(error instanceof Error ? error.message : String(error));
  });
}
