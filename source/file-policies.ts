import { dirname, resolve } from 'node:path';
import { PolicyCatalog } from '../policy/catalog.ts';
import { conflictFindings } from '../policy/conflicts.ts';
import { formatFinding } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import type { Closed, Look } from './look.ts';
import { type Entry, InForce, type PolicyFile, readPolicyFile } from './policy-file.ts';
import { held, revised, UniqueNames } from './revise.ts';
import { sameResources } from './same-resources.ts';
import { type Settlement, settle, twinFinding } from './seniority.ts';
import type { Problem } from './source.ts';

export interface PolicyFiles {
  /** In the order of the files, which at a start is that of their seniority where they carry no creation time. */
  readonly resources: readonly PolicyResource[];
  /** Errors and warnings, in the order of the files. */
  readonly problems: readonly Problem[];
  /** Files of which a part or all is not known. */
  readonly doubtful: ReadonlySet<string>;
}

export interface JudgeOptions {
  /** The resources of the look before; default none, as at a start. */
  readonly inForce?: readonly PolicyResource[];
  /** One name for all paths of a directory, so that policies for it are seen to contradict; default its own. */
  readonly directoryOf?: (path: string) => string;
}

/**
 * Judges what a look found. What was in force goes on where a resource has errors now, where its file or its folder
 * cannot be read, and where a file contradicts what is in force from another one. Of resources that contradict one
 * another and were not in force all are held: they keep broader policies away and delete nothing.
 */
export function policiesOf(look: Look, { inForce = [], directoryOf }: JudgeOptions = {}): PolicyFiles {
  let before = inForce;
  for (let round = 1; ; round += 1) {
    const judgement = judge(look, before, directoryOf ?? ((path) => path));
    // A refusal may go with what another one brought about: who looked again would see it. So that is done at once.
    const isSettled = !judgement.hasRefused || sameResources(judgement.resources, before);
    if (isSettled || round === MOST_ROUNDS) return judgement;
    before = judgement.resources;
  }
}

const MOST_ROUNDS = 5;

function judge(
  look: Look,
  inForce: readonly PolicyResource[],
  directoryOf: (path: string) => string,
): Judgement {
  const former = new InForce(inForce);
  const read = look.sights.map((sight) => readPolicyFile(sight, former));
  const closed = look.closed.map((each) => ({ ...each, files: filesOf(each, former, read) }));
  const kept = closed.flatMap(({ files }) => files);
  const judgement = new Judgement([...kept, ...read], directoryOf);
  for (const { path, finding, gone, files } of closed) {
    if (!gone || files.length > 0) judgement.doubtful.add(path);
    judgement.tell(path, '', finding, files.length > 0 ? FATE.lastGood : FATE.nothing);
  }
  for (const each of kept) judgement.put(each.kept);
  for (const each of read) judgement.judge(each);
  return judgement;
}

/** What becomes of a file or resource with errors, for the log. */
const FATE = {
  lastGood: 'the last good version stays in force',
  nothing: 'nothing of it is in force',
  refused: 'until then nothing of this file is in force',
  held: 'until it is mended its targets are held: nothing of them is deleted',
  rivals: 'until then both hold their targets: nothing of them is deleted',
} as const;

/** Files of which something was in force and that cannot be looked at now. */
function filesOf({ path, gone }: Closed, inForce: InForce, read: readonly PolicyFile[]): PolicyFile[] {
  const seen = new Set(read.map(({ file }) => file));
  return [...inForce.files()]
    .filter((file) => !seen.has(file))
    .filter((file) => (!gone && file === path) || dirname(resolve(file)) === resolve(path))
    .map((file) => ({
      file,
      entries: [],
      kept: inForce.of(file),
      former: inForce.of(file),
      findings: [],
    }));
}

class Judgement implements PolicyFiles {
  readonly resources: PolicyResource[] = [];
  readonly problems: Problem[] = [];
  readonly doubtful = new Set<string>();
  readonly #catalog = new PolicyCatalog();
  readonly #firstFile = new Map<string, string>();
  readonly #names = new UniqueNames();
  readonly #settlement: Settlement;
  readonly #directoryOf: (path: string) => string;
  readonly #located = new Map<PolicyResource, PolicyResource>();

