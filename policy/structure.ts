import { Ajv, type ErrorObject, type SchemaObject } from 'ajv';
import { formatCount } from './count.ts';
import { finding, shown } from './findings.ts';
import { isObject, type JsonObject, own } from './json.ts';
import { type Schema, SPEC } from './schema.ts';
import { anyOf, nearest, similar } from './spelling.ts';
import type { Finding } from './types.ts';

export { nearest } from './spelling.ts';

/** Names are judged by meaning later; here only that structure is right, so patterns and lengths stay out. */
function forAjv(schema: Schema): SchemaObject {
  const out: Record<string, unknown> = {};
  if (schema['x-kubernetes-int-or-string']) out.type = ['integer', 'string'];
  else if (schema.type !== undefined) out.type = schema.type;
  for (const key of ['enum', 'minimum', 'maximum', 'maxItems', 'required'] as const) {
    if (schema[key] !== undefined) out[key] = schema[key];
  }
  if (schema.items !== undefined) out.items = forAjv(schema.items);
  if (schema.additionalProperties !== undefined) {
    out.additionalProperties = forAjv(schema.additionalProperties);
  }
  if (schema.properties !== undefined) {
    out.additionalProperties = false;
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => [key, forAjv(child)]),
    );
  }
  return out;
}

const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true });

/** A resource of 3 MiB can be wrong in a million places; nobody reads, and no webhook has time for, more. */
const MOST_FINDINGS = 1_000;

/** What a spec's structure lacks: types, unknown and missing fields, ranges of numbers. */
export const structureFindings = structureOf(SPEC);

/** A check of specs by a schema: types, unknown and missing fields, ranges of numbers. */
export function structureOf(schema: Schema): (spec: unknown) => Finding[] {
  const isValid = ajv.compile(forAjv(schema));
  return (spec) => (isValid(spec) ? [] : toFindings(isValid.errors ?? []));
}

function toFindings(errors: readonly ErrorObject[]): Finding[] {
  const ofWrongType = new Set(
    errors.filter((each) => each.keyword === 'type').map((each) => each.instancePath),
  );
  // A value of the wrong type is none of the allowed ones either; once is enough.
  const told = errors.filter((each) => each.keyword !== 'enum' || !ofWrongType.has(each.instancePath));
  return told.slice(0, MOST_FINDINGS).map(toFinding);
}

/** `/namespacePolicies/0/pod` as `spec.namespacePolicies[0].pod`. */
function fieldPath(pointer: string): string {
  return `spec${pointer.replace(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.')}`;
}

/** A key that would garble a path stands in quotes, shortened. */
function childPath(field: string, key: string): string {
  if (/^[\w-]{1,80}$/.test(key)) return field === '' ? key : `${field}.${key}`;
  return `${field}[${shown(key)}]`;
}

function toFinding(error: ErrorObject): Finding {
  const field = fieldPath(error.instancePath);
  const { params } = error;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params.additionalProperty);
      return unknownField(childPath(field, key), key, fieldsOf(error.parentSchema));
    }
    case 'required': {
      const key = String(params.missingProperty);
      const remedy = NAMES.includes(key) ? `add ${key}: NAME to the entry` : `add ${key} with its value`;
      return finding('required', `${field}.${key}`, undefined, 'is missing', remedy);
    }
    case 'enum': {
      const allowed: readonly unknown[] = Array.isArray(params.allowedValues) ? params.allowedValues : [];
      const names = allowed.map(String);
      return finding(
        'notAllowed',
        field,
        error.data,
        'is not a value that this field takes',
        notAllowedRemedy(error.data, names),
      );
    }
    case 'minimum':
    case 'maximum': {
      const bound = `${error.keyword === 'minimum' ? 'at least' : 'at most'} ${String(params.limit)}`;
      return finding('outOfRange', field, error.data, `must be ${bound}`, boundRemedy(error));
    }
    case 'maxItems':
      return finding(
        'tooManyEntries',
        field,
        undefined,
        `has more than ${formatCount(Number(params.limit))} entries`,
        'use a broader policy, or split the list over several resources',
      );
    default:
      return wrongType(error, field);
  }
}

