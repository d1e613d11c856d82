import { PIN_SUFFIX, TOMBSTONE_PREFIX } from '../../../gc/archive/names.ts';
import { readTombstone } from '../../../gc/deleting/tombstones.ts';
import type { Archive, DecisionRule, Identity, OrphanProof, PolicyResource } from '../../../policy/types.ts';
import { type Fate, referencePlan } from '../../policy/reference.ts';
import { isGone } from './api-server.ts';
import { BudgetTruth, type Charge } from './budgets.ts';
import { archivesIn, DIRECTORY, type Entry, isArchiveName, type Snapshot } from './directory.ts';
import type { Witness } from './life.ts';
import type { ModelNode } from './node.ts';

/** Milliseconds until a hint of the watch has arrived and been acted on. */
const HINT_MS = 160;
/** A new process, and one whose clock was set, waits again for young archives to stand still. */
const YOUNG_MS = 7_000;
/** Where hints are lost the rescan makes up for it: every minute, and a tenth. */
const RESCAN_MS = 75_000;
/** An archive has to stand still for so long. */
const STILL_MS = 1_000;
/** A look-up may take so long. */
const LOOKUP_MS = 11_000;
/** How old an answer of the API server may be that confirms an orphan. */
const FRESH_MS = 2_300;
/** For so long after the clock was set nothing goes for its age. */
const DOUBT_MS = 600_000;
/** A resource is accepted when for a minute all that it would do could be seen. */
const PROBATION_MS = 55_000;

/** The longest wait after a deletion that failed, and a quarter. */
const STUCK_MS = 750_000;

const BY_TIME: ReadonlySet<DecisionRule> = new Set(['age', 'orphan', 'unidentified']);

/** A file on its way out. */
interface Doomed {
  readonly name: string;
  readonly entry: Entry;
  /** Whose budget it is of; null where that is not certain. */
  readonly charge: Charge | null;
}

/**
 * Stands beside the collector and looks at each of its calls that change the directory, knowing the truth: whether
 * the slow reference planner asks for that deletion too, of the directory as it is or was a moment ago.
 */
export class Judge implements Witness {
  /** The first thing that was wrong. */
  fault: string | null = null;
  deletions = 0;
  readonly budgets = new BudgetTruth();
  readonly #node: ModelNode;
  readonly #doomed = new Map<string, Doomed>();
  /** When each name was last seen on its way out. */
  readonly #triedAt = new Map<string, number>();
  /** The last deletion, and the first of those that followed one another as look-ups let them. */
  #doomedAt = Number.NEGATIVE_INFINITY;
  #firstDoomedAt = Number.NEGATIVE_INFINITY;

  constructor(node: ModelNode) {
    this.#node = node;
  }

  fail(what: string): void {
    if (this.fault !== null) return;
    this.fault = what;
    this.#node.tell(`WRONG: ${what}`);
  }

  rename(from: string, to: string): void {
    const [name, tombstone] = [nameIn(from), nameIn(to)];
    this.#node.tell(`        renames ${name}`);
    const { entries } = this.#node.directory.now;
    if (name === null || !isArchiveName(name)) this.fail(`${from}, which is no archive, is renamed`);
    else if (!tombstone?.startsWith(TOMBSTONE_PREFIX)) this.fail(`${from} is renamed to ${to}`);
    else if (entries.has(tombstone)) this.fail(`${from} is renamed onto ${to}`);
    else this.#doom(name, tombstone);
  }

  #doom(name: string, tombstone: string): void {
    const { entries } = this.#node.directory.now;
    const entry = entries.get(name);
    // Somebody else was quicker.
    if (entry === undefined) return;
    this.#doomed.set(tombstone, { name, entry, charge: this.#chargeOf(name) });
    this.#triedAt.set(name, this.#node.clock.elapsed());
    if (entries.has(name + PIN_SUFFIX)) this.fail(`${name} is pinned and deleted`);
    this.deletions += 1;
    const why = this.#objection(name, entry);
    if (why !== null) this.fail(`${name} is deleted, although ${why}`);
    const elapsed = this.#node.clock.elapsed();
    if (elapsed - this.#doomedAt >= LOOKUP_MS) this.#firstDoomedAt = elapsed;
    this.#doomedAt = elapsed;
  }

