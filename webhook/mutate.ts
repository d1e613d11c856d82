import { PolicyCatalog } from '../policy/catalog.ts';
import { defaultsPatch } from '../policy/defaults.ts';
import { hasErrors } from '../policy/findings.ts';
import { AUTHORITY_ANNOTATION } from '../policy/schema.ts';
import type { Instant } from '../policy/types.ts';
import { judge, needsGovern, trespassFindings } from '../policy/validate.ts';
import { carriesStampOver, hasAnnotations, saysNothingNew, stampOf } from './author.ts';
import { type Answer, allowed, denied, type PatchOperation } from './reply.ts';
import type { PolicyRequest, WriteRequest } from './review.ts';
import { NoAnswer } from './rights.ts';
import { type Bench, notYetKnown, resourceName } from './validate.ts';
import { warningParts } from './words.ts';

const STAMP_FIELD = `metadata.annotations[${AUTHORITY_ANNOTATION}]`;
/** RFC 6901 writes a slash as ~1. */
const STAMP_PATH = `/metadata/annotations/${AUTHORITY_ANNOTATION.replaceAll('/', '~1')}`;

/** What is wrong with a resource by itself shows beside no other. */
const NOTHING_ELSE = new PolicyCatalog();

/** The author's right; `null` with a sentence where nobody could say. */
type Right = { readonly mayGovern: boolean } | { readonly mayGovern: null; readonly why: string };

/**
 * Makes the defaults explicit and writes down on whose word the resource stands. What is wrong by itself is
 * refused here already, with everything there is to say of it: docs/adr/0003.
 */
export function mutate(request: PolicyRequest, bench: Bench, deadline: Instant): Answer | Promise<Answer> {
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed();
  if (saysNothingNew(request)) return allowed();
  const mayGovern = bench.rights.mayGovern(request.user, deadline);
  if (typeof mayGovern === 'boolean') return explicit(request, bench, { mayGovern });
  return rightOf(mayGovern).then((right) => explicit(request, bench, right));
}

function explicit(request: WriteRequest, bench: Bench, right: Right): Answer {
  const { resource, findings } = judge(request.object, NOTHING_ELSE);
  if (resource === null || hasErrors(findings)) return refuse(request, bench, right);
  const { operations, warnings } = stamping(request, right);
  return allowed([], { patch: [...defaultsPatch(request.object), ...operations], warnings });
}

/** @param answer of `Rights` */
export async function rightOf(answer: Promise<boolean> | boolean): Promise<Right> {
  try {
    return { mayGovern: await answer };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { mayGovern: null, why: error.message };
  }
}

/** Everything that validation would find as well, so that the author need not ask twice. */
function refuse(request: WriteRequest, bench: Bench, { mayGovern }: Right): Answer {
  const { object, user } = request;
  const catalog = bench.catalog();
  if (catalog === null) return notYetKnown();
  const word = mayGovern ? ({ authority: 'administrator' } as const) : {};
  const { resource, findings } = judge(object, catalog.policies(), word);
  const trespasses = mayGovern === false && needsGovern(object);
  const trespass = trespasses ? trespassFindings(object, user.username) : [];
  return denied(resourceName(request, resource), [...findings, ...trespass]);
}

interface Stamping {
  readonly operations: readonly PatchOperation[];
  readonly warnings: readonly string[];
}

/** A stamp that this author has put there himself is left for validation to refuse. */
export function stamping(
  request: WriteRequest,
  right: Right,
  noun: 'policy' | 'schedule' = 'policy',
): Stamping {
  const { object, user } = request;
  if (right.mayGovern === null) {
    const line = `${STAMP_FIELD}: not set, because ${right.why}; an administrator's ${noun} counts as the namespace's own until it is applied again`;
    return { operations: [], warnings: warningParts(line, STAMP_FIELD) };
  }
  if (right.mayGovern) {
    if (stampOf(object) === 'administrator') return { operations: [], warnings: [] };
    const operation: PatchOperation = hasAnnotations(object)
      ? { op: 'add', path: STAMP_PATH, value: 'administrator' }
      : { op: 'add', path: '/metadata/annotations', value: { [AUTHORITY_ANNOTATION]: 'administrator' } };
    return { operations: [operation], warnings: [] };
  }
  if (!carriesStampOver(request)) return { operations: [], warnings: [] };
  const line = `${STAMP_FIELD}: removed, because ${user.username} may not govern beyond the namespace; the ${noun} now counts as the namespace's own`;
  return { operations: [{ op: 'remove', path: STAMP_PATH }], warnings: warningParts(line, STAMP_FIELD) };
}
