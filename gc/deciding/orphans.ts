import type { Log, PodFacts, PodLookup } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Archive, Identity, Instant, OrphanProof } from '../../policy/types.ts';
import type { Confirmation } from '../deleting/enforce.ts';
import { type Clock, within } from '../system/clock.ts';
import { explain } from '../system/files.ts';
import type { IdentifiedArchive, MissingSince } from './missing-pods.ts';

/** A pod that has archives here which a rule treats otherwise once it is gone. */
export interface WatchedPod {
  readonly namespace: string;
  readonly pod: string;
  /** The shortest grace period of the rules that look at it. */
  readonly graceMs: number;
  readonly archives: readonly IdentifiedArchive[];
}

export interface OrphansOptions {
  readonly pods: PodLookup;
  readonly missing: MissingSince;
  readonly clock: Clock;
  /** False while what the API server says may be old: then it proves nothing and withdraws nothing. */
  readonly isTrusted: () => boolean;
  /** Takes a proof, or null where there is none any more. */
  readonly onProof: (file: string, proof: OrphanProof | null) => void;
  readonly log: Log;
  readonly metrics: CollectorMetrics;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Milliseconds between the beginnings of two look-ups of pods that are new here; default 1,000. */
  readonly apartMs?: number;
}

const AT_ONCE = 4;
/** All nodes of a cluster ask at once when they start, or when a policy begins to treat orphans otherwise. */
const APART_MS = 1_000;

/**
 * Pods that were looked up before are so far apart, however many there are: with the heartbeat of the node's object
 * every five minutes, an idle node makes less than one request a minute.
 */
const AGAIN_APART_MS = 100_000;
/** So many of them at once where a rule's grace period is too short to wait for that. */
const MOST_AT_ONCE_AGAIN = 30;
const SHORT_GRACE_MS = 2 * 60_000;

/** A pod is due again after half the grace period, but at least and at most so often. */
const LONGEST_INTERVAL_MS = 5 * 60_000;
const SHORTEST_INTERVAL_MS = 1_000;

const TIMEOUT_MS = 10_000;
const UNTRUSTED_WAIT_MS = 2_000;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;

/** This many failures in a row mean that the API server is away, and not that one pod may not be looked at. */
const AWAY_AFTER = 4;

/** An answer that counts as "right now" for further archives of the same pod. */
const FRESH_MS = 2_000;

interface Answer {
  readonly facts: PodFacts | null;
  /** When it was asked: of what has come since, an answer that took long says nothing. */
  readonly at: Instant;
  /** The same by the clock that nobody sets. */
  readonly elapsed: number;
}

interface Entry {
  watched: WatchedPod;
  /** When it is looked up next. */
  due: Instant;
  failures: number;
  /** The last answer; undefined before the first. */
  answer: Answer | undefined;
  /** The last answer says nothing of an archive that has come since. */
  isNews: boolean;
  /** The look-up under way; null where it brought no answer. */
  underWay: Promise<Answer | 'unknown'> | null;
}

