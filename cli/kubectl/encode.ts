import { stringify } from 'yaml';

/** A value for programs, in the form that was asked for. */
export function encode(value: unknown, format: 'json' | 'yaml'): string {
  // Long texts are not folded, as kubectl does not.
  return format === 'json' ? `${JSON.stringify(value, null, 4)}\n` : stringify(value, { lineWidth: 0 });
}
