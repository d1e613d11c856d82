import { isObject } from '../../policy/json.ts';

/** A small RFC 6902: `add`, `replace` and `remove` of mappings and lists, strict about what must be there. */
export function applyPatch(document: unknown, patch: string | undefined): unknown {
  const copy = structuredClone(document);
  if (patch === undefined) return copy;
  const operations: { op: string; path: string; value?: unknown }[] = JSON.parse(
    Buffer.from(patch, 'base64').toString('utf8'),
  );
  for (const { op, path, value } of operations) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((at, key) => {
      if (Array.isArray(at)) return at[Number(key)];
      if (!isObject(at) || !Object.hasOwn(at, key)) throw new Error(`${op} ${path}: no ${key}`);
      return at[key];
    }, copy);
    if (!isObject(parent)) throw new Error(`${op} ${path}: the parent is no mapping`);
    if (op !== 'add' && !Object.hasOwn(parent, last)) throw new Error(`${op} ${path}: it is not there`);
    const mutable = parent as Record<string, unknown>;
    if (op === 'remove') delete mutable[last];
    else mutable[last] = value;
  }
  return copy;
}
