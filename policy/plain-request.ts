/** A request as it came in, before anybody has made sense of its headers. */
export interface RawRequest {
  readonly httpVersion: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/**
 * What is not plain in a checkpoint request: what could be read in two ways, or by two readers differently, as bodies
 * and what announces one, upgrades, several credentials. Node's strict parser has refused two lengths, and a length
 * with chunks, before.
 *
 * @returns what is wrong, without a remedy; null for a plain request.
 */
export function faultInRequest({ httpVersion, rawHeaders }: RawRequest): string | null {
  if (httpVersion !== '1.1') return `HTTP/${httpVersion} is not spoken here`;
  const once = new Set<string>();
  for (const [name, value] of headersOf(rawHeaders)) {
    const fault = faultOf(name, value);
    if (fault !== null) return fault;
    if (!SINGLE.has(name)) continue;
    if (once.has(name)) return `there are several ${name} headers`;
    once.add(name);
  }
  return null;
}

/** Of which readers take the first, the last, or both. */
const SINGLE: ReadonlySet<string> = new Set(['authorization', 'content-length', 'host']);

function faultOf(name: string, value: string): string | null {
  switch (name) {
    case 'transfer-encoding':
      return 'a checkpoint request has no body, so it takes no Transfer-Encoding';
    case 'content-length':
      return value === '0' ? null : 'a checkpoint request has no body, so its Content-Length is 0';
    case 'upgrade':
    case 'http2-settings':
      return 'a connection cannot be upgraded here';
    case 'connection':
      return /\bupgrade\b/i.test(value) ? 'a connection cannot be upgraded here' : null;
    case 'expect':
      return 'Expect cannot be met';
    default:
      return null;
  }
}

function* headersOf(raw: readonly string[]): Generator<[name: string, value: string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    yield [(raw[index] ?? '').toLowerCase(), (raw[index + 1] ?? '').trim()];
  }
}
