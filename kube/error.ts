import { isObject, own, text } from '../policy/json.ts';

/** What a `Status` of the API server says beside its message. */
export interface StatusDetails {
  /** `NotFound`, `Forbidden`, `Expired`; empty where the answer was no `Status`. */
  readonly reason: string;
  /** Resource and name that it is about: `pods`, `cart`. */
  readonly kind: string;
  readonly name: string;
}

/** A call of the API server that failed: an answer other than 2xx, or none. */
export class KubeError extends Error {
  /** HTTP status; null when there was no answer, which proves nothing at all. */
  readonly status: number | null;
  /** Null where the answer was not the API server's own `Status`, a proxy's page for instance. */
  readonly details: StatusDetails | null;

  constructor(
    message: string,
    { status = null, details = null, cause }: Partial<Pick<KubeError, 'status' | 'details' | 'cause'>> = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'KubeError';
    this.status = status;
    this.details = details;
  }
}

/** A `Status` object of the API server as an error; null for anything else. */
export function statusError(what: string, body: unknown, httpStatus?: number): KubeError | null {
  if (!isObject(body) || own(body, 'kind') !== 'Status' || own(body, 'apiVersion') !== 'v1') return null;
  const code = own(body, 'code');
  const status = httpStatus ?? (typeof code === 'number' ? code : null);
  const about = own(body, 'details');
  const details = {
    reason: text(own(body, 'reason')),
    kind: isObject(about) ? text(own(about, 'kind')) : '',
    name: isObject(about) ? text(own(about, 'name')) : '',
  };
  const message = text(own(body, 'message')) || details.reason || 'no reason given';
  return new KubeError(`${what} was answered ${status ?? 'without a status'}: ${message}`, {
    status,
    details,
  });
}
