import { PolicySet, resourceKey, scopeLabel } from '../../policy/govern.ts';
import type { Retentions } from '../../policy/schedule/retentions.ts';
import { DEFAULT_DIRECTORY } from '../../policy/schema.ts';
import type { Instant, PolicyResource, ResourceReference, Rule } from '../../policy/types.ts';
import type { WaitingState } from './waiting-state.ts';

export interface ActiveOptions {
  /** The collector's directory. */
  readonly directory: string;
  /** Policies from files: one for the kubelet's directory is meant for this one, wherever it is. */
  readonly lenientDirectory: boolean;
  /** Whether another path leads to the collector's directory, by way of a link; default: none does. */
  readonly isSameDirectory?: (path: string) => boolean;
  /** What schedules keep of the archives that they had made; default: there are no schedules. */
  readonly retentions?: Retentions;
  /** What waited when the last process ended; default: nothing did. */
  readonly waiting?: WaitingState;
}

interface Entry {
  /** What acts; null while a new resource waits. */
  acting: PolicyResource | null;
  /** What will act from the next checkpoint on; null when nothing waits. */
  pending: PolicyResource | null;
}

/** How long what was removed goes on protecting: `kubectl replace --force` removes a resource to make it anew. */
const LEAVING_MS = 60_000;

/**
 * Which version of each resource acts. With `applyPoliciesImmediately: false` a new or changed resource waits for
 * the next checkpoint on this node, and its former version acts until then, through restarts too; what else is known
 * at the start acts at once, and what was removed deletes no more. Nothing waits to protect: see `vetoes`.
 */
export class ActivePolicies {
  readonly #options: ActiveOptions;
  readonly #entries = new Map<string, Entry>();
  /** What acted and was removed, made anew, or lost a target a moment ago. */
  #leaving: readonly { readonly resource: PolicyResource; readonly until: Instant }[] = [];
  #isFirst = true;
  #set: PolicySet;
  #forRequests: PolicySet;
  #vetoes: readonly PolicySet[] = [];
  #elsewhere: readonly PolicyResource[] = [];

  constructor(options: ActiveOptions) {
    this.#options = options;
    for (const { key, acting } of options.waiting?.recall() ?? [])
      this.#entries.set(key, { acting, pending: null });
    this.#set = new PolicySet([], options.retentions);
    this.#forRequests = this.#set;
  }

  /** Whether it was told what there is. */
  get isKnown(): boolean {
    return !this.#isFirst;
  }

  /** The policies that act on this directory. Another object after each change. */
  get set(): PolicySet {
    return this.#set;
  }

  /**
   * By what a request for a checkpoint is judged: what acts once it was taken, or a resource that waits for one could
   * refuse the very one that it waits for; and what was removed a moment ago, so that no request deletes more.
   */
  get forRequests(): PolicySet {
    return this.#forRequests;
  }

  /**
   * What the policies will be when all that waits acts, and what they were before a removal. A deletion that one of
   * these does not ask for, too, is not carried out.
   */
  get vetoes(): readonly PolicySet[] {
    return this.#vetoes;
  }

