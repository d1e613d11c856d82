import { copyJson, fieldsOf, isObject, type JsonObject, own } from './json.ts';
import { DEFAULT_DIRECTORY, type Schema, SPEC } from './schema.ts';

/** An `add` of JSON Patch, RFC 6902; defaults never replace or remove. */
export interface Addition {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** Percentage points between the watermarks where the user gave only the high one, at most half of it. */
const WATERMARK_GAP = 10;
const DEFAULT_LOW = 75;

/**
 * What the mutating webhook makes explicit, as a JSON Patch against the whole resource. Static defaults come
 * from the schema, so the API server has usually set them already; the rest depends on other fields.
 * Applied twice it is empty the second time. Values of a wrong type, and a spec that is missing, are left for
 * validation to name.
 */
export function defaultsPatch(resource: JsonObject): Addition[] {
  const spec = own(resource, 'spec');
  const additions: Addition[] = [];
  fill(SPEC, spec, '/spec', additions);
  if (isObject(spec)) fillDependent(spec, additions);
  return additions;
}

/** The spec with every default in place; the given one is left as it is. */
export function withDefaults(spec: JsonObject): JsonObject {
  const copy = fieldsOf(copyJson(spec));
  for (const { path, value } of defaultsPatch({ spec: copy })) {
    const keys = path.split('/').slice(2);
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>(childOf, copy);
    if (isObject(parent)) Object.assign(parent, { [last]: value });
  }
  return copy;
}

function childOf(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return parent[Number(key)];
  return isObject(parent) ? own(parent, key) : undefined;
}

function fill(schema: Schema, value: unknown, path: string, additions: Addition[]): void {
  if (schema.items !== undefined && Array.isArray(value)) {
    const { items } = schema;
    value.forEach((entry, index) => {
      fill(items, entry, `${path}/${index}`, additions);
    });
  }
  if (schema.properties === undefined || !isObject(value)) return;
  for (const [key, child] of Object.entries(schema.properties)) {
    const current = own(value, key);
    if (current !== undefined) fill(child, current, `${path}/${key}`, additions);
    else if (child.default !== undefined) {
      additions.push({ op: 'add', path: `${path}/${key}`, value: filled(child) });
    }
  }
}

/** A schema's default with the defaults of its fields in it. */
function filled(schema: Schema): unknown {
  if (!isObject(schema.default) || schema.properties === undefined) return schema.default;
  const inner = Object.entries(schema.properties)
    .filter(([, child]) => child.default !== undefined)
    .map(([key, child]) => [key, filled(child)]);
  return { ...schema.default, ...Object.fromEntries(inner) };
}

function fillDependent(spec: JsonObject, additions: Addition[]): void {
  const globalPolicy = own(spec, 'globalPolicy');
  const older = isObject(globalPolicy) ? own(globalPolicy, 'checkpointDirectory') : undefined;
  if (own(spec, 'checkpointDirectory') === undefined) {
    const value = typeof older === 'string' ? older : DEFAULT_DIRECTORY;
    additions.push({ op: 'add', path: '/spec/checkpointDirectory', value });
  }
  const pressure = isObject(globalPolicy) ? own(globalPolicy, 'diskPressure') : undefined;
  if (!isObject(pressure) || own(pressure, 'lowWatermark') !== undefined) return;
  const value = `${lowWatermarkFor(own(pressure, 'highWatermark'))}%`;
  additions.push({ op: 'add', path: '/spec/globalPolicy/diskPressure/lowWatermark', value });
}

/** Percent. A low watermark of nothing would evict everything, so it is never under half of the high one. */
function lowWatermarkFor(highWatermark: unknown): number {
  const match = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(typeof highWatermark === 'string' ? highWatermark : '');
  if (match === null) return DEFAULT_LOW;
  const high = Number(match[1]);
  const low = Math.min(DEFAULT_LOW, Math.max(high - WATERMARK_GAP, high / 2));
  return Math.floor(low * 100) / 100;
}