  /** A request at the door deletes what it takes the place of, which no budget bounds. */
  #chargeOf(name: string): Charge | null {
    const { directory, clock, policies, evicting } = this.#node;
    if (evicting.has(name)) return null;
    const now = clock.now();
    const archives = archivesIn(directory.now, now, clock.elapsed(), (identity) => this.#proofOf(identity));
    const { disk } = directory.now;
    return this.budgets.chargeOf({ name, archives, disk, now, acting: policies.acting() });
  }

  renamed(_from: string, to: string): void {
    this.#gone(nameIn(to) ?? '');
  }

  /** Of a tombstone it counts already. */
  unlinked(path: string): void {
    const name = nameIn(path);
    if (name !== null && isArchiveName(name)) this.#gone(name);
  }

  #gone(tombstone: string): void {
    const doomed = this.#doomed.get(tombstone);
    if (!doomed?.charge) return;
    const { charge, entry, name } = doomed;
    const why = this.budgets.take(charge, tombstone, entry.content.length, this.#node.clock.elapsed());
    if (why !== null) this.fail(`${name} is deleted beyond the budget: ${why}`);
  }

  linked(existing: string): void {
    this.budgets.giveBack(nameIn(existing) ?? '');
  }

  link(existing: string, name: string): void {
    const doomed = this.#doomed.get(nameIn(existing) ?? '');
    this.#node.tell(`        gives ${doomed?.name} its name back`);
    if (doomed === undefined || nameIn(name) !== doomed.name) this.fail(`${existing} is linked to ${name}`);
  }

