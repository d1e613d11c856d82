import { remembered } from './remembered.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)/y;
/** A hundred years: beyond it a date computed from `now` stops being useful, and a typing error is likely. */
const LONGEST_MS = 36_525 * 86_400_000;

/**
 * Parses `40d`, `30d12h`, `1w`, and whatever Go's `time.ParseDuration` takes.
 * @returns milliseconds, -LONGEST to LONGEST (a hundred years); undefined for what is no duration.
 */
export function parseDuration(input: unknown): number | undefined {
  if (typeof input !== 'string' || input.length === 0 || input.length > 64) return undefined;
  return parseText(input);
}

const parseText = remembered((input: string): number | undefined => {
  const negative = input.startsWith('-');
  const text = /^[+-]/.test(input) ? input.slice(1) : input;
  if (text === '0') return 0;
  let total = 0;
  let position = 0;
  while (position < text.length) {
    PART.lastIndex = position;
    const part = PART.exec(text);
    if (part === null) return undefined;
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? Number.NaN);
    position = PART.lastIndex;
  }
  if (text.length === 0 || !(total <= LONGEST_MS)) return undefined;
  return negative ? -total : total;
});

const STEPS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

/** Milliseconds for people, the two largest units: `40d`, `30d12h`, `1m30s`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.abs(ms);
  if (rest < 1_000) return rest === 0 ? '0s' : `${Math.round(rest)}ms`;
  const parts: string[] = [];
  for (const [unit, size] of STEPS) {
    const count = Math.floor(rest / size);
    if (count === 0) {
      if (parts.length > 0) break;
      continue;
    }
    parts.push(`${count}${unit}`);
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return (ms < 0 ? '-' : '') + parts.join('');
}

/** Milliseconds as they can be written into a policy, rounded up to a whole one: `1d2h3m4s5ms`. */
export function exactDuration(ms: number): string {
  let rest = Math.ceil(Math.max(0, ms));
  if (rest === 0) return '0s';
  const parts: string[] = [];
  for (const [unit, size] of [...STEPS, ['ms', 1] as const]) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.join('');
}
