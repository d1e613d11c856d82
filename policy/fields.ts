import { parseDuration } from './duration.ts';
import { finding } from './findings.ts';
import { isObject, type JsonObject, own } from './json.ts';
import { formatBytes, parseQuantity } from './quantity.ts';
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

export function sizeAt(fields: Fields, key: string): bigint | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const at = `${fields.path}.${key}`;
  const quantity = parseQuantity(value);
  if (quantity === undefined) {
    const remedy = /^\d+(\.\d+)?\s*[kmgtp]i?b$/i.test(String(value))
      ? `leave out the B: ${String(value).replace(/\s*b$/i, '')}`
      : 'write whole bytes or a quantity such as 500Mi, 2Gi, 1e9';
    fields.findings.push(finding('badQuantity', at, value, 'is not a Kubernetes quantity', remedy));
    return undefined;
  }
  if (quantity.value < 0n) {
    fields.findings.push(
      finding('outOfRange', at, value, 'is negative', 'leave the field out where nothing is to be limited'),
    );
    return undefined;
  }
  if (!quantity.whole) {
    const text = String(value);
    const mega = text.endsWith('m')
      ? `did you mean ${text.slice(0, -1)}M or ${text.slice(0, -1)}Mi?`
      : 'write whole bytes';
    fields.findings.push(finding('badQuantity', at, value, 'is a fraction of a byte', mega));
    return undefined;
  }
  if (quantity.value < SMALLEST_SIZE) {
    const means = `is ${formatBytes(quantity.value).replace(/B$/, ' bytes')}, smaller than any archive`;
    const remedy =
      quantity.value === 0n
        ? 'leave the field out where nothing is to be limited'
        : `sizes are in bytes: did you mean ${quantity.value}Mi?`;
    fields.findings.push(finding('sizeTooSmall', at, value, means, remedy));
    return undefined;
  }
  return quantity.value;
}

/** Milliseconds. */
export function durationAt(fields: Fields, key: string): number | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'string') return undefined;
  const at = `${fields.path}.${key}`;
  const ms = parseDuration(value);
  if (ms === undefined) {
    const bare = /^\d+$/.test(value);
    const remedy = bare ? `did you mean ${value}d?` : 'write a number with w, d, h, m or s: 40d, 30d12h, 90m';
    fields.findings.push(
      finding(
        'badDuration',
        at,
        value,
        bare ? 'has no unit' : 'is not a duration of at most 100 years',
        remedy,
      ),
    );
  } else if (ms < 0) {
    fields.findings.push(
      finding('outOfRange', at, value, 'is negative', 'leave the field out where nothing is to be limited'),
    );
    return undefined;
  }
  return ms;
}

/** A count; 0 is told and reads as absent, because it is not enforced. */
export function countAt(fields: Fields, key: string, insteadOfZero: string): number | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return undefined;
  if (value > 0) return value;
  fields.findings.push(
    finding('zeroNotEnforced', `${fields.path}.${key}`, value, 'is not enforced', insteadOfZero),
  );
  return undefined;
}

export function choiceAt<T extends string>(
  fields: Fields,
  key: string,
  choices: readonly T[],
): T | undefined {
  const value = own(fields.object, key);
  return choices.find((choice) => choice === value);
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
    const remedy = /^\d+(\.\d+)?$/.test(value) ? `did you mean ${value}%?` : 'write a percentage such as 85%';
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
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const quantity = parseQuantity(value);
  if (quantity?.whole && quantity.value >= 0n) return { absolute: quantity.value };
  fields.findings.push(
    finding(
      'badQuantity',
      `${fields.path}.${key}`,
      value,
      'is neither a percentage nor a whole quantity',
      'write 10% or 50Gi',
    ),
  );
  return undefined;
}

function parseShare(text: string): number | undefined {
  const match = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text);
  if (match === null || text.length > 16) return undefined;
  const share = Number(match[1]) / 100;
  return share <= 1 ? share : undefined;
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** RFC 1123 label, as namespaces and containers are named. */
export function isLabel(name: string): boolean {
  return name.length <= 63 && LABEL.test(name);
}

/** RFC 1123 subdomain, as pods are named. */
export function isSubdomain(name: string): boolean {
  return name.length <= 253 && name.split('.').every((part) => LABEL.test(part));
}

/** The mapping under a key; undefined where there is none. */
export function childFields(fields: Fields, key: string): Fields | undefined {
  const object = own(fields.object, key);
  return isObject(object) ? { object, path: `${fields.path}.${key}`, findings: fields.findings } : undefined;
}
