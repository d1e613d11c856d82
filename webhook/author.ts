import { isDeepStrictEqual } from 'node:util';
import { confirmedDigests } from '../policy/authority.ts';
import { finding } from '../policy/findings.ts';
import { fieldsOf, isObject, type JsonObject, own } from '../policy/json.ts';
import { AUTHORITY_ANNOTATION, CONFIRM_ANNOTATION } from '../policy/schema.ts';
import type { Finding } from '../policy/types.ts';
import type { WriteRequest } from './review.ts';

/** The annotation by which the webhook remembers that an author holds `govern`. */
export function stampOf(document: JsonObject | null): unknown {
  const metadata = fieldsOf(document === null ? undefined : own(document, 'metadata'));
  return own(fieldsOf(own(metadata, 'annotations')), AUTHORITY_ANNOTATION);
}

/**
 * True for a change that says nothing new about policies: of labels, finalizers, other annotations. It passes
 * whoever makes it, so that even a resource from before the webhook's time can be finalized; see `confirmsAnew`.
 */
export function saysNothingNew(request: WriteRequest): boolean {
  const { object, oldObject } = request;
  if (oldObject === null) return false;
  return (
    stampOf(object) === stampOf(oldObject) && isDeepStrictEqual(own(object, 'spec'), own(oldObject, 'spec'))
  );
}

/**
 * True for a change that lets the circuit breaker of a resource that is there pass a plan it was not told of: of an
 * administrator's resource that is as good as a change of its spec. To take a confirmation back is not.
 */
export function confirmsAnew({ object, oldObject }: WriteRequest): boolean {
  if (oldObject === null) return false;
  const before = new Set(confirmedDigests(oldObject));
  return confirmedDigests(object).some((digest) => !before.has(digest));
}

/** What an author without the verb `govern` is told who confirms a plan of an administrator's resource. */
export function confirmFinding(user: string): Finding {
  return finding(
    'notYours',
    `metadata.annotations[${CONFIRM_ANNOTATION}]`,
    undefined,
    `lets an administrator's policy delete what its circuit breaker holds back, and ${user} may not govern there`,
    'leave the annotation as it is, and ask somebody with the verb govern on checkpointrestoreoperators.criu.org to confirm',
  );
}

/** True where the annotation was there before this request, so that this author did not write it. */
export function carriesStampOver(request: WriteRequest): boolean {
  const stamp = stampOf(request.object);
  return stamp !== undefined && stamp === stampOf(request.oldObject);
}

/** True where the annotations are there to add one to. */
export function hasAnnotations(document: JsonObject): boolean {
  return isObject(own(fieldsOf(own(document, 'metadata')), 'annotations'));
}
