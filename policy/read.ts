import { authorityOf } from './authority.ts';
import { withDefaults } from './defaults.ts';
import {
  booleanAt,
  childFields,
  choiceAt,
  countAt,
  durationAt,
  type Fields,
  shareAt,
  sizeAt,
} from './fields.ts';
import { finding, hasErrors } from './findings.ts';
import { canonicalJson, fieldsOf, isObject, type JsonObject, own, text } from './json.ts';
import { holding, NARROW_KEYS, readGlobalRule, readNarrowRules, readPressure } from './rules.ts';
import { API_VERSION, CONFIRM_ANNOTATION, DEFAULT_DIRECTORY, KIND } from './schema.ts';
import { envelopeFindings, structureFindings } from './structure.ts';
import type { Authority, Finding, PolicyResource, Rule } from './types.ts';

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
  if (!isObject(document)) {
    const remedy = `write a resource with apiVersion: ${API_VERSION} and kind: ${KIND}`;
    return { resource: null, findings: [finding('wrongKind', '', document, 'is not a resource', remedy)] };
  }
  const findings = envelopeFindings(document, API_VERSION, KIND);
  if (hasErrors(findings.filter((each) => each.code === 'wrongKind'))) return { resource: null, findings };

  const rawSpec = own(document, 'spec') ?? {};
  findings.push(...structureFindings(rawSpec));
  const spec = withDefaults(isObject(rawSpec) ? rawSpec : {});
  const top: Fields = { object: spec, path: 'spec', findings };
  const globalPolicy = childFields(top, 'globalPolicy');
  const globalRule = globalPolicy && readGlobalRule(globalPolicy);
  const pressure = globalPolicy && readPressure(globalPolicy);
  const narrow = readNarrowRules(top);
  const settings = readSettings(top);
  warnOfNothing(rawSpec, findings);

  const metadata = fieldsOf(own(document, 'metadata'));
  const annotations = fieldsOf(own(metadata, 'annotations'));
  const sound = !hasErrors(findings);
  const rules: Rule[] = [];
  const unidentified = sound ? readUnidentified(top) : undefined;
  const resource: PolicyResource = {
    reference: referenceOf(metadata, options.file),
    authority: options.authority ?? authorityOf(document),
    createdAt: Date.parse(text(own(metadata, 'creationTimestamp'))) || 0,
    directory: readDirectory(top, globalPolicy),
    ...settings,
    ...(unidentified && { unidentified }),
    ...(pressure && sound && { pressure }),
    canonicalSpec: canonicalJson(spec),
    sound: sound && !hasErrors(findings),
    rules,
    confirmed: text(own(annotations, CONFIRM_ANNOTATION))
      .split(/[\s,]+/)
      .filter(Boolean),
  };
  for (const draft of [globalRule, ...narrow]) {
    if (draft) rules.push({ ...(resource.sound ? draft : holding(draft)), resource });
  }
  return { resource, findings };
}

function referenceOf(metadata: JsonObject, file: string | undefined): PolicyResource['reference'] {
  const uid = text(own(metadata, 'uid'));
  return {
    namespace: text(own(metadata, 'namespace')) || 'default',
    name: text(own(metadata, 'name')) || text(own(metadata, 'generateName')),
    ...(uid !== '' && { uid }),
    ...(file !== undefined && { file }),
  };
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
        'write 10m or more where a pod may come back or its archive is wanted',
      ),
    );
  }
  const budget = childFields(top, 'deletionBudget');
  const maxArchives = budget && countAt(budget, 'maxArchivesPerPass', 'leave it out');
  const maxBytes = budget && sizeAt(budget, 'maxBytesPerPass');
  const breaker = childFields(top, 'circuitBreaker');
  const minArchives = breaker && own(breaker.object, 'minArchives');
  return {
    applyImmediately: booleanAt(top, 'applyPoliciesImmediately') ?? false,
    orphanGraceMs,
    tainted: choiceAt(top, 'tainted', ['Keep', 'Delete']) ?? 'Keep',
    budget: {
      ...(maxArchives !== undefined && { maxArchives }),
      ...(maxBytes !== undefined && { maxBytes }),
    },
    breaker: {
      maxShare: (breaker && shareAt(breaker, 'maxShare')) ?? 0.5,
      minArchives: typeof minArchives === 'number' ? minArchives : 100,
    },
  };
}

function readUnidentified(top: Fields): PolicyResource['unidentified'] {
  const fields = childFields(top, 'unidentified');
  if (fields === undefined) return undefined;
  const maxAgeMs = durationAt(fields, 'timeThreshold');
  const maxTotalBytes = sizeAt(fields, 'maxTotalSize');
  return {
    ...(maxAgeMs !== undefined && { maxAgeMs }),
    ...(maxTotalBytes !== undefined && { maxTotalBytes }),
  };
}

function readDirectory(top: Fields, globalPolicy: Fields | undefined): string {
  const older = globalPolicy && own(globalPolicy.object, 'checkpointDirectory');
  const newer = own(top.object, 'checkpointDirectory');
  if (typeof older === 'string' && typeof newer === 'string' && trimmed(older) !== trimmed(newer)) {
    top.findings.push(
      finding(
        'spellingsDisagree',
        'spec.globalPolicy.checkpointDirectory',
        older,
        `spec.checkpointDirectory says ${newer}`,
        'keep spec.checkpointDirectory and remove this older spelling',
      ),
    );
  }
  const path = typeof newer === 'string' ? newer : DEFAULT_DIRECTORY;
  const segments = trimmed(path).split('/').slice(1);
  const bad =
    !path.startsWith('/') || path.includes('\0') || segments.some((each) => ['', '.', '..'].includes(each));
  if (bad) {
    top.findings.push(
      finding(
        'badDirectory',
        'spec.checkpointDirectory',
        path,
        'is not an absolute path without empty, . and .. parts',
        `write for example ${DEFAULT_DIRECTORY}`,
      ),
    );
  }
  return trimmed(path);
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
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
      'has no policy, so nothing is deleted',
      'add spec.globalPolicy',
    ),
  );
}
