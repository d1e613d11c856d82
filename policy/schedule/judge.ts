import type { PolicyCatalog } from '../catalog.ts';
import { finding } from '../findings.ts';
import { fieldsOf, type JsonObject, own } from '../json.ts';
import type { Finding } from '../types.ts';
import { overlapFindings } from './overlap.ts';
import { policyFindings } from './policies.ts';
import { isBeyondNamespace, type ReadScheduleOptions, readSchedule, type ScheduleReading } from './read.ts';
import type { Schedule } from './types.ts';

/** What a schedule is judged beside. */
export interface Beside {
  /** Null while nobody can say what they are: then nothing is said of them. */
  readonly policies: PolicyCatalog | null;
  /** Those of the schedule's namespace at least; a former version of the same is passed over. */
  readonly schedules: Iterable<Schedule>;
}

/** Everything there is to say of one schedule: what `kubectl apply` is told, and `checkpoint-warden validate` offline. */
export function judgeSchedule(
  document: unknown,
  beside: Beside,
  options: ReadScheduleOptions = {},
): ScheduleReading {
  const { schedule, findings } = readSchedule(document, options);
  if (schedule === null) return { schedule, findings };
  return {
    schedule,
    findings: [
      ...findings,
      ...(beside.policies === null ? [] : policyFindings(schedule, beside.policies)),
      ...overlapFindings(schedule, beside.schedules),
    ],
  };
}

/** What an author without the verb `govern` is told whose schedule selects pods of another namespace. */
export function scheduleTrespass(document: JsonObject, user: string): Finding[] {
  if (!isBeyondNamespace(document)) return [];
  const namespace = own(fieldsOf(own(document, 'spec')), 'namespace');
  const message = `is not the namespace of the schedule, and ${user} may not govern there`;
  const remedy =
    'write the schedule in the namespace of the pods, or ask an administrator for the verb govern on checkpointrestoreoperators.criu.org';
  return [finding('notYours', 'spec.namespace', namespace, message, remedy)];
}
