import { PolicyCatalog } from '../policy/catalog.ts';
import { resourceKey } from '../policy/govern.ts';
import { readResource } from '../policy/read.ts';
import { DEFAULT_DIRECTORY } from '../policy/schema.ts';
import type { Authority, Instant, PolicyResource } from '../policy/types.ts';
import type { PolicySource } from '../source/source.ts';
import { objectIn } from './review.ts';
import { type Place, TextRing } from './text-ring.ts';

/** What may be held on top of the source. */
export interface HoldLimits {
  /** Milliseconds: how long an informer may lag. */
  readonly time: number;
  readonly resources: number;
  /** In all: one resource can have 30,000. */
  readonly rules: number;
  /** Of the texts of those laid aside. */
  readonly bytes: number;
}

const LIMITS: HoldLimits = { time: 5_000, resources: 1_000, rules: 100_000, bytes: 4 * 1024 * 1024 };

/** Rules that are taken out in one turn: a thousand resources of fifty kilobytes would keep reviews waiting for 60 ms. */
const MOST_ENDED = 500;

/** Characters; what is longer is put into the catalog at once. */
const LONGEST_ASIDE = 16_384;

interface Held {
  readonly reference: PolicyResource['reference'];
  readonly authority: Authority;
  readonly rules: number;
  /** Where the review that it came in stands while it is laid aside; null once it is in the catalog. */
  aside: Place | null;
  /** What the source showed when it was admitted: once it shows anything else, it is ahead. */
  readonly before: string | undefined;
  readonly until: Instant;
}

/**
 * The policies of a source, indexed, following its changes one resource at a time. What has just been admitted
 * is held on top for some seconds, until the source shows it: so the second of two resources that conflict is
 * refused although no informer has seen the first.
 *
 * One that speaks of its own namespace alone is laid aside as a text until somebody asks for what is beside a
 * resource that speaks of that namespace, which hardly anybody does: its rules, each with its place in the index,
 * would be most of what V8's collector has to carry along under load.
 */
export class LiveCatalog {
  readonly #source: PolicySource;
  readonly #now: () => Instant;
  readonly #limits: HoldLimits;
  readonly #catalog = new PolicyCatalog();
  readonly #shown = new Map<string, PolicyResource>();
  /** In the order of their ends. */
  readonly #held = new Map<string, Held>();
  /** Keys of what is laid aside, by namespace. */
  readonly #aside = new Map<string, Set<string>>();
  readonly #texts: TextRing;
  readonly #end: () => void;
  #rulesHeld = 0;
  /** Before it nothing that is held ends. */
  #soonestEnd: Instant = Number.POSITIVE_INFINITY;
  #due: NodeJS.Immediate | undefined;
  #ending: NodeJS.Immediate | undefined;

