import { PolicyCatalog } from '../policy/catalog.ts';
import { readDocuments } from '../policy/documents.ts';
import { resourceKey } from '../policy/govern.ts';
import { judgeSchedule } from '../policy/schedule/judge.ts';
import type { Schedule } from '../policy/schedule/types.ts';
import type { PolicyResource } from '../policy/types.ts';
import type { Look } from './look.ts';
import type { Problem } from './source.ts';

export interface ScheduleFiles {
  readonly schedules: readonly Schedule[];
  /** Errors and warnings, in the order of the files; what is wrong with a file itself is told with its policies. */
  readonly problems: readonly Problem[];
}

/** The schedules of a look, each judged beside the policies and the schedules before it. */
export function schedulesOf({ sights }: Look, policies: readonly PolicyResource[]): ScheduleFiles {
  const beside = { policies: new PolicyCatalog(policies), schedules: [] as Schedule[] };
  const problems: Problem[] = [];
  for (const { file, inFolder, content } of sights) {
    if (!Buffer.isBuffer(content)) continue;
    for (const { value } of readDocuments(content, file, { skipOtherKinds: inFolder }).schedules) {
      const { schedule, findings } = judgeSchedule(value, beside, { file, authority: 'administrator' });
      const resource = schedule === null ? '' : resourceKey(schedule.reference);
      problems.push(...findings.map((finding) => ({ file, resource, finding })));
      if (schedule !== null) beside.schedules.push(schedule);
    }
  }
  return { schedules: beside.schedules, problems };
}
