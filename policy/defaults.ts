import { fieldsOf, isObject, type JsonObject, own } from './json.ts';
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
  fill(PLAN, spec, ['', 'spec'], additions);
  if (isObject(spec)) fillDependent(spec, additions);
  return additions;
}

/** The static defaults of another resource's spec. */
export function schemaDefaults(schema: Schema): (spec: unknown) => Addition[] {
  const plan = planOf(schema);
  return (spec) => {
    const additions: Addition[] = [];
    fill(plan, spec, ['', 'spec'], additions);
    return additions;
  };
}

/** The spec with every default in place; the given one is left as it is, and shared where nothing is added. */
export function withDefaults(spec: JsonObject): JsonObject {
  const filled = fieldsOf(filledIn(PLAN, spec));
  const additions: Addition[] = [];
  fillDependent(filled, additions);
  return additions.reduce(
    (whole, { path, value }) => withField(whole, path.split('/').slice(2), value),
    filled,
  );
}

function withField(object: JsonObject, [key = '', ...rest]: readonly string[], value: unknown): JsonObject {
  return { ...object, [key]: rest.length === 0 ? value : withField(fieldsOf(own(object, key)), rest, value) };
}

/** What of a schema has to do with defaults, worked out once: most fields have none, and none below them. */
interface Plan {
  readonly items: Plan | null;
  readonly fields: readonly {
    readonly key: string;
    readonly plan: Plan | null;
    readonly hasDefault: boolean;
    readonly value: unknown;
  }[];
}

const PLAN = planOf(SPEC);

function planOf(schema: Schema): Plan | null {
  const items = schema.items === undefined ? null : planOf(schema.items);
  const fields = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const [plan, hasDefault] = [planOf(child), child.default !== undefined];
    return plan === null && !hasDefault ? [] : [{ key, plan, hasDefault, value: filled(child) }];
  });
  return items === null && fields.length === 0 ? null : { items, fields };
}

/** @param path the keys to the value; as it was when this returns */
function fill(plan: Plan | null, value: unknown, path: (string | number)[], additions: Addition[]): void {
  if (plan === null) return;
  const { items } = plan;
  if (items !== null && Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      path.push(index);
      fill(items, value[index], path, additions);
      path.pop();
    }
  }
  if (!isObject(value)) return;
  for (const { key, plan: child, hasDefault, value: missing } of plan.fields) {
    const current = own(value, key);
    if (current === undefined) {
      if (hasDefault) additions.push({ op: 'add', path: `${path.join('/')}/${key}`, value: missing });
    } else if (child !== null) {
      path.push(key);
      fill(child, current, path, additions);
      path.pop();
    }
  }
}

/** The value itself where it lacks nothing. */
function filledIn(plan: Plan | null, value: unknown): unknown {
  if (plan === null) return value;
  const { items, fields } = plan;
  if (Array.isArray(value)) {
    if (items === null) return value;
    let copy: unknown[] | null = null;
    for (let index = 0; index < value.length; index += 1) {
      const entry: unknown = filledIn(items, value[index]);
      if (entry === value[index]) continue;
      copy ??= [...value];
      copy[index] = entry;
    }
    return copy ?? value;
  }
  if (!isObject(value)) return value;
  let changed: Record<string, unknown> | null = null;
  for (const { key, plan: child, hasDefault, value: missing } of fields) {
    const current = own(value, key);
    const next = current === undefined ? (hasDefault ? missing : undefined) : filledIn(child, current);
    if (next === current) continue;
    changed ??= { ...value };
    changed[key] = next;
  }
  return changed ?? value;
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
