import { scopeLabel } from '../../../policy/govern.ts';
import type { PolicyResource, Rule } from '../../../policy/types.ts';
import type { Moment } from './api-server.ts';

const LEAVING_MS = 60_000;

interface Entry {
  /** What acts; null while a new resource waits. */
  readonly acting: PolicyResource | null;
  /** What waits for the next checkpoint; null when nothing does. */
  readonly pending: PolicyResource | null;
  /** A checkpoint may have come since, so that either may act. */
  readonly mayAct: boolean;
  /** Whether a next process knows for certain that it waits. */
  readonly isKept: boolean;
}

interface Leaving {
  readonly resource: PolicyResource;
  readonly since: Moment;
  /** Whether it did act. */
  readonly isCertain: boolean;
}

/** Which policies a process was told, and which of them may act: the design's sentences once more. */
export class PolicyTruth {
  #entries = new Map<string, Entry>();
  #leaving: Leaving[] = [];
  /** What waited when the process began. */
  #recalled: ReadonlyMap<string, Entry> = new Map();
  #isFirst = true;
  /** When each spec was first told, by the clock that only goes on. */
  readonly #firstTold = new Map<string, number>();

  /** @param hadBegun whether the process that is gone had taken in any policies. */
  restart(hadBegun: boolean): void {
    const waiting = [...this.#entries].filter(([, { pending }]) => pending !== null);
    if (hadBegun)
      this.#recalled = new Map(
        waiting.map(([key, each]) => [key, { ...each, mayAct: each.mayAct || !each.isKept }]),
      );
    this.begin();
  }

  /** A new process knows what waited, and nothing else. */
  begin(): void {
    this.#entries = new Map(this.#recalled);
    this.#leaving = [];
    this.#isFirst = true;
  }

  /** It was told, and is still alive. */
  taken(): void {
    for (const [key, entry] of this.#entries) this.#entries.set(key, { ...entry, isKept: true });
  }

  /** Something came into the directory. */
  checkpointMayHaveCome(): void {
    for (const [key, entry] of this.#entries) {
      if (entry.pending !== null) this.#entries.set(key, { ...entry, mayAct: true });
    }
  }

  /** @param mayHaveCome an archive came a moment ago, and the collector may see it only now. */
  tell(resources: readonly PolicyResource[], now: Moment, mayHaveCome: boolean): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const resource of resources) {
      const key = `${resource.reference.namespace}/${resource.reference.name}`;
      this.#firstTold.set(resource.canonicalSpec, this.#firstTold.get(resource.canonicalSpec) ?? now.elapsed);
      const old = before.get(key);
      if (
        old?.pending?.canonicalSpec === resource.canonicalSpec &&
        old.pending.reference.uid === resource.reference.uid
      ) {
        this.#entries.set(key, { ...old, pending: resource, mayAct: old.mayAct || mayHaveCome });
        continue;
      }
      // A checkpoint may have let the one that waited act in the meantime, or not.
      const former = old?.mayAct ? old.pending : (old?.acting ?? null);
      const isSame = former !== null && former.reference.uid === resource.reference.uid;
      const saysTheSame =
        isSame && former.canonicalSpec === resource.canonicalSpec && former.authority === resource.authority;
      const isThereAtStart = this.#isFirst && old === undefined;
      const acts = isThereAtStart || resource.applyImmediately || !resource.sound || saysTheSame;
      const entry = acts
        ? { acting: resource, pending: null, mayAct: false, isKept: false }
        : {
            acting: isSame ? former : null,
            pending: resource,
            mayAct: mayHaveCome || old?.mayAct === true,
            isKept: this.#isFirst && old?.isKept === true,
          };
      this.#leaveAll(old, entry.acting, now);
      this.#entries.set(key, entry);
    }
    for (const [key, old] of before) if (!this.#entries.has(key)) this.#leaveAll(old, null, now);
    this.#isFirst = false;
  }

  /** What the authors want now. */
  get newest(): readonly PolicyResource[] {
    return [...this.#entries.values()].flatMap(({ acting, pending }) => pending ?? acting ?? []);
  }

  /** Every set that may act now. */
  acting(): readonly (readonly PolicyResource[])[] {
    return [...this.#entries.values()].reduce<readonly (readonly PolicyResource[])[]>(
      (sets, { acting, pending, mayAct }) => {
        const choices = mayAct ? [acting, pending] : [acting];
        return sets.flatMap((set) => choices.map((each) => (each === null ? set : [...set, each])));
      },
      [[]],
    );
  }

  /** What was removed within the last minute goes on protecting. */
  leaving(moment: Moment): readonly PolicyResource[] {
    return this.#recent(moment).flatMap(({ resource, isCertain }) => (isCertain ? resource : []));
  }

  /** What goes on so if it had begun to act, which nobody can tell. */
  perhapsLeaving(moment: Moment): readonly PolicyResource[] {
    return this.#recent(moment).flatMap(({ resource, isCertain }) => (isCertain ? [] : resource));
  }

  #recent({ wall, elapsed }: Moment): readonly Leaving[] {
    const isRecent = ({ since }: Leaving) =>
      Math.max(wall - since.wall, elapsed - since.elapsed) < LEAVING_MS;
    return this.#leaving.filter(isRecent);
  }

  /** Whether this spec was never told before the last so many milliseconds. */
  isNewerThan(ms: number, { canonicalSpec }: PolicyResource, elapsed: number): boolean {
    return elapsed - (this.#firstTold.get(canonicalSpec) ?? elapsed) < ms;
  }

  #leaveAll(old: Entry | undefined, successor: PolicyResource | null, now: Moment): void {
    if (old?.acting) this.#leave(old.acting, successor, now, !old.mayAct);
    if (old?.pending && old.mayAct) this.#leave(old.pending, successor, now, false);
  }

  #leave(former: PolicyResource, successor: PolicyResource | null, since: Moment, isCertain: boolean): void {
    const isSuccessor = successor?.reference.uid === former.reference.uid;
    const targets = new Set(isSuccessor ? successor?.rules.map(({ scope }) => scopeLabel(scope)) : []);
    const dropped = former.rules.filter(({ scope }) => !targets.has(scopeLabel(scope)));
    if (dropped.length === 0) return;
    const rules: Rule[] = [];
    const { unidentified: _, ...rest } = former;
    const name = `${former.reference.name} (removed ${this.#leaving.length})`;
    const copy: PolicyResource = { ...rest, reference: { ...former.reference, name }, rules };
    for (const rule of dropped) rules.push({ ...rule, resource: copy });
    this.#leaving.push({ resource: copy, since, isCertain });
  }
}
