import { counted } from './count.ts';
import { parseDuration } from './duration.ts';
import { type FindingCode, finding } from './findings.ts';
import { isObject, type JsonObject, own } from './json.ts';
import { parseQuantity, type Quantity } from './quantity.ts';
import type { Amount, Finding } from './types.ts';

/**
 * One mapping of the resource while it is read: values come out parsed, and what is wrong with them goes into
 * `findings`. Wrong types are skipped, because the structure's findings name them already.
 */
export interface Fields {
  readonly object: JsonObject;
  /** `spec.namespacePolicies[0]` */
  readonly path: string;
  readonly findings: Finding[];
}

const SMALLEST_SIZE = 1024n;
const SHORTEST_AGE_MS = 1_000;

export function sizeAt(fields: Fields, key: string): bigint | undefined {
  const value = own(fields.object, key);
  const isWritten = typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value));
  if (!isWritten) return undefined;
  const quantity = parseQuantity(value);
  const wrong = quantity === undefined ? notQuantity(value) : wrongSize(value, quantity);
  if (wrong === null) return quantity?.value;
  fields.findings.push(finding(wrong.code, `${fields.path}.${key}`, value, wrong.message, wrong.remedy));
  return undefined;
}

interface Wrong {
  readonly code: FindingCode;
  readonly message: string;
  readonly remedy: string;
}

function notQuantity(value: string | number): Wrong {
  if (typeof value === 'number') {
    const remedy = 'write it in quotes, or with a suffix: 500Mi';
    return { code: 'badQuantity', message: 'is too large to be read exactly', remedy };
  }
  return {
    code: 'badQuantity',
    message: 'is not a quantity as Kubernetes writes them',
    remedy: suffixHint(value) ?? 'write whole bytes or a quantity such as 500Mi, 2Gi, 1e9',
  };
}

/** What was probably meant by `10MB`, `10 Mi`, `10K` or `10mi`. */
function suffixHint(text: string): string | undefined {
  const match = /^(\d{1,20}(?:\.\d{1,20})?)\s*([kmgtpe])(i?)b?$/i.exec(text);
  if (match === null) return undefined;
  const [, number = '', letter = '', binary = ''] = match;
  const large = letter.toUpperCase();
  const suffix = binary !== '' ? `${large}i` : large === 'K' ? 'k' : large;
  return binary !== ''
    ? `did you mean ${number}${suffix}?`
    : `did you mean ${number}${suffix} or ${number}${large}i?`;
}

function wrongSize(value: string | number, { value: bytes, whole }: Quantity): Wrong | null {
  const leaveOut = 'leave the field out where nothing is to be limited';
  if (bytes < 0n) return { code: 'outOfRange', message: 'is negative', remedy: leaveOut };
  if (!whole) {
    const number = /^([\d.]+)m$/.exec(String(value))?.[1];
    const remedy =
      number === undefined
        ? 'write whole bytes'
        : `m means thousandths: did you mean ${number}M or ${number}Mi?`;
    return { code: 'badQuantity', message: 'is not a whole number of bytes', remedy };
  }
  if (bytes >= SMALLEST_SIZE) return null;
  if (bytes === 0n) {
    return {
      code: 'sizeTooSmall',
      message: 'is smaller than any archive and would delete all',
      remedy: leaveOut,
    };
  }
  const message = `is ${counted(Number(bytes), 'byte')}, smaller than any archive, and would delete all`;
  return { code: 'sizeTooSmall', message, remedy: `sizes are in bytes: did you mean ${bytes}Mi?` };
}

/** Milliseconds. */
export function durationAt(fields: Fields, key: string): number | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'string') return undefined;
  const ms = parseDuration(value);
  const wrong =
    ms === undefined ? notDuration(value, SHORT.has(key) ? 'm' : 'd') : ms < 0 ? NEGATIVE_DURATION : null;
  if (wrong === null) return ms;
  fields.findings.push(finding(wrong.code, `${fields.path}.${key}`, value, wrong.message, wrong.remedy));
  return undefined;
}

const NEGATIVE_DURATION: Wrong = {
  code: 'outOfRange',
  message: 'is negative',
  remedy: 'leave the field out where nothing is to be limited',
};

/** Fields whose durations are rather minutes than days. */
const SHORT = new Set(['interval', 'jitter', 'startingDeadline']);

function notDuration(value: string, unit: 'd' | 'm'): Wrong {
  if (/^\d{1,6}$/.test(value)) {
    return { code: 'badDuration', message: 'has no unit', remedy: `did you mean ${value}${unit}?` };
  }
  const message = 'is not a duration of at most 100 years';
  const remedy = 'write numbers with the units w, d, h, m and s: 40d, 30d12h, 90m';
  return { code: 'badDuration', message, remedy };
}

