import { remembered } from './remembered.ts';

/** A Kubernetes quantity, exact. */
export interface Quantity {
  /** Whole units, rounded away from zero as Kubernetes' `Value()` does. */
  readonly value: bigint;
  /** False when rounding took place: `100m` is a tenth of a unit. */
  readonly whole: boolean;
}

const GRAMMAR = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:([eE])([+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$/;
/** As nearly everybody writes sizes; the grammar takes three times as long. */
const PLAIN = /^(\d{1,12})([KMGT]i)?$/;
const POWER: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const BINARY: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
/** Kubernetes cuts binary quantities to it, and its decimal ones overflow beyond; no file is larger. */
const LARGEST = 2n ** 63n - 1n;
/** Beyond this many decimal places up or down every number is 0 or `LARGEST`; also a bound on the work. */
const MOST_DIGITS = 64;

/**
 * Parses a quantity as Kubernetes does: `10Mi`, `1.5G`, `1e3`, `.5Ki`, a JSON integer.
 * Source: k8s.io/apimachinery/pkg/api/resource, "The serialization format".
 * @returns undefined for what is none, and for a number that JSON could not carry exactly.
 */
export function parseQuantity(input: unknown): Quantity | undefined {
  if (typeof input === 'number') {
    return Number.isSafeInteger(input) ? { value: BigInt(input), whole: true } : undefined;
  }
  if (typeof input === 'bigint') return { value: cut(input), whole: true };
  return typeof input === 'string' && input.length <= MOST_DIGITS ? parseText(input) : undefined;
}

const parseText = remembered((input: string): Quantity | undefined => {
  const plain = PLAIN.exec(input);
  if (plain !== null) {
    // Twelve digits and a power of two: exact as a number.
    const [, digits, suffix = ''] = plain;
    return { value: cut(BigInt(Number(digits) * (POWER[suffix] ?? 1))), whole: true };
  }
  const match = GRAMMAR.exec(input);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', bareFraction = '', marker, exponent = '0', suffix = ''] = match;
  const decimals = fraction + bareFraction;
  const digits = BigInt(whole + decimals);
  const shift = (marker === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent)) - decimals.length;
  if (digits === 0n) return { value: 0n, whole: true };
  if (shift > MOST_DIGITS) return signed(sign, LARGEST, true);
  if (shift < -2 * MOST_DIGITS) return signed(sign, 1n, false);
  const scaled = (digits << (BINARY[suffix] ?? 0n)) * 10n ** BigInt(Math.max(shift, 0));
  const divisor = 10n ** BigInt(Math.max(-shift, 0));
  const isWhole = scaled % divisor === 0n;
  return signed(sign, scaled / divisor + (isWhole ? 0n : 1n), isWhole);
});

function signed(sign: string | undefined, magnitude: bigint, whole: boolean): Quantity {
  return { value: cut(sign === '-' ? -magnitude : magnitude), whole };
}

function cut(value: bigint): bigint {
  if (value > LARGEST) return LARGEST;
  return value < -LARGEST ? -LARGEST : value;
}

const UNITS = ['B', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;

/** Bytes for people, in the suffixes that policies are written in, rounded: `27.5Ki`, `10Mi`, `512B`. */
export function formatBytes(bytes: number | bigint): string {
  let rest = Number(bytes);
  let unit = 0;
  while (Math.abs(rest) >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  const text = rest >= 100 || Number.isInteger(rest) ? rest.toFixed(0) : rest.toFixed(1).replace(/\.0$/, '');
  return `${text}${UNITS[unit]}`;
}

const EXACT: readonly (readonly [string, bigint])[] = [
  ...['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'].map(
    (suffix, index) => [suffix, 1024n ** BigInt(6 - index)] as const,
  ),
  ...['E', 'P', 'T', 'G', 'M', 'k'].map((suffix, index) => [suffix, 1000n ** BigInt(6 - index)] as const),
];

/** Bytes as they can be written into a policy, to the byte: `10Mi`, `1500M`, `1234`. */
export function exactQuantity(bytes: bigint): string {
  const unit = EXACT.find(([, size]) => bytes !== 0n && bytes % size === 0n);
  return unit === undefined ? bytes.toString() : `${bytes / unit[1]}${unit[0]}`;
}
