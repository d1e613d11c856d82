import { hasErrors } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import { readResource } from '../policy/read.ts';
import type { Schedule } from '../policy/schedule/types.ts';
import type { Finding, Instant, PolicyResource } from '../policy/types.ts';
import { judgeBeside, needsGovern, trespassFindings } from '../policy/validate.ts';
import { confirmFinding, confirmsAnew, saysNothingNew } from './author.ts';
import type { LiveCatalog } from './live-catalog.ts';
import { type Answer, allowed, denied, failed } from './reply.ts';
import type { PolicyRequest, WriteRequest } from './review.ts';
import { NoAnswer, type Rights } from './rights.ts';

/** What the webhooks judge by. */
export interface Bench {
  /** Null while nobody can tell what the policies are: until they are known, and while their source is silent. */
  catalog(): LiveCatalog | null;
  /** Schedules as far as they are known; absent: none are. */
  schedules?(): readonly Schedule[];
  readonly rights: Rights;
}

/** Is this policy sound beside the others, and its author's to make? */
export function validate(request: PolicyRequest, bench: Bench, deadline: Instant): Answer | Promise<Answer> {
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed();
  const isSpecOld = saysNothingNew(request);
  if (isSpecOld && !confirmsAnew(request)) return allowed();
  if (needsGovern(request.object)) return withRight(request, isSpecOld, bench, deadline);
  return isSpecOld ? allowed() : besideOthers(request, bench, []);
}

async function withRight(
  request: WriteRequest,
  isSpecOld: boolean,
  bench: Bench,
  deadline: Instant,
): Promise<Answer> {
  const { object, user } = request;
  let mayGovern: boolean;
  try {
    mayGovern = await bench.rights.mayGovern(user, deadline);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return failed('InternalError', `${error.message}; apply it again`);
  }
  if (!isSpecOld)
    return besideOthers(request, bench, mayGovern ? [] : trespassFindings(object, user.username));
  return mayGovern ? allowed() : denied(resourceName(request, null), [confirmFinding(user.username)]);
}

function besideOthers(request: WriteRequest, bench: Bench, trespass: readonly Finding[]): Answer {
  const { object } = request;
  // From here to the end nothing waits: of two requests that conflict the second sees the first.
  const catalog = bench.catalog();
  if (catalog === null) return notYetKnown();
  const reading = readResource(object);
  const { resource } = reading;
  if (resource === null) return denied(resourceName(request, null), [...reading.findings, ...trespass]);
  const { findings } = judgeBeside(reading, resource, catalog.beside(resource));
  const all = trespass.length === 0 ? findings : [...findings, ...trespass];
  if (hasErrors(all)) return denied(resourceName(request, resource), all);
  if (!request.dryRun) catalog.hold(resource, request.json);
  return allowed(all);
}

export function notYetKnown(): Answer {
  return failed(
    'ServiceUnavailable',
    'the policies of the cluster are not known now, so this one cannot be judged beside them; apply it again in a moment',
  );
}

/** `team-a/quotas` */
export function resourceName(request: WriteRequest, resource: PolicyResource | null): string {
  return resource === null ? `${request.namespace}/${request.name}` : resourceKey(resource.reference);
}