/**
 * Finds archives whose pod is gone, by look-ups of single pods. Only the API server's own "not found" or another
 * UID proves it; no answer proves nothing and takes nothing back.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  #active = 0;
  #nextStart: Instant = 0;
  /** When the next look-up again would come if all had kept their distance. */
  #nextAgain: Instant = 0;
  #pausedUntil: Instant = 0;
  #failuresInARow = 0;
  #cancelTimer: (() => void) | null = null;
  #stopped = false;

  constructor(options: OrphansOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** Whether every watched pod was looked up once: until then orphans are still to come. */
  get isSettled(): boolean {
    for (const { answer } of this.#entries.values()) if (answer === undefined) return false;
    return true;
  }

  isWatching(namespace: string, pod: string): boolean {
    return this.#entries.has(keyOf(namespace, pod));
  }

  /**
   * Takes the pods of a namespace that matter now, in the place of those that mattered before.
   * @param among only these of the namespace are spoken of; null: all.
   */
  watch(namespace: string, among: ReadonlySet<string> | null, pods: Iterable<WatchedPod>): void {
    const { clock } = this.#options;
    const gone = new Set<string>();
    if (among !== null) for (const pod of among) gone.add(keyOf(namespace, pod));
    else for (const [key, { watched }] of this.#entries) if (watched.namespace === namespace) gone.add(key);
    for (const watched of pods) {
      const key = keyOf(watched.namespace, watched.pod);
      gone.delete(key);
      const entry = this.#entries.get(key);
      if (entry === undefined) {
        const due = clock.now();
        this.#entries.set(key, {
          ...{ watched, due, failures: 0 },
          ...{ answer: undefined, isNews: true, underWay: null },
        });
        continue;
      }
      const isSooner = watched.graceMs < entry.watched.graceMs;
      entry.watched = watched;
      if (isSooner) entry.due = Math.min(entry.due, clock.now() + this.#interval(watched));
      const { answer } = entry;
      if (answer === undefined) continue;
      entry.isNews = isNews(watched, answer, clock.now());
      if (entry.isNews) entry.due = clock.now();
      this.#prove(entry, answer);
    }
    for (const key of gone) this.#forget(key);
    this.#schedule();
  }

  /** Looks the archive's pod up now. */
  async confirm(archive: Archive): Promise<Confirmation> {
    const { identity } = archive;
    const entry = identity === null ? undefined : this.#entries.get(keyOf(identity.namespace, identity.pod));
    if (identity === null || entry === undefined || this.#stopped) return 'unknown';
    const { clock } = this.#options;
    const now = clock.now();
    // While the API server is away, one look-up now and then is enough to know it.
    if (now < this.#pausedUntil) return 'unknown';
    const known = entry.answer;
    // Nobody knows when one from the future was made: only an answer to what is asked from now on speaks of it.
    const isOfFuture = archive.modifiedAt > now;
    const isFresh = !isOfFuture && known !== undefined && clock.elapsed() - known.elapsed < FRESH_MS;
    let answer = isFresh ? known : await this.#lookUp(entry);
    if (isOfFuture && answer !== 'unknown' && answer.at < now) answer = await this.#lookUp(entry);
    if (answer === 'unknown' || !this.#options.isTrusted()) return 'unknown';
    if (!speaksOf(archive, answer, this.#options.clock.now())) return 'unknown';
    return whyGone(identity, answer.facts) === null ? 'disproved' : 'confirmed';
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    for (const { file } of entry.watched.archives) this.#options.onProof(file, null);
    this.#options.missing.forget(entry.watched.namespace, entry.watched.pod);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#active >= AT_ONCE) return;
    const now = this.#options.clock.now();
    const next = this.#next(now);
    if (next === null) return;
    const { entry, start } = next;
    this.#cancelTimer = this.#options.clock.after(Math.max(0, start - now), () => {
      this.#cancelTimer = null;
      if (this.#stopped) return;
      const at = this.#options.clock.now();
      if (at >= start) {
        if (!entry.isNews) this.#nextAgain = Math.max(this.#nextAgain, at) + AGAIN_APART_MS;
        void this.#lookUp(entry);
      }
      this.#schedule();
    });
  }

  /** Which pod is looked up next, and when; of those that may be at one time the one that waits the longest. */
  #next(now: Instant): { readonly entry: Entry; readonly start: Instant } | null {
    // A clock that was set back makes nobody wait for longer.
    this.#nextAgain = Math.min(this.#nextAgain, now + MOST_AT_ONCE_AGAIN * AGAIN_APART_MS);
    const notBefore = Math.min(Math.max(this.#nextStart, this.#pausedUntil), now + LONGEST_BACKOFF_MS);
    let next: { readonly entry: Entry; readonly start: Instant } | null = null;
    for (const entry of this.#entries.values()) {
      if (entry.due - now > 2 * LONGEST_INTERVAL_MS) entry.due = now;
      if (entry.underWay !== null) continue;
      const start = Math.max(entry.due, notBefore, this.#notAgainBefore(entry));
      const before = next === null ? 1 : next.start - start || next.entry.due - entry.due;
      if (before > 0) next = { entry, start };
    }
    return next;
  }

  #notAgainBefore({ isNews, watched }: Entry): Instant {
    if (isNews) return Number.NEGATIVE_INFINITY;
    const ahead = watched.graceMs < SHORT_GRACE_MS ? (MOST_AT_ONCE_AGAIN - 1) * AGAIN_APART_MS : 0;
    return this.#nextAgain - ahead;
  }

  /** Joins a look-up that is under way. Never rejects. */
  #lookUp(entry: Entry): Promise<Answer | 'unknown'> {
    entry.underWay ??= this.#ask(entry).finally(() => {
      entry.underWay = null;
      this.#active -= 1;
      this.#schedule();
    });
    return entry.underWay;
  }

  async #ask(entry: Entry): Promise<Answer | 'unknown'> {
    const { pods, clock, isTrusted, apartMs = APART_MS } = this.#options;
    const { namespace, pod } = entry.watched;
    this.#active += 1;
    const [at, elapsed] = [clock.now(), clock.elapsed()];
    this.#nextStart = at + apartMs;
    if (!isTrusted()) return this.#postpone(entry);
    try {
      const asked = pods.get(namespace, pod).then((facts) => ({ facts }));
      const answered = await within(clock, TIMEOUT_MS, asked);
      if (answered === null) throw new Error(`no answer within ${TIMEOUT_MS / 1_000} s`);
      if (!isTrusted()) return this.#postpone(entry);
      const answer: Answer = { ...answered, at, elapsed };
      this.#answered(entry, answer);
      return answer;
    } catch (error) {
      this.#failed(entry, error);
      return 'unknown';
    }
  }

  #answered(entry: Entry, answer: Answer): void {
    const { clock, log, metrics } = this.#options;
    metrics.podLookups.inc({ result: answer.facts === null ? 'absent' : 'found' });
    if (this.#failuresInARow >= AWAY_AFTER) {
      log.info({}, 'the API server answers look-ups of pods again');
    }
    this.#failuresInARow = 0;
    this.#pausedUntil = 0;
    entry.failures = 0;
    entry.answer = answer;
    // An archive may have come while the answer was on its way.
    entry.isNews = isNews(entry.watched, answer, clock.now());
    entry.due = clock.now() + (entry.isNews ? 0 : this.#interval(entry.watched));
    const { namespace, pod } = entry.watched;
    if (this.#entries.get(keyOf(namespace, pod)) === entry) this.#prove(entry, answer);
  }

  #failed(entry: Entry, error: unknown): void {
    const { clock, log, metrics } = this.#options;
    metrics.podLookups.inc({ result: 'error' });
    entry.failures += 1;
    entry.due = clock.now() + this.#backoff(entry.failures);
    this.#failuresInARow += 1;
    const { namespace, pod } = entry.watched;
    const nothing = 'nothing is taken for an orphan without an answer';
    if (this.#failuresInARow === 1) {
      log.warn(
        { err: error, namespace, pod },
        `a pod could not be looked up (${explain(error)}); ${nothing}`,
      );
    }
    if (this.#failuresInARow < AWAY_AFTER) return;
    if (this.#failuresInARow === AWAY_AFTER) {
      log.error(
        { err: error },
        `the API server does not answer look-ups of pods (${explain(error)}); ${nothing}`,
      );
    }
    this.#pausedUntil = clock.now() + this.#backoff(this.#failuresInARow - AWAY_AFTER + 1);
  }

  /** Answered, but not to be believed now. */
  #postpone(entry: Entry): 'unknown' {
    entry.due = this.#options.clock.now() + UNTRUSTED_WAIT_MS;
    return 'unknown';
  }

  #prove(entry: Entry, answer: Answer): void {
    const { missing, onProof, clock, isTrusted } = this.#options;
    if (!isTrusted()) return;
    const now = clock.now();
    for (const archive of entry.watched.archives) {
      const { file, identity, orphan } = archive;
      if (!speaksOf(archive, answer, now)) continue;
      const why = whyGone(identity, answer.facts);
      const proof = why === null ? null : { since: missing.since(archive, now), why };
      if (why === null) missing.found(identity);
      if (orphan?.since !== proof?.since || orphan?.why !== proof?.why) onProof(file, proof);
    }
  }

  #interval({ graceMs }: WatchedPod): number {
    const interval = Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, graceMs / 2));
    return interval * (0.9 + 0.2 * this.#random());
  }

  #backoff(failures: number): number {
    const wait = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 10));
    return wait * (0.5 + 0.5 * this.#random());
  }
}

/** An answer from before an archive was made says nothing of its pod; one from the future was made some time ago. */
function speaksOf({ modifiedAt }: Archive, { at }: Answer, now: Instant): boolean {
  return modifiedAt <= at || modifiedAt > now;
}

/** Whether there is an archive that this answer says nothing of. */
function isNews({ archives }: WatchedPod, answer: Answer, now: Instant): boolean {
  return archives.some((each) => !speaksOf(each, answer, now));
}

/** Why an archive's pod is not there any more; null when it may be. */
export function whyGone(identity: Identity, facts: PodFacts | null): OrphanProof['why'] | null {
  if (facts === null) return 'absent';
  // Without a UID in the archive a pod of that name may be the very one.
  if (identity.podUid === null || identity.podUid === facts.uid) return null;
  return identity.podUid === facts.configHash ? null : 'replaced';
}

function keyOf(namespace: string, pod: string): string {
  return `${namespace}/${pod}`;
}
