import { fieldsOf, type JsonObject, own, text } from './json.ts';
import { NARROW_KEYS } from './rules.ts';
import { AUTHORITY_ANNOTATION, CONFIRM_ANNOTATION } from './schema.ts';
import type { Authority } from './types.ts';

/**
 * A resource that speaks beyond its own namespace was admitted because its author holds `govern`; for one that
 * does not, the webhook's annotation tells.
 */
export function authorityOf(document: JsonObject): Authority {
  const metadata = fieldsOf(own(document, 'metadata'));
  const stamp = own(fieldsOf(own(metadata, 'annotations')), AUTHORITY_ANNOTATION);
  return stamp === 'administrator' || fieldsBeyondNamespace(document).length > 0 ? 'administrator' : 'tenant';
}

/** The digests of plans that the circuit breaker may let through, from the resource's annotation. */
export function confirmedDigests(document: JsonObject): string[] {
  const annotations = fieldsOf(own(fieldsOf(own(document, 'metadata')), 'annotations'));
  const confirmed = text(own(annotations, CONFIRM_ANNOTATION));
  return confirmed === '' ? [] : confirmed.split(/[\s,]+/).filter(Boolean);
}

/** The fields of a resource that reach beyond its own namespace: to write them takes the verb `govern`. */
export function fieldsBeyondNamespace(document: JsonObject): string[] {
  const namespace = text(own(fieldsOf(own(document, 'metadata')), 'namespace')) || 'default';
  const spec = fieldsOf(own(document, 'spec'));
  const beyond: string[] = [];
  for (const key of ['globalPolicy', 'unidentified']) {
    if (own(spec, key) !== undefined) beyond.push(`spec.${key}`);
  }
  for (const key of NARROW_KEYS) {
    const entries = own(spec, key);
    if (!Array.isArray(entries)) continue;
    for (let index = 0; index < entries.length; index += 1) {
      const named = own(fieldsOf(entries[index]), 'namespace');
      if (named !== namespace) beyond.push(`spec.${key}[${index}].namespace`);
    }
  }
  return beyond;
}
