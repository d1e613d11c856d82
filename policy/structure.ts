import { Ajv, type ErrorObject, type SchemaObject } from 'ajv';
import { finding } from './findings.ts';
import { isObject, type JsonObject, own } from './json.ts';
import { type Schema, SPEC } from './schema.ts';
import type { Finding } from './types.ts';

/** Names are judged by meaning later; here only that structure is right, so patterns and lengths stay out. */
function forAjv(schema: Schema): SchemaObject {
  const out: Record<string, unknown> = {};
  if (schema['x-kubernetes-int-or-string']) out.type = ['integer', 'string'];
  else if (schema.type !== undefined) out.type = schema.type;
  for (const key of ['enum', 'minimum', 'maximum', 'maxItems', 'required'] as const) {
    if (schema[key] !== undefined) out[key] = schema[key];
  }
  if (schema.items !== undefined) out.items = forAjv(schema.items);
  if (schema.properties !== undefined) {
    out.additionalProperties = false;
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => [key, forAjv(child)]),
    );
  }
  return out;
}

const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true });
const validSpec = ajv.compile(forAjv(SPEC));

/** What the resource's structure lacks: types, unknown and missing fields, ranges of numbers. */
export function structureFindings(spec: unknown): Finding[] {
  if (validSpec(spec)) return [];
  return (validSpec.errors ?? []).map(toFinding);
}

/** `/namespacePolicies/0/pod` as `spec.namespacePolicies[0].pod`. */
function fieldPath(pointer: string): string {
  return `spec${pointer.replace(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.')}`;
}

function toFinding(error: ErrorObject): Finding {
  const field = fieldPath(error.instancePath);
  const { params } = error;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params.additionalProperty);
      return unknownField(`${field}.${key}`, key, fieldsOf(error.parentSchema));
    }
    case 'required': {
      const key = String(params.missingProperty);
      return finding('required', `${field}.${key}`, undefined, 'is missing', `add ${key}: NAME`);
    }
    case 'enum': {
      const allowed: readonly unknown[] = Array.isArray(params.allowedValues) ? params.allowedValues : [];
      const names = allowed.map(String);
      return finding(
        'notAllowed',
        field,
        error.data,
        'is not a value of this field',
        `write ${names.join(' or ')}`,
      );
    }
    case 'minimum':
    case 'maximum': {
      const bound = `${error.keyword === 'minimum' ? 'at least' : 'at most'} ${String(params.limit)}`;
      return finding(
        'outOfRange',
        field,
        error.data,
        `must be ${bound}`,
        'leave the field out where nothing is to be limited',
      );
    }
    case 'maxItems':
      return finding(
        'tooManyEntries',
        field,
        undefined,
        `has more than ${String(params.limit)} entries`,
        'use a broader policy, or split the list over several resources',
      );
    default:
      return wrongType(field, error.data, error.schema);
  }
}

function wrongType(field: string, value: unknown, expected: unknown): Finding {
  const types = (Array.isArray(expected) ? expected : [expected]).map(String);
  const remedy =
    value === null
      ? 'remove the line or give it a value'
      : types.includes('boolean')
        ? 'write true or false, without quotes'
        : types.includes('string') && types.includes('integer')
          ? 'write whole bytes or a quantity such as 500Mi'
          : types.includes('integer')
            ? 'write a whole number, without quotes'
            : types.includes('string')
              ? 'write a text, in quotes'
              : types.includes('array')
                ? 'write a list, each entry behind a dash'
                : 'write a mapping of fields';
  return finding('wrongType', field, value, `must be ${types.join(' or ')}`, remedy);
}

function fieldsOf(schema: unknown): string[] {
  const properties = isObject(schema) ? own(schema, 'properties') : undefined;
  return isObject(properties) ? Object.keys(properties) : [];
}

/** An unknown field, with the nearest known one. */
export function unknownField(field: string, key: string, known: readonly string[]): Finding {
  const near = nearest(key, known);
  const remedy = near === undefined ? `remove it; known here: ${known.join(', ')}` : `did you mean ${near}?`;
  return finding('unknownField', field, undefined, 'is not a field of this resource', remedy);
}

/** The known name within a third of the letters of the given one; undefined when none is near. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (given.length > 64) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

/** Structure of the document around the spec. */
export function envelopeFindings(document: JsonObject, apiVersion: string, kind: string): Finding[] {
  const findings: Finding[] = [];
  const remedy = `write apiVersion: ${apiVersion} and kind: ${kind}`;
  if (own(document, 'apiVersion') !== apiVersion) {
    findings.push(
      finding('wrongKind', 'apiVersion', own(document, 'apiVersion'), `must be ${apiVersion}`, remedy),
    );
  }
  if (own(document, 'kind') !== kind) {
    findings.push(finding('wrongKind', 'kind', own(document, 'kind'), `must be ${kind}`, remedy));
  }
  const known = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
  for (const key of Object.keys(document)) {
    if (!known.includes(key)) findings.push(unknownField(key, key, known));
  }
  return findings;
}
