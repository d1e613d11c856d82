import { STATUS_CODES } from '../../../observe/http.ts';
import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';

/** `metav1.Status` reasons by HTTP status, as the API server gives them. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

export interface ApiErrorFields {
  readonly name?: string;
  readonly uid?: string;
  readonly retryAfterSeconds?: number;
  /** What of an object is wrong: `spec.podName`, and why; all that kubectl shows of an invalid one. */
  readonly invalid?: { readonly field: string; readonly message: string };
  /** The door's or the gateway's word for it. */
  readonly code?: string;
  /** For the log alone. */
  readonly cause?: unknown;
}

/** An answer of the aggregated API that is no success; its message goes to the caller. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status. */
  readonly status: number;
  readonly fields: ApiErrorFields;

  constructor(status: number, message: string, fields: ApiErrorFields = {}) {
    super(message, fields.cause === undefined ? {} : { cause: fields.cause });
    this.status = status;
    this.fields = fields;
  }

  static notFound(name: string): ApiError {
    const { plural, group } = CHECKPOINT_API;
    return new ApiError(404, `${plural}.${group} "${name}" not found`, { name });
  }

  static invalid(field: string, message: string, name = ''): ApiError {
    const { kind, group } = CHECKPOINT_API;
    const whole = `${kind}.${group} ${JSON.stringify(name)} is invalid: ${field}: ${message}`;
    return new ApiError(422, whole, { name, invalid: { field, message } });
  }
}

/** A `metav1.Status`, as every client of Kubernetes reads it. */
export function statusObject({ status, message, fields }: ApiError): object {
  const { name, uid, retryAfterSeconds, invalid } = fields;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason: REASONS[status] ?? (STATUS_CODES[status] ?? 'Unknown').replaceAll(' ', ''),
    details: {
      ...(name !== undefined && { name }),
      group: CHECKPOINT_API.group,
      kind: CHECKPOINT_API.plural,
      ...(uid !== undefined && { uid }),
      ...(invalid && { causes: [{ reason: 'FieldValueInvalid', ...invalid }] }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    },
    code: status,
  };
}