  constructor(source: PolicySource, now: () => Instant = Date.now, limits: HoldLimits = LIMITS) {
    this.#source = source;
    this.#now = now;
    this.#limits = limits;
    this.#texts = new TextRing(limits.bytes);
    this.#end = source.onChange(() => {
      // A burst of events costs one pass.
      this.#due ??= setImmediate(() => this.#follow());
    });
    this.#follow();
  }

  /** The policies as of now; not to be kept, for they change in place. */
  policies(): PolicyCatalog {
    this.#catchUp();
    for (const namespace of [...this.#aside.keys()]) this.#takeIn(namespace);
    return this.#catalog;
  }

  /** The same, but only what can have to do with a resource is sure to be there. */
  beside({ reference, directory, rules }: PolicyResource): PolicyCatalog {
    // Of directories that overlap any two resources have to do with one another.
    if (directory !== DEFAULT_DIRECTORY) return this.policies();
    this.#catchUp();
    if (this.#aside.size === 0) return this.#catalog;
    const key = resourceKey(reference);
    let latest = '';
    for (const { scope } of rules) {
      if (scope.kind === 'global' || scope.namespace === latest) continue;
      latest = scope.namespace;
      this.#takeIn(latest, key);
    }
    return this.#catalog;
  }

  /**
   * Holds a resource that has been admitted and may not have reached the source yet.
   * @param json the review that it came in; without it, it is not laid aside.
   */
  hold(resource: PolicyResource, json = ''): void {
    const key = resourceKey(resource.reference);
    const shown = this.#shown.get(key);
    const before = wordOf(shown);
    // What is new says nothing that the source shows already; its word need not be worked out for that.
    if (shown !== undefined && before === wordOf(resource)) {
      this.#drop(key);
      return;
    }
    const isShort = json !== '' && json.length <= LONGEST_ASIDE;
    const isNarrow = isShort && speaksOfItsOwn(resource) && (shown === undefined || speaksOfItsOwn(shown));
    const aside = isNarrow ? this.#texts.write(json) : null;
    const former = this.#held.get(key);
    const staysAside = aside !== null && former !== undefined && former.aside !== null;
    // What was laid aside is not in the catalog, and its name stays where it is; else the catalog takes the new one in
    // the place of the former.
    if (staysAside) this.#letGo(key, former);
    else if (aside === null) this.#forget(key);
    else this.#drop(key);
    const { reference, authority } = resource;
    const [rules, until] = [resource.rules.length, this.#now() + this.#limits.time];
    this.#held.set(key, { reference, authority, rules, aside, before, until });
    this.#rulesHeld += rules;
    this.#soonestEnd = Math.min(this.#soonestEnd, until);
    if (aside === null) this.#catalog.put(resource);
    else if (!staysAside) this.#layAside(reference.namespace, key);
    if (this.#isTooMuch()) this.#dropOldest();
  }

  stop(): void {
    this.#end();
    clearImmediate(this.#due);
    clearImmediate(this.#ending);
  }

  #isTooMuch(): boolean {
    return this.#held.size > this.#limits.resources || this.#rulesHeld > this.#limits.rules;
  }

  #dropOldest(): void {
    for (const oldest of this.#held.keys()) {
      if (!this.#isTooMuch()) break;
      this.#drop(oldest);
    }
  }

  #catchUp(): void {
    if (this.#due !== undefined) this.#follow();
    const now = this.#now();
    if (now >= this.#soonestEnd) this.#endHeld(now);
  }

  /** Of many that end at once the rest ends in the turns behind this one, some milliseconds later. */
  #endHeld(now: Instant): void {
    this.#soonestEnd = Number.POSITIVE_INFINITY;
    let rules = 0;
    for (const [key, held] of this.#held) {
      if (held.until > now || rules > MOST_ENDED) {
        this.#soonestEnd = held.until;
        break;
      }
      rules += held.rules;
      this.#drop(key);
    }
    if (now < this.#soonestEnd) return;
    this.#ending ??= setImmediate(() => {
      this.#ending = undefined;
      this.#catchUp();
    });
  }

  #layAside(namespace: string, key: string): void {
    const keys = this.#aside.get(namespace);
    if (keys === undefined) this.#aside.set(namespace, new Set([key]));
    else keys.add(key);
  }

  /** Puts what was laid aside into the catalog. @param asker whose former version need not be there for its sake */
  #takeIn(namespace: string, asker = ''): void {
    for (const key of this.#aside.get(namespace) ?? []) {
      const held = this.#held.get(key);
      // A tenant's own version is passed over; an administrator's sets limits to a tenant's, be it the same resource.
      if (key === asker && held?.authority === 'tenant' && !this.#shown.has(key)) continue;
      this.#noLongerAside(namespace, key);
      if (held === undefined || held.aside === null) continue;
      const json = this.#texts.read(held.aside);
      held.aside = null;
      const { resource } = readResource(json === null ? null : objectIn(json));
      if (resource !== null) this.#catalog.put(resource);
      else this.#letGo(key, held);
    }
  }

  #noLongerAside(namespace: string, key: string): void {
    const keys = this.#aside.get(namespace);
    keys?.delete(key);
    if (keys?.size === 0) this.#aside.delete(namespace);
  }

  #follow(): void {
    clearImmediate(this.#due);
    this.#due = undefined;
    const seen = new Set<string>();
    for (const resource of this.#source.resources()) {
      const key = resourceKey(resource.reference);
      seen.add(key);
      if (this.#shown.get(key) === resource) continue;
      this.#shown.set(key, resource);
      const held = this.#held.get(key);
      if (held?.before === undefined || held.before !== wordOf(resource)) {
        this.#drop(key);
        this.#catalog.put(resource);
      }
    }
    for (const [key, { reference }] of this.#shown) {
      if (seen.has(key)) continue;
      this.#shown.delete(key);
      this.#drop(key);
      this.#catalog.remove(reference);
    }
  }

  #forget(key: string): Held | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#letGo(key, held);
    if (held.aside !== null) this.#noLongerAside(held.reference.namespace, key);
    return held;
  }

  #letGo(key: string, { rules }: Held): void {
    this.#held.delete(key);
    this.#rulesHeld -= rules;
  }

  /** Goes back to what the source shows. */
  #drop(key: string): void {
    const held = this.#forget(key);
    if (held === undefined) return;
    const shown = this.#shown.get(key);
    if (shown === undefined) this.#catalog.remove(held.reference);
    else this.#catalog.put(shown);
  }
}

/** True where nothing but what speaks of its namespace can have to do with it. */
function speaksOfItsOwn({ reference, directory, unidentified, rules }: PolicyResource): boolean {
  if (directory !== DEFAULT_DIRECTORY || unidentified !== undefined) return false;
  return rules.every(({ scope }) => scope.kind !== 'global' && scope.namespace === reference.namespace);
}

/** What a resource says, and on whose word. */
function wordOf(resource: PolicyResource | undefined): string | undefined {
  return resource && `${resource.authority} ${resource.canonicalSpec}`;
}
