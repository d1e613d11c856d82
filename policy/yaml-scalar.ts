const NAMED: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, false] as const,
  ),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
]);

const OTHER_BASE = /^([-+]?)0(?:([xX])([\da-fA-F]+)|([bB])([01]+)|([oO]?)([0-7]+))$/;
const FLOAT = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/;

/**
 * An unquoted scalar as kubectl's YAML reader takes it: YAML 1.1's `yes` and `off` are booleans, `0755` and `0x1f`
 * whole numbers, `1_000` a thousand, dates and `1:30` text. A number beyond 2^53 loses precision as it does on its
 * way through the API server, so that both refuse it; what is beyond floating point is text.
 * Source: go.yaml.in/yaml/v2, resolve.go.
 */
export function plainScalar(source: string): string | number | boolean | null {
  const named = NAMED.get(source);
  if (named !== undefined) return named;
  if (!/^[-+.\d]/.test(source)) return source;
  const digits = source.startsWith('.') ? source : source.replaceAll('_', '');
  const other = OTHER_BASE.exec(digits);
  if (other !== null) {
    const [, sign, hex, hexDigits, binary, binaryDigits, , octalDigits] = other;
    const text = hex ? `0x${hexDigits}` : binary ? `0b${binaryDigits}` : `0o${octalDigits}`;
    const value = Number(text);
    // Of more than 64 bits only decimal numbers are known.
    if (value < 2 ** 64) return sign === '-' ? -value : value;
  }
  if (!FLOAT.test(digits)) return source;
  const value = Number(digits);
  return Number.isFinite(value) ? value : source;
}
