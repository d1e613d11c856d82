/** A JSON object from outside, before its fields have been looked at. */
export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own property; what the prototype has (`constructor`, `__proto__`) is absent. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Levels of nesting that a document may have; the schema needs 6. */
const DEEPEST = 100;
/** Values in a document: the API server takes at most 3 MiB, and a value and its comma are two bytes. */
const MOST_VALUES = 2_000_000;

/** True for what is too deep or too large to be walked through safely, and for what holds itself. */
export function isUnwieldy(value: unknown): boolean {
  return countValues(value, 0, 0) > MOST_VALUES;
}

/** Values within a value, added to those so far; more than `MOST_VALUES` as soon as it is too deep or too large. */
function countValues(value: unknown, depth: number, sofar: number): number {
  if (typeof value !== 'object' || value === null) return sofar;
  if (depth > DEEPEST) return MOST_VALUES + 1;
  let values = sofar;
  if (Array.isArray(value)) {
    values += value.length;
    for (let index = 0; index < value.length && values <= MOST_VALUES; index += 1) {
      values = countValues(value[index], depth + 1, values);
    }
  } else if (isObject(value)) {
    for (const key in value) {
      if (values > MOST_VALUES) break;
      const child = value[key];
      values += 1;
      if (typeof child === 'object' && Object.hasOwn(value, key))
        values = countValues(child, depth + 1, values);
    }
  }
  return values;
}

/** JSON with sorted keys, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'bigint') return value.toString();
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${fields.join(',')}}`;
}

/** What a text says in JSON; null where it is none. */
export function fromJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** The text, or nothing. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The mapping, or an empty one. */
export function fieldsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
