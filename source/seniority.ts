import { PolicyCatalog } from '../policy/catalog.ts';
import { conflictFindings } from '../policy/conflicts.ts';
import { finding, formatFinding } from '../policy/findings.ts';
import { resourceKey, scopeLabel } from '../policy/govern.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import { revised, UniqueNames } from './revise.ts';

/** What one file asks for, and what was in force out of it. */
export interface Claimant {
  readonly file: string;
  readonly wanted: readonly PolicyResource[];
  readonly former: readonly PolicyResource[];
}

/** What stands in the way of a file. */
export interface Objection {
  readonly resource: PolicyResource;
  readonly finding: Finding;
}

export interface Settlement {
  /** Files that are not taken as they are now: what was in force out of them goes on. */
  readonly refused: ReadonlyMap<string, readonly Objection[]>;
  /** Resources that contradict one another, where none was in force before the others. */
  readonly rivals: ReadonlySet<PolicyResource>;
}

/**
 * Who gives way where files contradict one another: a name, a target or a directory that was in force from one file,
 * and that the file still claims, is no other file's. A refusal brings back what was in force, which may stand in the
 * way of a further file; so it is asked until nothing changes.
 */
export function settle(files: readonly Claimant[]): Settlement {
  const refused = new Map<string, readonly Objection[]>();
  for (;;) {
    const open = files.filter(({ file }) => !refused.has(file));
    const present = (each: Claimant) => (refused.has(each.file) ? each.former : each.wanted);
    const juniors = juniorsOf(open, new Standing(files, present));
    for (const [file, objections] of juniors) refused.set(file, objections);
    if (juniors.size > 0) continue;
    const rivals = rivalsOf(files.flatMap(present));
    const edited = editedInto(rivals, open);
    for (const [file, objections] of edited) refused.set(file, objections);
    if (edited.size === 0) return { refused, rivals: new Set(rivals.keys()) };
  }
}

/** What was in force and is still claimed by the file that it came from. What was held was nobody's. */
class Standing {
  readonly #catalog = new PolicyCatalog();
  readonly #ofFile = new Map<string, readonly PolicyResource[]>();
  readonly #fileOf = new Map<string, string>();

  constructor(files: readonly Claimant[], present: (file: Claimant) => readonly PolicyResource[]) {
    for (const each of files) {
      const claims = claimsOf(present(each));
      const good = each.former.filter(({ sound }) => sound);
      const standing = good.flatMap((resource) => claimed(resource, claims) ?? []);
      this.#ofFile.set(each.file, standing);
      for (const resource of standing) this.#catalog.put(resource);
      for (const { reference } of good) {
        if (claims.has(nameClaim(resourceKey(reference))))
          this.#fileOf.set(resourceKey(reference), each.file);
      }
    }
  }

