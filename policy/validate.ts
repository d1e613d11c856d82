import { fieldsBeyondNamespace } from './authority.ts';
import type { PolicyCatalog } from './catalog.ts';
import { conflictFindings } from './conflicts.ts';
import { finding } from './findings.ts';
import { fieldsOf, isObject, type JsonObject, own } from './json.ts';
import { type Reading, type ReadOptions, readResource } from './read.ts';
import { AUTHORITY_ANNOTATION } from './schema.ts';
import { looseningFindings } from './tighten.ts';
import type { Finding, PolicyResource } from './types.ts';

/**
 * Everything there is to say of one document beside the resources that are there: what `kubectl apply` is told,
 * and `checkpoint-warden validate` offline.
 */
export function judge(document: unknown, catalog: PolicyCatalog, options: ReadOptions = {}): Reading {
  const reading = readResource(document, options);
  return reading.resource === null ? reading : judgeBeside(reading, reading.resource, catalog);
}

/** What has been read already, beside the resources that are there. */
export function judgeBeside(
  { findings }: Reading,
  resource: PolicyResource,
  catalog: PolicyCatalog,
): Reading {
  const conflicts = conflictFindings(resource, catalog);
  const loosening = looseningFindings(resource, catalog.of(resource.directory));
  return { resource, findings: [...findings, ...conflicts, ...loosening] };
}

/** True when writing the document takes the verb `govern`. */
export function needsGovern(document: unknown): boolean {
  return isObject(document) && (isStamped(document) || fieldsBeyondNamespace(document).length > 0);
}

/** What an author without the verb `govern` may not write. */
export function trespassFindings(document: JsonObject, user: string): Finding[] {
  const who = `reaches beyond the namespace of the resource, and ${user} may not govern there`;
  const remedy =
    'keep to policies for that namespace, or ask an administrator for the verb govern on checkpointrestoreoperators.criu.org';
  const findings = fieldsBeyondNamespace(document).map((field) =>
    finding('notYours', field, undefined, who, remedy),
  );
  if (isStamped(document)) {
    const field = `metadata.annotations[${AUTHORITY_ANNOTATION}]`;
    findings.push(
      finding('notYours', field, undefined, 'is set by the webhook alone', 'remove the annotation'),
    );
  }
  return findings;
}

function isStamped(document: JsonObject): boolean {
  const annotations = fieldsOf(own(fieldsOf(own(document, 'metadata')), 'annotations'));
  return own(annotations, AUTHORITY_ANNOTATION) !== undefined;
}