const NAMES: readonly string[] = ['namespace', 'pod', 'container'];

function notAllowedRemedy(given: unknown, names: readonly string[]): string {
  const near = typeof given === 'string' ? nearest(given, names) : undefined;
  return near === undefined ? `write ${anyOf(names)}` : `did you mean ${near}?`;
}

function boundRemedy({ keyword, params }: ErrorObject): string {
  if (keyword === 'maximum')
    return 'write a smaller number, or leave the field out where nothing is to be limited';
  return params.limit === 0
    ? 'leave the field out where nothing is to be limited'
    : `write ${String(params.limit)} or more, or leave the field out where nothing is to be limited`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  boolean: 'true or false',
};

function wrongType(error: ErrorObject, field: string): Finding {
  const { data: value, schema } = error;
  const types = (Array.isArray(schema) ? schema : [schema]).map(String);
  const names = types.map((type) => TYPE_NAMES[type] ?? type);
  const remedy = value === null ? 'remove the line or give it a value' : typeRemedy(error, field, types);
  return finding('wrongType', field, value, `must be ${anyOf(names)}`, remedy);
}

function typeRemedy(
  { data: value, parentSchema }: ErrorObject,
  field: string,
  types: readonly string[],
): string {
  const allowed = own(parentSchema ?? {}, 'enum');
  if (Array.isArray(allowed)) return `write ${anyOf(allowed.map(String))}`;
  if (types.length > 1) return 'write whole bytes or a quantity such as 500Mi';
  switch (types[0]) {
    case 'boolean':
      return typeof value === 'string' ? 'write true or false without quotes' : 'write true or false';
    case 'integer':
      return typeof value === 'string' ? 'write it without quotes' : 'write a number such as 10';
    case 'string':
      if (typeof value !== 'number') return 'write text, in quotes if need be';
      if (/\.(interval|jitter|startingDeadline)$/.test(field))
        return `write it with its unit, such as ${value}m`;
      if (/(Threshold|Interval|Period)$/.test(field)) return `write it with its unit, such as ${value}d`;
      return /(Watermark|Share)$/.test(field) ? `write it with its sign: ${value}%` : 'write it in quotes';
    case 'array':
      return 'write each entry on a line of its own, behind a hyphen';
    default:
      return 'write its fields below it, one a line';
  }
}

function fieldsOf(schema: unknown): string[] {
  const properties = isObject(schema) ? own(schema, 'properties') : undefined;
  return isObject(properties) ? Object.keys(properties) : [];
}

/** An unknown field, with the nearest known one. */
export function unknownField(field: string, key: string, known: readonly string[]): Finding {
  const near = similar(key, known);
  const remedy =
    near.length === 0 ? `remove it; known here are ${known.join(', ')}` : `did you mean ${anyOf(near)}?`;
  return finding('unknownField', field, undefined, 'is not a field of this resource', remedy);
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
    const given = own(document, 'kind');
    const isNear = typeof given === 'string' && nearest(given, [kind]) !== undefined;
    const hint = isNear ? `did you mean ${kind}?` : remedy;
    findings.push(finding('wrongKind', 'kind', given, `must be ${kind}`, hint));
  }
  const known = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
  for (const key of Object.keys(document)) {
    if (!known.includes(key)) findings.push(unknownField(childPath('', key), key, known));
  }
  const metadata = own(document, 'metadata');
  const names = isObject(metadata) ? [own(metadata, 'name'), own(metadata, 'generateName')] : [];
  if (!names.some((name) => typeof name === 'string' && name !== '')) {
    const add = 'add a name, by which resources are told apart';
    findings.push(finding('required', 'metadata.name', undefined, 'is missing', add));
  }
  return findings.slice(0, MOST_FINDINGS);
}