  /** What others' rights have against a file. */
  objections({ file, wanted }: Claimant): Objection[] {
    const own = this.#ofFile.get(file) ?? [];
    for (const { reference } of own) this.#catalog.remove(reference);
    const objections = wanted.flatMap((resource) => {
      const other = this.#fileOf.get(resourceKey(resource.reference));
      // Who takes another's name takes its targets, too: one word is enough.
      const findings =
        other !== undefined && other !== file
          ? [twinFinding(resource, other)]
          : beyondItself(stranger(resource), this.#catalog);
      return findings.map((each) => ({ resource, finding: each }));
    });
    for (const each of own) this.#catalog.put(each);
    return objections;
  }
}

function juniorsOf(open: readonly Claimant[], standing: Standing): Map<string, readonly Objection[]> {
  const juniors = new Map<string, readonly Objection[]>();
  for (const each of open) {
    const objections = standing.objections(each);
    if (objections.length > 0) juniors.set(each.file, objections);
  }
  return juniors;
}

/** Each resource that contradicts another one, or itself, with what is to be said of it. */
function rivalsOf(resources: readonly PolicyResource[]): Map<PolicyResource, readonly Finding[]> {
  const byKey = new Map<string, PolicyResource[]>();
  for (const each of resources) {
    const key = resourceKey(each.reference);
    byKey.set(key, [...(byKey.get(key) ?? []), each]);
  }
  const catalog = new PolicyCatalog();
  const names = new UniqueNames();
  const unique = new Map(resources.map((each) => [each, names.give(each)]));
  for (const each of unique.values()) catalog.put(each);
  const rivals = new Map<PolicyResource, readonly Finding[]>();
  for (const [resource, named] of unique) {
    const twin = byKey.get(resourceKey(resource.reference))?.find((each) => each !== resource);
    const findings =
      twin === undefined
        ? contradictions(named, catalog)
        : [twinFinding(resource, twin.reference.file ?? '')];
    if (findings.length > 0) rivals.set(resource, findings);
  }
  return rivals;
}

/**
 * Files of which an edit gave something that was in force errors, or made it contradict another one: the version
 * before it goes on. What is wrong with a resource by itself is no objection; its reader has told it.
 */
function editedInto(
  rivals: ReadonlyMap<PolicyResource, readonly Finding[]>,
  open: readonly Claimant[],
): Map<string, readonly Objection[]> {
  const edited = new Map<string, readonly Objection[]>();
  for (const { file, wanted, former } of open) {
    const rights = rightsOf(former.filter(({ sound }) => sound));
    const isRight = (right: string) => rights.has(right);
    const spoilt = wanted
      .filter((resource) => !resource.sound || rivals.has(resource))
      .filter((resource) => [...rightsOf([resource])].some(isRight));
    const objections = spoilt.flatMap((resource) =>
      (rivals.get(resource) ?? []).map((each) => ({ resource, finding: each })),
    );
    if (spoilt.length > 0) edited.set(file, objections);
  }
  return edited;
}

/** Of two resources of one name only one can be meant. */
export function twinFinding({ reference }: PolicyResource, otherFile: string): Finding {
  const message = `names a resource that ${otherFile} has already`;
  return finding(
    'duplicateTarget',
    'metadata.name',
    reference.name,
    message,
    'rename or remove one of the two',
  );
}

function contradictions(resource: PolicyResource, catalog: PolicyCatalog): Finding[] {
  return conflictFindings(resource, catalog).filter(({ severity }) => severity === 'error');
}

/** What contradicts itself has nobody's right against it. */
function beyondItself(resource: PolicyResource, catalog: PolicyCatalog): Finding[] {
  const ofItself = new Set(contradictions(resource, new PolicyCatalog()).map(formatFinding));
  return contradictions(resource, catalog).filter((each) => !ofItself.has(formatFinding(each)));
}

/** One that is no version of any that is there, whatever its name. */
function stranger(resource: PolicyResource): PolicyResource {
  return revised(resource, { reference: { ...resource.reference, name: '' } });
}

/** Names and targets, of which each can be only one's. */
function rightsOf(resources: readonly PolicyResource[]): Set<string> {
  const rights = new Set<string>();
  for (const { reference, directory, rules, unidentified } of resources) {
    rights.add(nameClaim(resourceKey(reference)));
    for (const { scope } of rules) rights.add(claim(directory, scopeLabel(scope)));
    if (unidentified) rights.add(claim(directory, 'unidentified'));
  }
  return rights;
}

/** Rights, and the directories that they are for. */
function claimsOf(resources: readonly PolicyResource[]): ReadonlySet<string> {
  const claims = rightsOf(resources);
  for (const { directory } of resources) claims.add(claim(directory, ''));
  return claims;
}

/** What of a resource is among the claims; null when nothing is. */
function claimed(resource: PolicyResource, claims: ReadonlySet<string>): PolicyResource | null {
  const { unidentified, ...rest } = resource;
  const { directory, rules } = resource;
  if (!claims.has(claim(directory, ''))) return null;
  const left = rules.filter(({ scope }) => claims.has(claim(directory, scopeLabel(scope))));
  const isClaimed = unidentified !== undefined && claims.has(claim(directory, 'unidentified'));
  return revised(rest, isClaimed ? { unidentified } : {}, left);
}

function nameClaim(key: string): string {
  return JSON.stringify([key]);
}

function claim(directory: string, label: string): string {
  return JSON.stringify([directory, label]);
}
