const KEY = Buffer.from('"managedFields":[');
const METADATA = Buffer.from('"metadata":{');
/** A review has them twice at most; each look costs what stands before it. */
const MOST_TRIES = 4;
const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [
  0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
] as const;

/**
 * The JSON of a review without the API server's notes on who wrote which field (`metadata.managedFields`), of which an
 * empty list stays. They are half of a review, and nothing here reads them. Their keys hold names of pods and
 * containers: read as JSON, each costs V8 a hidden class and a text that last until its next full collection.
 *
 * Only what stands as the API server writes it, without blanks, is left out; all else stays as it is. Nothing else
 * in the text changes, so what was not JSON before is none behind it, but for faults within the notes.
 * @param body UTF-8, in which no part of another character looks like a sign of JSON
 */
export function withoutManagedFields(body: Buffer): string {
  let kept = '';
  let from = 0;
  let at = body.indexOf(KEY);
  for (let tries = 0; at >= 0 && tries < MOST_TRIES; tries += 1) {
    const list = at + KEY.length - 1;
    const end = isOfMetadata(body, at, from) ? endOfList(body, list) : null;
    if (end !== null) {
      kept += `${body.toString('utf8', from, list)}[]`;
      from = end;
    }
    at = body.indexOf(KEY, end ?? list);
  }
  return kept + body.toString('utf8', from, body.length);
}

/** Whether the key stands in a mapping called `metadata` itself. @param from where to stop looking back */
function isOfMetadata(body: Buffer, at: number, from: number): boolean {
  const before = body[at - 1];
  if (before !== COMMA && before !== OPEN_MAP) return false;
  const metadata = body.lastIndexOf(METADATA, at);
  if (metadata < from) return false;
  let depth = 0;
  for (let index = metadata + METADATA.length - 1; index < at; index += 1) {
    const code = body[index];
    if (code === QUOTE) index = endOfText(body, index);
    else if (code === OPEN_MAP || code === OPEN_LIST) depth += 1;
    else if (code === CLOSE_MAP || code === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) return false;
    }
  }
  return depth === 1;
}

/** The index behind a list; null where it does not end. */
function endOfList(body: Buffer, start: number): number | null {
  let depth = 0;
  for (let index = start; index < body.length; index += 1) {
    const code = body[index];
    if (code === QUOTE) index = endOfText(body, index);
    else if (code === OPEN_LIST || code === OPEN_MAP) depth += 1;
    else if (code === CLOSE_LIST || code === CLOSE_MAP) {
      depth -= 1;
      if (depth === 0) return code === CLOSE_LIST ? index + 1 : null;
    }
  }
  return null;
}

/** The index of the quotation mark that ends the text that begins at `start`; the length where none does. */
function endOfText(body: Buffer, start: number): number {
  let index = start + 1;
  while (index < body.length) {
    const code = body[index];
    if (code === QUOTE) break;
    index += code === BACKSLASH ? 2 : 1;
  }
  return index;
}