/** The age at which archives go, in milliseconds; one that would delete each archive at once is refused. */
export function ageAt(fields: Fields, key: string): number | undefined {
  const ms = durationAt(fields, key);
  if (ms === undefined || ms >= SHORTEST_AGE_MS) return ms;
  fields.findings.push(
    finding(
      'outOfRange',
      `${fields.path}.${key}`,
      own(fields.object, key),
      'is under a second and would delete every archive at once',
      'leave the field out where age is not to be limited, or write for example 40d',
    ),
  );
  return undefined;
}

/** A count; 0 is told and reads as absent, because it is not enforced. @param insteadOfZero what to do about a 0 */
export function countAt(fields: Fields, key: string, insteadOfZero: string): number | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return undefined;
  if (value > 0) return value;
  fields.findings.push(
    finding(
      'zeroNotEnforced',
      `${fields.path}.${key}`,
      value,
      'is not enforced and limits nothing',
      insteadOfZero,
    ),
  );
  return undefined;
}

export function choiceAt<T extends string>(
  fields: Fields,
  key: string,
  choices: readonly T[],
): T | undefined {
  const value = own(fields.object, key);
  for (const choice of choices) if (choice === value) return choice;
  return undefined;
}

export function booleanAt(fields: Fields, key: string): boolean | undefined {
  const value = own(fields.object, key);
  return typeof value === 'boolean' ? value : undefined;
}

/** A percentage as a part of one. */
export function shareAt(fields: Fields, key: string): number | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'string') return undefined;
  const share = parseShare(value);
  if (share === undefined) {
    const remedy = /^\d{1,2}(\.\d{1,6})?$/.test(value)
      ? `did you mean ${value}%?`
      : 'write a percentage such as 85%';
    fields.findings.push(
      finding('badShare', `${fields.path}.${key}`, value, 'is not a percentage from 0% to 100%', remedy),
    );
  }
  return share;
}

/** A percentage, or a quantity of whole units. */
export function amountAt(fields: Fields, key: string): Amount | undefined {
  const value = own(fields.object, key);
  if (typeof value === 'string' && value.endsWith('%')) {
    const share = shareAt(fields, key);
    return share === undefined ? undefined : { share };
  }
  const isWritten = typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value));
  if (!isWritten) return undefined;
  const quantity = parseQuantity(value);
  if (quantity?.whole && quantity.value >= 0n) return { absolute: quantity.value };
  const wrong = typeof value === 'number' && quantity === undefined ? notQuantity(value) : NOT_AMOUNT;
  fields.findings.push(finding(wrong.code, `${fields.path}.${key}`, value, wrong.message, wrong.remedy));
  return undefined;
}

const NOT_AMOUNT: Wrong = {
  code: 'badQuantity',
  message: 'is neither a percentage nor a whole quantity',
  remedy: 'write for example 10% or 50Gi',
};

function parseShare(text: string): number | undefined {
  if (text.length > 16) return undefined;
  const match = /^((?:100|\d{1,2})(?:\.\d+)?)%$/.exec(text);
  if (match === null) return undefined;
  const share = Number(match[1]) / 100;
  return share <= 1 ? share : undefined;
}

const [HYPHEN, DOT, ZERO, NINE, SMALL_A, SMALL_Z] = [0x2d, 0x2e, 0x30, 0x39, 0x61, 0x7a] as const;

/** RFC 1123 label, as namespaces and containers are named. */
export function isLabel(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 63 && isName(name, false);
}

/** RFC 1123 subdomain, as pods are named. */
export function isSubdomain(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 253 && isName(name, true);
}

/** Small letters, digits and hyphens, no hyphen at an end; by hand, for an expression takes five times as long. */
function isName(name: string, withDots: boolean): boolean {
  /** Of the character before: none of the name's part has come yet, a hyphen, or what may stand at the end. */
  let before: 'none' | 'hyphen' | 'sound' = 'none';
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if ((code >= SMALL_A && code <= SMALL_Z) || (code >= ZERO && code <= NINE)) before = 'sound';
    else if (code === HYPHEN && before !== 'none') before = 'hyphen';
    else if (code === DOT && withDots && before === 'sound') before = 'none';
    else return false;
  }
  return before === 'sound';
}

/** The mapping under a key; undefined where there is none. */
export function childFields(fields: Fields, key: string): Fields | undefined {
  const object = own(fields.object, key);
  return isObject(object) ? { object, path: `${fields.path}.${key}`, findings: fields.findings } : undefined;
}
