import { authorityOf, confirmedDigests } from './authority.ts';
import { withCanonicalSpec } from './canonical.ts';
import { withDefaults } from './defaults.ts';
import { readDirectory } from './directory.ts';
import {
  ageAt,
  booleanAt,
  childFields,
  choiceAt,
  durationAt,
  type Fields,
  shareAt,
  sizeAt,
} from './fields.ts';
import { finding, hasErrors } from './findings.ts';
import { fieldsOf, isObject, isUnwieldy, type JsonObject, own, text } from './json.ts';
import { holding, NARROW_KEYS, readGlobalRule, readNarrowRules, readPressure } from './rules.ts';
import { API_VERSION, KIND, MOST_ENTRIES } from './schema.ts';
import { envelopeFindings, structureFindings } from './structure.ts';
import type { Authority, Finding, Mutable, PolicyResource } from './types.ts';

export interface ReadOptions {
  /** The file that the document was read from. */
  readonly file?: string;
  /** A file's word is the administrator's; in a cluster it follows from the resource (`authorityOf`). */
  readonly authority?: Authority;
}

export interface Reading {
  /** Null when the document is no such resource at all. One with errors holds its targets and deletes nothing. */
  readonly resource: PolicyResource | null;
  /** What one resource can be told without knowing the others. */
  readonly findings: readonly Finding[];
}

/**
 * Reads one document into a policy resource. Everything that is wrong is found in one go. Never throws,
 * whatever it is given.
 */
export function readResource(document: unknown, options: ReadOptions = {}): Reading {
  if (isUnwieldy(withoutManagedFields(document))) {
    const message = 'is nested too deeply or holds too many values to be a resource';
    const remedy = 'write only the fields of the reference';
    return { resource: null, findings: [finding('wrongType', '', undefined, message, remedy)] };
  }
  if (!isObject(document)) {
    const remedy = `write a resource with apiVersion: ${API_VERSION} and kind: ${KIND}`;
    return { resource: null, findings: [finding('wrongKind', '', document, 'is not a resource', remedy)] };
  }
  const findings = envelopeFindings(document, API_VERSION, KIND);
  // Of another kind nothing else can be said.
  const otherKind = findings.filter((each) => each.code === 'wrongKind');
  if (otherKind.length > 0) return { resource: null, findings: otherKind };

  const rawSpec = own(document, 'spec') ?? undefined;
  if (rawSpec === undefined) findings.push(withoutSpec());
  else findings.push(...structureFindings(rawSpec));
  const spec = withDefaults(isObject(rawSpec) ? bounded(rawSpec) : {});
  const top: Fields = { object: spec, path: 'spec', findings };
  // What follows from the spec is filled in as it is read: rules know their resource.
  const resource = withCanonicalSpec(unread(document, options), spec);
  const globalPolicy = childFields(top, 'globalPolicy');
  const globalRule = globalPolicy && readGlobalRule(globalPolicy, resource);
  const pressure = globalPolicy && readPressure(globalPolicy);
  const narrow = readNarrowRules(top, resource);
  const settings = readSettings(top);
  warnOfNothing(rawSpec, findings);

  resource.directory = readDirectory(top, globalPolicy);
  const unidentified = readUnidentified(top);
  const sound = !hasErrors(findings);
  resource.applyImmediately = settings.applyImmediately;
  resource.orphanGraceMs = settings.orphanGraceMs;
  resource.tainted = sound ? settings.tainted : 'Keep';
  resource.budget = settings.budget;
  resource.breaker = settings.breaker;
  resource.sound = sound;
  if (unidentified) resource.unidentified = sound ? unidentified : {};
  if (pressure && sound) resource.pressure = pressure;
  const rules = globalRule === undefined ? narrow : [globalRule, ...narrow];
  resource.rules = sound ? rules : rules.map(holding);
  return { resource, findings };
}

/** A resource of which only the metadata is read. */
function unread(document: JsonObject, options: ReadOptions): Mutable<Omit<PolicyResource, 'canonicalSpec'>> {
  const metadata = fieldsOf(own(document, 'metadata'));
  return {
    reference: referenceOf(metadata, options.file),
    authority: options.authority ?? authorityOf(document),
    createdAt: Date.parse(text(own(metadata, 'creationTimestamp'))) || 0,
    directory: '',
    applyImmediately: false,
    orphanGraceMs: 0,
    tainted: 'Keep',
    budget: {},
    breaker: { maxShare: 0, minArchives: 0 },
    sound: false,
    rules: [],
    confirmed: confirmedDigests(document),
  };
}

