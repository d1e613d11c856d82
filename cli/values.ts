import { isIP } from 'node:net';
import { isAbsolute, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../policy/duration.ts';
import { parseQuantity } from '../policy/quantity.ts';
import type { Instant } from '../policy/types.ts';

/** Where a server listens or is scraped. */
export interface Address {
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
}

export function nonEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

/** An absolute path, without a trailing slash. */
export function path(text: string): string {
  const given = nonEmpty(text);
  if (given.includes('\0')) throw new InvalidArgumentError('A path has no NUL in it.');
  return isAbsolute(given) ? resolve('/', given) : resolve(given);
}

const ADDRESS = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/;

/** `127.0.0.1:9090`, `[::1]:9090`, `:9090` for all addresses. */
export function address(text: string): Address {
  const match = ADDRESS.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('Write ADDRESS:PORT, for example 0.0.0.0:9443.');
  }
  return { host: match[1] ?? (match[2] || '::'), port };
}

/** `https://10.1.2.3:10250`: nothing but a server. */
export function tlsUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' || url.origin !== text.replace(/\/$/, '').toLowerCase()) {
    throw new InvalidArgumentError('Write https://ADDRESS:PORT, for example https://10.1.2.3:10250.');
  }
  return url.origin;
}

/** As `tlsUrl`, or an address alone, as the downward API gives it: `10.1.2.3`, `fd00::1`. */
export function kubeletUrl(text: string): string {
  if (isIP(text) === 0) return tlsUrl(text);
  return tlsUrl(`https://${isIP(text) === 6 ? `[${text}]` : text}:10250`);
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A moment in RFC 3339. `Date.parse` alone would take `1` for the year 2001. */
export function instant(text: string): Instant {
  const parsed = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(parsed)) {
    throw new InvalidArgumentError('Write a time as RFC 3339 does, for example 2026-11-21T12:00:00Z.');
  }
  return parsed;
}

/** Names separated by commas. */
export function names(text: string): readonly string[] {
  const all = text.split(',').map((each) => each.trim());
  if (all.includes(''))
    throw new InvalidArgumentError('Write names separated by commas: warden.svc,localhost.');
  return all;
}

/** Milliseconds, more than none. */
export function duration(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === undefined || parsed <= 0) {
    throw new InvalidArgumentError('Write a duration with its unit, for example 30s, 5m or 1h.');
  }
  return parsed;
}

/** Bytes as policies write them, more than none: `10Mi`. */
export function bytes(text: string): number {
  const parsed = Number(parseQuantity(text)?.value ?? 0n);
  if (parsed < 1024 || !Number.isSafeInteger(parsed)) {
    throw new InvalidArgumentError('Write a size of at least 1Ki, for example 10Mi.');
  }
  return parsed;
}

/** A whole number, 0 to 1,000,000. */
export function count(text: string): number {
  const parsed = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(parsed <= 1_000_000)) throw new InvalidArgumentError('Write a whole number, for example 10.');
  return parsed;
}
