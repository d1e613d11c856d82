import type { Refusal } from './refusal.ts';

/** An answer of the door, before it has a connection. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const JSON_TYPE = { 'content-type': 'application/json' } as const;

/**
 * As the kubelet writes it, and what was expected of the archive beside it.
 * @param item the archive's path.
 */
export function succeeded(item: string, grounds: string | undefined): Reply {
  const headers = { ...JSON_TYPE, ...(grounds !== undefined && { 'checkpoint-warden-expected': grounds }) };
  return { status: 200, headers, body: JSON.stringify({ items: [item] }) };
}

/** A verdict on a checkpoint that nobody has asked for yet: its grounds, or what would stand in the way. */
export function verdictReply(result: string | Refusal): Reply {
  if (typeof result === 'string') {
    return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ allowed: true, grounds: result }) };
  }
  const { status, code, message, fields } = result;
  const { retryAfterSeconds } = fields;
  const verdict = {
    allowed: false,
    ...{ status, code, message },
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
  return { status: 200, headers: JSON_TYPE, body: JSON.stringify(verdict) };
}

/** A refusal as its caller gets it. */
export function refused({ status, code, message, fields }: Refusal): Reply {
  const { retryAfterSeconds, allow } = fields;
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'checkpoint-warden-refusal': code,
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(allow !== undefined && { allow }),
      // What could be read in two ways must not be read on, and nobody unknown keeps a connection.
      ...((status === 400 || status === 401) && { connection: 'close' }),
    },
    body: `${message}\n`,
  };
}
