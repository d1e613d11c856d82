import { canonicalJson, type JsonObject } from './json.ts';

/** The spec until its text is asked for, and then the text. */
interface Unsaid {
  spec: JsonObject | null;
  text: string;
}

const UNSAID = Symbol('unsaid');

/**
 * One for all resources: V8 makes a hidden class of its own for each object with a getter of its own, and its collector
 * then takes ten times as long over the young generation.
 */
const CANONICAL: PropertyDescriptor = {
  enumerable: true,
  configurable: true,
  get(this: { readonly [UNSAID]: Unsaid }): string {
    const unsaid = this[UNSAID];
    if (unsaid.spec !== null) unsaid.text = canonicalJson(unsaid.spec);
    unsaid.spec = null;
    return unsaid.text;
  },
};

/**
 * Gives a resource its `canonicalSpec`, worked out when first asked for: most reviews never do. The spec is let go then.
 * A copy by `{...resource}` asks for it.
 */
export function withCanonicalSpec<T extends object>(
  resource: T,
  spec: JsonObject,
): T & { readonly canonicalSpec: string } {
  const unsaid: Unsaid = { spec, text: '' };
  Object.defineProperty(resource, UNSAID, { value: unsaid });
  Object.defineProperty(resource, 'canonicalSpec', CANONICAL);
  return resource as T & { readonly canonicalSpec: string };
}