/** The API server's own notes on who wrote which field: half of a review, and nothing here reads them. */
export function withoutManagedFields(document: unknown): unknown {
  if (!isObject(document)) return document;
  const metadata = own(document, 'metadata');
  if (!isObject(metadata)) return document;
  const notes = own(metadata, 'managedFields') ?? [];
  if (Array.isArray(notes) && notes.length === 0) return document;
  return { ...document, metadata: { ...metadata, managedFields: null } };
}

/** Lists that are too long have been found so already; to read all of a million entries would take seconds. */
function bounded(spec: JsonObject): JsonObject {
  const isLong = (value: unknown) => Array.isArray(value) && value.length > MOST_ENTRIES;
  if (!Object.values(spec).some(isLong)) return spec;
  return Object.fromEntries(
    Object.entries(spec).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.slice(0, MOST_ENTRIES) : value,
    ]),
  );
}

export function referenceOf(metadata: JsonObject, file: string | undefined): PolicyResource['reference'] {
  const uid = text(own(metadata, 'uid'));
  const generation = own(metadata, 'generation');
  const reference: Mutable<PolicyResource['reference']> = {
    namespace: text(own(metadata, 'namespace')) || 'default',
    name: text(own(metadata, 'name')) || text(own(metadata, 'generateName')),
  };
  if (uid !== '') reference.uid = uid;
  if (typeof generation === 'number') reference.generation = generation;
  if (file !== undefined) reference.file = file;
  return reference;
}

function readSettings(
  top: Fields,
): Pick<PolicyResource, 'applyImmediately' | 'orphanGraceMs' | 'tainted' | 'budget' | 'breaker'> {
  const orphanGraceMs = durationAt(top, 'orphanGracePeriod') ?? 600_000;
  if (orphanGraceMs < 60_000 && typeof own(top.object, 'orphanGracePeriod') === 'string') {
    top.findings.push(
      finding(
        'shortGrace',
        'spec.orphanGracePeriod',
        own(top.object, 'orphanGracePeriod'),
        'makes archives orphans within a minute of the end of their pod',
        'write 10m or more if archives are to outlive their pod for a while',
      ),
    );
  }
  const budget = childFields(top, 'deletionBudget');
  const maxArchives = budget && own(budget.object, 'maxArchivesPerPass');
  const maxBytes = budget && sizeAt(budget, 'maxBytesPerPass');
  const breaker = childFields(top, 'circuitBreaker');
  const minArchives = breaker && own(breaker.object, 'minArchives');
  const stated: Mutable<PolicyResource['budget']> = {};
  if (typeof maxArchives === 'number') stated.maxArchives = maxArchives;
  if (maxBytes !== undefined) stated.maxBytes = maxBytes;
  return {
    applyImmediately: booleanAt(top, 'applyPoliciesImmediately') ?? false,
    orphanGraceMs,
    tainted: choiceAt(top, 'tainted', ['Keep', 'Delete']) ?? 'Keep',
    budget: stated,
    breaker: {
      maxShare: (breaker && shareAt(breaker, 'maxShare')) ?? 0.5,
      minArchives: typeof minArchives === 'number' ? minArchives : 100,
    },
  };
}

function readUnidentified(top: Fields): PolicyResource['unidentified'] {
  const fields = childFields(top, 'unidentified');
  if (fields === undefined) return undefined;
  const maxAgeMs = ageAt(fields, 'timeThreshold');
  const maxTotalBytes = sizeAt(fields, 'maxTotalSize');
  return {
    ...(maxAgeMs !== undefined && { maxAgeMs }),
    ...(maxTotalBytes !== undefined && { maxTotalBytes }),
  };
}

/** A write that was cut behind the metadata is no wish that nothing be limited; who means that writes an empty one. */
function withoutSpec(): Finding {
  const remedy = 'add spec with a policy, or spec: {} if nothing is to be limited';
  return finding('required', 'spec', undefined, 'is missing', remedy);
}

function warnOfNothing(rawSpec: unknown, findings: Finding[]): void {
  if (!isObject(rawSpec)) return;
  const acting = ['globalPolicy', 'unidentified', ...NARROW_KEYS];
  if (acting.some((key) => own(rawSpec, key) !== undefined)) return;
  findings.push(
    finding(
      'nothingLimited',
      'spec',
      undefined,
      'has no policy, so nothing is limited and nothing deleted',
      'add spec.globalPolicy, or a policy for a namespace, pod or container',
    ),
  );
}
