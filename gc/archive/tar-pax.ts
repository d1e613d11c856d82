/** What a pax extended header says of the entry behind it, as far as it matters here. */
export interface PaxFields {
  readonly size: number | null;
  readonly path: string | null;
}

/**
 * Reads the records of a pax extended header (`30 mtime=1350244992.023960108\n`); null when one is malformed,
 * or says what this reader does not follow: a sparse file is not as long as it says.
 */
export function parsePax(body: string): PaxFields | null {
  let size: number | null = null;
  let path: string | null = null;
  for (let at = 0; at < body.length; ) {
    const record = recordAt(body, at);
    if (record === null || record.key.startsWith('GNU.sparse.')) return null;
    if (record.key === 'size') {
      size = decimal(record.value);
      if (size === null) return null;
    }
    if (record.key === 'path') {
      path = record.value;
      if (path === '' || path.includes('\0')) return null;
    }
    at = record.end;
  }
  return { size, path };
}

/** `body` is latin1, so that lengths, which count bytes, count its characters too. */
function recordAt(body: string, at: number): { key: string; value: string; end: number } | null {
  const length = /^([1-9]\d{0,8}) /.exec(body.slice(at, at + 10))?.[1];
  if (length === undefined) return null;
  const end = at + Number(length);
  const keyAt = at + length.length + 1;
  const equals = body.indexOf('=', keyAt);
  if (end > body.length || body[end - 1] !== '\n' || equals <= keyAt || equals >= end) return null;
  return { key: body.slice(keyAt, equals), value: body.slice(equals + 1, end - 1), end };
}

function decimal(value: string): number | null {
  if (!/^\d{1,16}$/.test(value)) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : null;
}