  constructor(files: readonly PolicyFile[], directoryOf: (path: string) => string) {
    this.#directoryOf = directoryOf;
    const located = (resources: readonly PolicyResource[]) => resources.map((each) => this.#locate(each));
    this.#settlement = settle(
      files.map((each) => ({
        file: each.file,
        wanted: located([...each.entries.flatMap(({ wanted }) => wanted ?? []), ...each.kept]),
        former: located(each.former),
      })),
    );
  }

  /** Whether something that was read is not in force. */
  get hasRefused(): boolean {
    return this.#settlement.refused.size > 0 || this.#settlement.rivals.size > 0;
  }

  tell(file: string, resource: string, finding: Finding, fate: string): void {
    this.problems.push({ file, resource, finding, ...(finding.severity === 'error' && { fate }) });
  }

  judge(each: PolicyFile): void {
    const { file, entries, kept, former, findings } = each;
    for (const finding of findings)
      this.tell(file, '', finding, kept.length > 0 ? FATE.lastGood : FATE.nothing);
    if (findings.length > 0) this.doubtful.add(file);
    if (this.#settlement.refused.has(file)) this.#refuse(each);
    else for (const entry of entries) this.#judgeEntry(entry, file);
    this.put(this.#settlement.refused.has(file) ? former : kept);
  }

  put(resources: readonly PolicyResource[]): void {
    for (const each of resources) this.#put(each);
  }

  #judgeEntry({ resource, findings, wanted }: Entry, file: string): void {
    if (resource === null || wanted === null) {
      for (const finding of findings) this.tell(file, '', finding, FATE.nothing);
      return;
    }
    const key = resourceKey(resource.reference);
    const located = this.#locate(wanted);
    const isRival = this.#settlement.rivals.has(located);
    const own = wanted === resource ? FATE.held : FATE.lastGood;
    for (const finding of findings) this.tell(file, key, finding, own);
    const first = this.#firstFile.get(key);
    const twins = first === undefined || resource.reference.name === '' ? [] : [twinFinding(resource, first)];
    for (const finding of [...twins, ...conflictFindings(this.#locate(resource), this.#catalog)]) {
      this.tell(file, key, finding, isRival ? FATE.rivals : own);
    }
    this.#put(wanted);
  }

  /** What is wrong with the documents themselves is told, too. */
  #refuse({ file, entries, former }: PolicyFile): void {
    const fate = former.some(({ sound }) => sound) ? FATE.lastGood : FATE.refused;
    for (const { resource, findings } of entries) {
      const key = resource === null ? '' : resourceKey(resource.reference);
      for (const finding of findings) this.tell(file, key, finding, fate);
    }
    const told = new Set<string>();
    for (const { resource, finding } of this.#settlement.refused.get(file) ?? []) {
      const key = resourceKey(resource.reference);
      const text = `${key} ${formatFinding(finding)}`;
      // Twins in one file have the same to be said of them.
      if (!told.has(text)) this.tell(file, key, finding, fate);
      told.add(text);
    }
  }

  #put(wanted: PolicyResource): void {
    const located = this.#locate(wanted);
    const isRival = this.#settlement.rivals.has(located);
    const key = resourceKey(wanted.reference);
    if (!this.#firstFile.has(key)) this.#firstFile.set(key, wanted.reference.file ?? '');
    const named = this.#names.give(wanted);
    const resource = isRival ? held(named) : named;
    this.resources.push(resource);
    this.#catalog.put(this.#locate(resource));
  }

  #locate(resource: PolicyResource): PolicyResource {
    const known = this.#located.get(resource);
    if (known !== undefined) return known;
    const directory = this.#directoryOf(resource.directory);
    const located = directory === resource.directory ? resource : revised(resource, { directory });
    this.#located.set(resource, located);
    return located;
  }
}