  unlink(path: string): void {
    const name = nameIn(path);
    const { fault } = this.#node.weather;
    if (name !== null && isArchiveName(name) && fault?.operation === 'rename' && fault.code === 'ENOSPC') {
      this.#node.tell(`        unlinks ${name}, for there is no room for a tombstone`);
      // It was judged when it was to be renamed.
      const former = [...this.#doomed.values()].findLast((each) => each.name === name);
      const present = this.#node.directory.now.entries.get(name);
      if (former !== undefined) this.#doomed.set(name, former);
      if (former === undefined || (present && !isSameByFacts(present, former.entry)))
        this.fail(`${name} is not what was to be renamed, and is unlinked`);
      if (this.#node.directory.now.entries.has(name + PIN_SUFFIX)) this.fail(`${name} is pinned and deleted`);
      return;
    }
    const tombstone = nameIn(path) ?? '';
    const doomed = this.#doomed.get(tombstone);
    if (doomed === undefined) {
      this.fail(`${path}, which is no tombstone of an archive, is unlinked`);
      return;
    }
    const { entries } = this.#node.directory.now;
    const entry = entries.get(tombstone);
    if (entry === undefined || entries.get(doomed.name)?.inode === entry.inode) return;
    this.#node.tell(`        unlinks ${doomed.name}`);
    // Who overwrites it while it is renamed, and gives it its mtime back, is not seen: a rename sets the ctime, too.
    if (!isSameByFacts(entry, doomed.entry)) this.fail(`${doomed.name} is another file by now, and unlinked`);
    // A name that is too long for a tombstone is found again by its pin alone.
    if (entries.has(doomed.name + PIN_SUFFIX) && readTombstone(tombstone)?.file !== null)
      this.fail(`${doomed.name} was pinned before its last look, and is unlinked`);
  }

  /** Why the truth would keep it, at each moment that the collector may have decided by; null when it would not. */
  #objection(name: string, entry: Entry): string | null {
    const { clock, directory } = this.#node;
    const elapsed = clock.elapsed();
    const windowMs = this.windowMs();
    const isBlind = windowMs >= RESCAN_MS;
    let why: string | null = null;
    let end = elapsed;
    let isThere = true;
    const [newest, oldest] = [new Map<string, Entry>(), new Map<string, Entry>()];
    for (const snapshot of directory.within(windowMs)) {
      const then = snapshot.entries.get(name);
      isThere &&= then !== undefined && isSameFile(then, entry);
      if (!isThere && !isBlind) return why ?? 'it is not what was decided on';
      for (const moment of isThere ? this.#moments(snapshot, end, windowMs) : []) {
        const objection = this.#objectionAt(snapshot, moment, name);
        if (objection === null) return null;
        why ??= objection;
      }
      end = snapshot.at;
      if (!isBlind) continue;
      // Where events were lost the collector may know that one file has come, and not that another has gone.
      for (const [each, of] of snapshot.entries) {
        if (!newest.has(each)) newest.set(each, of);
        oldest.set(each, of);
      }
      // Of a file that it has tried to delete it knows more.
      const tried = new Map([...oldest, ...[...newest].filter(([each]) => this.#isTried(each, windowMs))]);
      for (const others of [tried, ...mixtures(newest, oldest)]) {
        const entries = new Map(others).set(name, entry);
        if (this.#objectionAt({ ...snapshot, entries }, elapsed, name) === null) return null;
      }
      // Or of none that came since then, though the disk tells of their bytes.
      const former = { ...directory.now, entries: new Map(snapshot.entries).set(name, entry) };
      if (this.#objectionAt(former, elapsed, name) === null) return null;
    }
    return why ?? 'it was not there';
  }

  /** When what stands so may have been decided on: what was young may have been so, or by a clock that was set not. */
  #moments(snapshot: Snapshot, end: number, windowMs: number): Iterable<number> {
    const { clock, clockMoved } = this.#node;
    const start = Math.max(snapshot.at, clock.elapsed() - windowMs);
    const stills = [...snapshot.entries.values()].map(({ since }) => since + STILL_MS - 1);
    const isSet = end - clockMoved.at < YOUNG_MS && clockMoved.by > 0;
    return new Set([
      end,
      start,
      ...stills.filter((still) => still > start && still < end),
      ...(isSet ? [end + clockMoved.by] : []),
    ]);
  }

  #isTried(name: string, ms: number): boolean {
    return this.#node.clock.elapsed() - (this.#triedAt.get(name) ?? Number.NEGATIVE_INFINITY) < ms;
  }

  /** For so long the collector may go by what is not so any more. */
  windowMs(): number {
    const { clock, weather, files, process, disturbedAt, clockSetAt, api, flavour } = this.#node;
    const elapsed = clock.elapsed();
    // Whoever is evicted as an orphan is looked up once more, and what is decided meanwhile waits.
    const isWaiting = flavour === 'pressure' && elapsed - api.slowAt < LOOKUP_MS;
    const slow = 4 * weather.latencyMs + (isWaiting ? LOOKUP_MS + this.#passMs() : 0);
    const isDisturbed = files.deaf || weather.fault !== null || elapsed - disturbedAt < RESCAN_MS;
    if (isDisturbed) return RESCAN_MS + slow;
    const isNew = elapsed - (process?.startedAt ?? 0) < YOUNG_MS || elapsed - clockSetAt < YOUNG_MS;
    return (isNew ? YOUNG_MS : HINT_MS) + slow;
  }

  /** For how long it carries out what it decided once, while look-ups are slow: after a minute it looks anew. */
  #passMs(): number {
    const elapsed = this.#node.clock.elapsed();
    const isGoingOn = elapsed - this.#doomedAt < LOOKUP_MS;
    return isGoingOn ? Math.min(elapsed - this.#firstDoomedAt, RESCAN_MS) : 0;
  }

  /** Of orphans the collector may know less than it was told: what it knows of them dies with it. */
  #objectionAt(snapshot: Snapshot, elapsed: number, name: string): string | null {
    const then = this.#node.wallAt(elapsed);
    const archives = archivesIn(snapshot, then, elapsed, (identity) => this.#proofOf(identity));
    const why = this.#objectionOf(archives, snapshot, name);
    if (why === null || archives.every(({ orphan }) => orphan === null)) return why;
    const unproven = (isKnown: (archive: Archive) => boolean) =>
      archives.map((archive) => (isKnown(archive) ? archive : { ...archive, orphan: null }));
    if (this.#objectionOf(this.#sinceTheyCame(archives, snapshot, elapsed), snapshot, name) === null)
      return null;
    const knowsOthers = unproven(({ file }) => file !== name);
    if (this.#objectionOf(knowsOthers, snapshot, name) === null) return null;
    return this.#objectionOf(
      unproven(() => false),
      snapshot,
      name,
    ) === null
      ? null
      : why;
  }

  /** Since when a pod is missing is forgotten with the last of its archives. */
  #sinceTheyCame(archives: readonly Archive[], { entries }: Snapshot, elapsed: number): readonly Archive[] {
    const now = this.#node.clock.now();
    return archives.map((archive) => {
      const { orphan, file } = archive;
      const came = now - (elapsed - (entries.get(file)?.since ?? elapsed));
      return orphan === null
        ? archive
        : { ...archive, orphan: { ...orphan, since: Math.max(orphan.since, came) } };
    });
  }

  #objectionOf(archives: readonly Archive[], snapshot: Snapshot, name: string): string | null {
    const why = this.#objectionBy(archives, snapshot, name);
    if (why === null) return null;
    // What could not be deleted gives nothing back to a disk under pressure, so others go in its place.
    const isStuck = ({ file }: Archive) => file !== name && this.#isTried(file, STUCK_MS);
    if (!archives.some(isStuck)) return why;
    const stuck = archives.map((each) => (isStuck(each) ? { ...each, allocatedBytes: 0 } : each));
    return this.#objectionBy(stuck, snapshot, name) === null ? null : why;
  }

  #objectionBy(archives: readonly Archive[], snapshot: Snapshot, name: string): string | null {
    const { policies, clock, api, clockSetAt, setAheadBy } = this.#node;
    const now = clock.now();
    const leaving = policies.leaving(api.moment);
    // Of two versions one has acted, and goes on protecting.
    const perhaps = policies.perhapsLeaving(api.moment);
    const maybe = [[], perhaps, ...perhaps.map((each) => [each])];
    const isPressed = [...policies.newest, ...leaving, ...policies.acting().flat()].some(
      (each) => each.pressure,
    );
    const asks = (
      resources: readonly PolicyResource[],
      those: readonly Archive[] = archives,
      // What only has to ask as well is held by no breaker.
      isActing = true,
      at = now,
    ): string | null => {
      const fates = referencePlan({ archives: those, disk: snapshot.disk }, resources, at);
      const fate = fates.get(name);
      if (fate?.action !== 'delete') return `the policies keep it (${fate?.rule})`;
      return isActing && at === now ? this.#bounds(fate, fates, those, snapshot.entries.get(name)) : null;
    };
    const ofPass = (): string | null => {
      const acting = first(policies.acting(), (set) => asks(set));
      const protecting = () =>
        first(maybe, (more) =>
          first(policies.acting(), (set) => asks([...set, ...leaving, ...more], archives, isPressed)),
        );
      // What is protected for a while frees nothing, and others are evicted in its place.
      if (isPressed) return acting && protecting() && asks(policies.newest);
      return acting ?? asks(policies.newest, archives, false) ?? protecting();
    };
    const why = ofPass();
    if (why === null) return null;
    for (const promised of this.#withPromises(archives, snapshot)) {
      for (const set of maybe) {
        const known = [...policies.newest, ...leaving, ...set];
        if (asks(known, promised) === null) return null;
        // A request goes by the time that it was, until the new one is believed.
        const isDoubted = api.moment.elapsed - clockSetAt <= DOUBT_MS + HINT_MS;
        if (isDoubted && asks(known, promised, true, now - setAheadBy) === null) return null;
      }
    }
    return why;
  }

  /** What a request at the door counts: promises beside archives, or archives that are known to be theirs. */
  *#withPromises(archives: readonly Archive[], { entries }: Snapshot): Generator<readonly Archive[]> {
    const { process, clock } = this.#node;
    const reserved = process?.door?.ledger.reserved() ?? [];
    if (reserved.length === 0) return;
    const promises = reserved.map(({ namespace, pod, container, bytes, id }): Archive => {
      const identity = { namespace, pod, container, podUid: null };
      const kept = { pinned: false, staleTailBytes: 0, orphan: null, allocatedBytes: 0 };
      return { file: `promise ${id}`, bytes, modifiedAt: clock.now(), state: 'reserved', identity, ...kept };
    });
    yield [...archives, ...promises];
    const whole = archivesIn(
      { entries, at: 0, disk: this.#node.files.disk },
      clock.now(),
      Number.POSITIVE_INFINITY,
      (identity) => this.#proofOf(identity),
    );
    const isThere = new Set(
      reserved.flatMap(({ file, id }) => (file && entries.has(file) ? [`promise ${id}`] : [])),
    );
    yield [...whole, ...promises.filter(({ file }) => !isThere.has(file))];
  }

  /** What the truth knows of a pod's absence: since the API server has first told it. */
  #proofOf(identity: Identity): OrphanProof | null {
    const { api, clock } = this.#node;
    const missing = api.missingSince(identity);
    const answer = api.lastAnswer(identity);
    if (missing === null || answer === null || !isGone(identity.podUid, answer.pod)) return null;
    const gone = Math.max(clock.now() - missing.wall, clock.elapsed() - missing.elapsed);
    return { since: clock.now() - gone, why: answer.pod === null ? 'absent' : 'replaced' };
  }

  /** What else must be so for a deletion that the policies ask for. */
  #bounds(
    { rule, by }: Fate,
    fates: ReadonlyMap<string, Fate>,
    archives: readonly Archive[],
    entry: Entry | undefined,
  ): string | null {
    const { clock, doubtedAt, process } = this.#node;
    const elapsed = clock.elapsed();
    const startedAt = process?.startedAt ?? 0;
    if (BY_TIME.has(rule) && doubtedAt > startedAt && elapsed - doubtedAt < DOUBT_MS)
      return `the clock was set ${elapsed - doubtedAt} ms ago, and the rule is ${rule}`;
    if (rule === 'orphan' && entry !== undefined) {
      const why = this.#unproven(archives, entry);
      if (why !== null) return why;
    }
    const resource = by === null ? null : 'rules' in by ? by : by.resource;
    return resource === null ? null : this.#unconfirmed(resource, fates, archives);
  }

  #unproven(archives: readonly Archive[], entry: Entry): string | null {
    const { api, clock, weather } = this.#node;
    const identity = archives.find(({ file }) => file === entry.name)?.identity;
    const answer = identity ? api.lastAnswer(identity) : null;
    if (answer === null) return 'nobody has proved that its pod is gone';
    const age = clock.elapsed() - answer.told.elapsed;
    if (age > FRESH_MS + 4 * weather.latencyMs) return `the proof that its pod is gone is ${age} ms old`;
    const isYounger = entry.modifiedUs / 1_000 > answer.asked.wall && entry.since > answer.asked.elapsed;
    return isYounger ? 'it was made after the API server was asked for its pod' : null;
  }

