import { type PolicyDocument, readDocuments } from '../policy/documents.ts';
import { finding } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import { readResource } from '../policy/read.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import type { Sight } from './look.ts';
import { revised } from './revise.ts';

/** One document of a file. */
export interface Entry {
  /** As it stands in the file; null when it is no resource at all. */
  readonly resource: PolicyResource | null;
  /** What is wrong with it by itself. */
  readonly findings: readonly Finding[];
  /** What it asks to be in force: itself, or its last good version while it has errors. */
  readonly wanted: PolicyResource | null;
}

/** A file as one look found it, beside what was in force out of it. */
export interface PolicyFile {
  readonly file: string;
  readonly entries: readonly Entry[];
  /** What was in force out of it and may still be meant, for a part or all of the file cannot be read. */
  readonly kept: readonly PolicyResource[];
  /** What was in force out of it. */
  readonly former: readonly PolicyResource[];
  /** What is wrong with the file as a whole. */
  readonly findings: readonly Finding[];
}

/** What was in force before a look, by file and by name. */
export class InForce {
  readonly #byFile = new Map<string, PolicyResource[]>();
  readonly #byKey = new Map<string, PolicyResource>();
  readonly #moved = new Map<string, PolicyResource>();
  #nextPlace = 1;

  constructor(resources: readonly PolicyResource[]) {
    for (const each of resources) {
      const file = each.reference.file ?? '';
      const ofFile = this.#byFile.get(file) ?? [];
      ofFile.push(each);
      this.#byFile.set(file, ofFile);
      this.#byKey.set(resourceKey(each.reference), each);
      this.#nextPlace = Math.max(this.#nextPlace, each.createdAt + 1);
    }
  }

  files(): Iterable<string> {
    return this.#byFile.keys();
  }

  of(file: string): readonly PolicyResource[] {
    return this.#byFile.get(file) ?? [];
  }

  /** The version of that name that was in force without errors, as if it stood in this file. */
  lastGood(resource: PolicyResource): PolicyResource | null {
    const good = this.#byKey.get(resourceKey(resource.reference));
    if (good?.sound !== true) return null;
    const { file } = resource.reference;
    if (good.reference.file === file || file === undefined) return good;
    const key = JSON.stringify([file, resourceKey(good.reference)]);
    const moved = this.#moved.get(key) ?? revised(good, { reference: { ...good.reference, file } });
    this.#moved.set(key, moved);
    return moved;
  }

  /** A resource without a creation time gets its place: that which it had, else one behind all that are there. */
  dated(resource: PolicyResource): PolicyResource {
    if (resource.createdAt !== 0) return resource;
    const former = this.#byKey.get(resourceKey(resource.reference));
    if (former !== undefined) return revised(resource, { createdAt: former.createdAt });
    const createdAt = this.#nextPlace;
    this.#nextPlace += 1;
    return revised(resource, { createdAt });
  }
}

/** Reads a file, each document by itself. */
export function readPolicyFile({ file, inFolder, content }: Sight, inForce: InForce): PolicyFile {
  const former = inForce.of(file);
  if (!Buffer.isBuffer(content)) return { file, entries: [], kept: former, former, findings: [content] };
  const options = { skipOtherKinds: inFolder };
  const { documents, schedules, findings: read, others } = readDocuments(content, file, options);
  const findings = read.map((each) => each.finding);
  // An editor or a copy has a file empty for a moment, and a template can come out as a comment or an empty list:
  // what stood in it is not taken back by that, only by a file that is gone.
  if (documents.length + schedules.length + findings.length + others === 0) {
    findings.push(
      finding('wrongKind', '', undefined, 'holds no resource', 'write one, or leave the file out'),
    );
  }
  const used = new Set<PolicyResource>();
  const entries = documents.map((each) => entryOf(each, file, inForce, used));
  return { file, entries, kept: findings.length > 0 ? without(former, entries) : [], former, findings };
}

/** @param used last good versions that a document before stands for: of two with errors only one can be that */
function entryOf(
  { value }: PolicyDocument,
  file: string,
  inForce: InForce,
  used: Set<PolicyResource>,
): Entry {
  const { resource, findings } = readResource(value, { file, authority: 'administrator' });
  if (resource === null) return { resource, findings, wanted: null };
  const dated = inForce.dated(resource);
  const good = dated.sound ? null : inForce.lastGood(dated);
  if (good === null || used.has(good)) return { resource: dated, findings, wanted: dated };
  used.add(good);
  return { resource: dated, findings, wanted: good };
}

function without(former: readonly PolicyResource[], entries: readonly Entry[]): PolicyResource[] {
  const read = new Set(entries.flatMap(({ resource }) => (resource ? resourceKey(resource.reference) : [])));
  return former.filter(({ reference }) => !read.has(resourceKey(reference)));
}