  /** When a removal is no longer recent; null when none is. */
  nextDue(): Instant | null {
    let next: Instant | null = null;
    for (const { until } of this.#leaving) if (next === null || until < next) next = until;
    return next;
  }

  /** Resources that would act, if they were for this directory. */
  get elsewhere(): readonly PolicyResource[] {
    return this.#elsewhere;
  }

  /** Resources that wait for the next checkpoint. */
  get pending(): readonly PolicyResource[] {
    return [...this.#entries.values()].flatMap(({ pending }) => pending ?? []);
  }

  /** Of all resources that are there, and of those that were removed a moment ago. */
  *references(): Generator<ResourceReference> {
    for (const { acting, pending } of this.#entries.values()) {
      if (acting !== null) yield acting.reference;
      if (pending !== null) yield pending.reference;
    }
    for (const { resource } of this.#leaving) yield resource.reference;
  }

  /** Takes in what the source holds now; whether it changes what is deleted. */
  update(resources: readonly PolicyResource[], now: Instant): boolean {
    this.#leaving = this.#leaving.filter(({ until }) => until > now);
    const keys = new Set<string>();
    for (const resource of resources) {
      const key = resourceKey(resource.reference);
      keys.add(key);
      const former = this.#entries.get(key);
      const next = this.#next(former, resource);
      if (former?.acting) this.#leave(former.acting, next.acting, now);
      this.#entries.set(key, next);
    }
    for (const [key, { acting }] of this.#entries) {
      if (keys.has(key)) continue;
      this.#entries.delete(key);
      if (acting) this.#leave(acting, null, now);
    }
    this.#isFirst = false;
    this.#keepWaiting();
    return this.#rebuild();
  }

  /** A file that was cut off behind a list entry can still be read: what a version lacks is as good as removed. */
  #leave(former: PolicyResource, successor: PolicyResource | null, now: Instant): void {
    const isSuccessor = successor?.reference.uid === former.reference.uid;
    const targets = new Set(isSuccessor ? successor?.rules.map(({ scope }) => scopeLabel(scope)) : []);
    const dropped = former.rules.filter(({ scope }) => !targets.has(scopeLabel(scope)));
    if (dropped.length === 0) return;
    const resource = onlyWith(former, dropped, this.#leaving.length);
    this.#leaving = [...this.#leaving, { resource, until: now + LEAVING_MS }];
  }

  /** A checkpoint was taken: what has waited for it acts. Whether there was any. */
  checkpointTaken(): boolean {
    if (this.pending.length === 0) return false;
    for (const entry of this.#entries.values()) {
      entry.acting = entry.pending ?? entry.acting;
      entry.pending = null;
    }
    this.#keepWaiting();
    return this.#rebuild();
  }

  #keepWaiting(): void {
    const { waiting } = this.#options;
    if (waiting === undefined) return;
    const entries = [...this.#entries].filter(([, { pending }]) => pending !== null);
    waiting.keep(entries.map(([key, { acting }]) => ({ key, acting })));
  }

  #next(entry: Entry | undefined, resource: PolicyResource): Entry {
    const former = entry?.acting ?? null;
    // One that was deleted and made anew is another resource.
    const known = former !== null && former.reference.uid === resource.reference.uid ? former : null;
    // One with errors deletes nothing and keeps broader policies away from its targets: that cannot wait.
    const isThereAtStart = this.#isFirst && entry === undefined;
    const actsNow = isThereAtStart || resource.applyImmediately || !resource.sound;
    if (actsNow || (known !== null && saysTheSame(known, resource)))
      return { acting: resource, pending: null };
    return { acting: known, pending: resource };
  }

  #rebuild(): boolean {
    const entries = [...this.#entries.values()];
    const acting = entries.flatMap((entry) => entry.acting ?? []);
    this.#elsewhere = acting.filter((each) => !this.#isHere(each));
    const coming = entries.flatMap((entry) => entry.pending ?? entry.acting ?? []);
    const leaving = this.#leaving.map(({ resource }) => resource);
    const setOf = (resources: readonly PolicyResource[]) =>
      new PolicySet(
        resources.filter((each) => this.#isHere(each)),
        this.#options.retentions,
      );
    const set = setOf(acting);
    const forRequests = setOf([...coming, ...leaving]);
    const vetoes = [setOf(coming), setOf([...acting, ...leaving])].filter((each) => !isSameSet(each, set));
    if (!isSameSet(forRequests, this.#forRequests)) this.#forRequests = forRequests;
    if (isSameSet(set, this.#set) && isSameList(vetoes, this.#vetoes)) return false;
    this.#set = set;
    this.#vetoes = vetoes;
    return true;
  }

  #isHere({ directory }: PolicyResource): boolean {
    const { directory: own, lenientDirectory, isSameDirectory } = this.#options;
    if (directory === own || (lenientDirectory && directory === DEFAULT_DIRECTORY)) return true;
    return isSameDirectory?.(directory) ?? false;
  }
}

/** Under another name, for the resource may be there again, or still be there with other targets. */
function onlyWith(resource: PolicyResource, dropped: readonly Rule[], number: number): PolicyResource {
  const { unidentified: _, ...former } = resource;
  const rules: Rule[] = [];
  const name = `${resource.reference.name} (removed a moment ago, ${number})`;
  const copy: PolicyResource = { ...former, reference: { ...resource.reference, name }, rules };
  for (const rule of dropped) rules.push({ ...rule, resource: copy });
  return copy;
}

function saysTheSame(one: PolicyResource, other: PolicyResource): boolean {
  return one.canonicalSpec === other.canonicalSpec && one.authority === other.authority;
}

function isSameSet(one: PolicySet, other: PolicySet | undefined): boolean {
  if (other === undefined || one.size !== other.size) return false;
  const resources = new Set(one.resources());
  for (const each of other.resources()) if (!resources.has(each)) return false;
  return true;
}

function isSameList(one: readonly PolicySet[], others: readonly PolicySet[]): boolean {
  if (one.length !== others.length) return false;
  return others.every((other, index) => {
    const each = one[index];
    return each !== undefined && isSameSet(each, other);
  });
}