  #unconfirmed(
    resource: PolicyResource,
    fates: ReadonlyMap<string, Fate>,
    archives: readonly Archive[],
  ): string | null {
    const { clock, policies } = this.#node;
    const { breaker, confirmed, rules } = resource;
    if (confirmed.length > 0 || rules.some(({ retainOrphan }) => !retainOrphan)) return null;
    // Where events are lost it is counted in parts, as they are found.
    if (this.windowMs() >= RESCAN_MS || !policies.isNewerThan(PROBATION_MS, resource, clock.elapsed()))
      return null;
    const isNew = clock.elapsed() - (this.#node.process?.startedAt ?? 0) < YOUNG_MS;
    // A new process waits for the others to stand still.
    const seen = archives.filter(
      ({ identity, modifiedAt }) => !isNew || (identity !== null && clock.now() - modifiedAt > YOUNG_MS),
    );
    const own = seen.filter(({ file }) => {
      const { action, by } = fates.get(file) ?? { action: 'keep', by: null };
      return action === 'delete' && by !== null && ('rules' in by ? by : by.resource) === resource;
    }).length;
    const count = archives.filter(({ state }) => state !== 'reserved').length;
    const trips = own >= breaker.minArchives && own > breaker.maxShare * count;
    return trips ? `its new policy would delete ${own} of ${count} and nobody has confirmed it` : null;
  }
}

