import { hasErrors } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import { scheduleDefaultsPatch } from '../policy/schedule/defaults.ts';
import { type Beside, judgeSchedule, scheduleTrespass } from '../policy/schedule/judge.ts';
import { isBeyondNamespace } from '../policy/schedule/read.ts';
import { SCHEDULE_KIND } from '../policy/schedule/schema.ts';
import type { Schedule } from '../policy/schedule/types.ts';
import type { Authority, Finding, Instant } from '../policy/types.ts';
import { trespassFindings } from '../policy/validate.ts';
import { saysNothingNew, stampOf } from './author.ts';
import { rightOf, stamping } from './mutate.ts';
import { type Answer, allowed, denied, failed } from './reply.ts';
import type { PolicyRequest, WriteRequest } from './review.ts';
import { NoAnswer } from './rights.ts';
import type { Bench } from './validate.ts';

/** Is this schedule sound, and its author's to make? What stands in its way is told, and no reason to refuse it. */
export async function validateSchedule(
  request: PolicyRequest,
  bench: Bench,
  deadline: Instant,
): Promise<Answer> {
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed();
  if (saysNothingNew(request)) return allowed();
  const { object, user } = request;
  let trespass: readonly Finding[] = [];
  if (isBeyondNamespace(object) || stampOf(object) !== undefined) {
    try {
      if (!(await bench.rights.mayGovern(user, deadline))) trespass = trespassesOf(request);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return failed('InternalError', `${error.message}; apply it again`);
    }
  }
  const { schedule, findings } = judgeSchedule(object, besides(bench));
  const all = [...findings, ...trespass];
  if (schedule === null || hasErrors(all)) return refused(request, schedule, all);
  return allowed(all);
}

/** Makes the defaults explicit and writes down on whose word the schedule stands, as for policies: docs/adr/0003. */
export async function mutateSchedule(
  request: PolicyRequest,
  bench: Bench,
  deadline: Instant,
): Promise<Answer> {
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed();
  if (saysNothingNew(request)) return allowed();
  const right = await rightOf(bench.rights.mayGovern(request.user, deadline));
  const authority: { authority?: Authority } = right.mayGovern ? { authority: 'administrator' } : {};
  const { schedule, findings } = judgeSchedule(request.object, besides(bench), authority);
  if (schedule === null || hasErrors(findings)) {
    const trespass = right.mayGovern === false ? trespassesOf(request) : [];
    return refused(request, schedule, [...findings, ...trespass]);
  }
  const { operations, warnings } = stamping(request, right, 'schedule');
  return allowed([], { patch: [...scheduleDefaultsPatch(request.object), ...operations], warnings });
}

function besides({ catalog, schedules }: Bench): Beside {
  return { policies: catalog()?.policies() ?? null, schedules: schedules?.() ?? [] };
}

function trespassesOf({ object, user }: WriteRequest): Finding[] {
  return [...scheduleTrespass(object, user.username), ...trespassFindings(object, user.username)];
}

function refused(request: WriteRequest, schedule: Schedule | null, findings: readonly Finding[]): Answer {
  const name = schedule === null ? `${request.namespace}/${request.name}` : resourceKey(schedule.reference);
  return denied(name, findings, SCHEDULE_KIND);
}
