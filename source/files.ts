import type { PolicyResource } from '../policy/types.ts';
import { type JudgeOptions, policiesOf } from './file-policies.ts';
import { lookAt } from './look.ts';
import { type ScheduleFiles, schedulesOf } from './schedule-files.ts';
import type { Problem } from './source.ts';

export { type FilePolicySourceOptions, filePolicySource } from './file-source.ts';

export interface PolicyFiles {
  readonly resources: readonly PolicyResource[];
  /** Errors and warnings, in the order of the files. */
  readonly problems: readonly Problem[];
}

/**
 * Reads files and folders of policies, a folder's *.yaml, *.yml and *.json sorted by name and without what is in
 * folders within. Each resource is judged beside those before it. Never rejects: what is wrong is a problem.
 */
export async function readPolicyFiles(
  paths: readonly string[],
  options: Pick<JudgeOptions, 'directoryOf'> = {},
): Promise<PolicyFiles> {
  return policiesOf(await lookAt(paths), options);
}

/** The same, and the schedules among the files, each judged beside these policies and the schedules before it. */
export async function readPolicyAndScheduleFiles(
  paths: readonly string[],
): Promise<PolicyFiles & ScheduleFiles> {
  const look = await lookAt(paths);
  const { resources, problems } = policiesOf(look);
  const { schedules, problems: more } = schedulesOf(look, resources);
  return { resources, schedules, problems: [...problems, ...more] };
}