/** The name in the directory; null for what is elsewhere. */
function nameIn(path: string): string | null {
  const prefix = `${DIRECTORY}/`;
  const name = path.startsWith(prefix) ? path.slice(prefix.length) : '';
  return name === '' || name.includes('/') ? null : name;
}

/** What is known of two moments: all of one, and of the other one file. */
function* mixtures(
  newest: ReadonlyMap<string, Entry>,
  oldest: ReadonlyMap<string, Entry>,
): Generator<ReadonlyMap<string, Entry>> {
  yield newest;
  yield oldest;
  for (const [name, entry] of newest) {
    const older = oldest.get(name);
    if (older === undefined || older === entry || isSameFile(older, entry)) continue;
    yield new Map(oldest).set(name, entry);
    yield new Map(newest).set(name, older);
  }
}

function isSameFile(one: Entry, other: Entry): boolean {
  return isSameByFacts(one, other) && one.content === other.content;
}

function isSameByFacts(one: Entry, other: Entry): boolean {
  const isAsLong = one.content.length === other.content.length;
  return one.inode === other.inode && one.modifiedUs === other.modifiedUs && isAsLong;
}

/** Null when one of them has no objection. */
function first<T>(all: readonly T[], objection: (one: T) => string | null): string | null {
  let why: string | null = 'nothing acts';
  for (const each of all) {
    why = objection(each);
    if (why === null) return null;
  }
  return why;
}
