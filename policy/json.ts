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
  let level: unknown[] = [value];
  let values = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: unknown[] = [];
    for (const each of level) {
      if (typeof each !== 'object' || each === null) continue;
      for (const child of Array.isArray(each) ? each : Object.values(each)) next.push(child);
      if (values + next.length > MOST_VALUES) return true;
    }
    if (depth > DEEPEST) return true;
    values += next.length;
    level = next;
  }
  return false;
}

/** A copy whose mappings and lists can be changed without changing the original. */
export function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyJson(each)]));
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

/** The text, or nothing. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The mapping, or an empty one. */
export function fieldsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
