import { ApiError } from './api-error.ts';
import type { IncludeObject } from './table.ts';

/** In which form a client wants objects. */
export type Form =
  | { readonly kind: 'Object' }
  | { readonly kind: 'Metadata' }
  | { readonly kind: 'Table'; readonly include: IncludeObject };

/**
 * The first form of an Accept header that is served: JSON as it is, as a `Table`, or as metadata alone. Weights are
 * not looked at; Kubernetes clients write the best first. @throws ApiError 406
 */
export function formOf(accept: string | undefined, includeObject: string | null): Form {
  if (accept === undefined || accept.trim() === '') return { kind: 'Object' };
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((each) => each.trim().toLowerCase());
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    const values = new Map(parameters.map((each) => [each.split('=')[0] ?? '', each.split('=')[1] ?? '']));
    const as = values.get('as');
    if (as === undefined) return { kind: 'Object' };
    if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') continue;
    if (as === 'table') return { kind: 'Table', include: includeOf(includeObject) };
    if (as === 'partialobjectmetadata' || as === 'partialobjectmetadatalist') return { kind: 'Metadata' };
  }
  throw new ApiError(406, `none of ${JSON.stringify(accept)} is served; accept application/json`);
}

function includeOf(value: string | null): IncludeObject {
  switch (value) {
    case null:
    case '':
    case 'Metadata':
      return 'Metadata';
    case 'None':
    case 'Object':
      return value;
    default:
      throw new ApiError(400, `includeObject=${JSON.stringify(value)} is none of None, Metadata and Object`);
  }
}
