import { PolicyCatalog } from '../policy/catalog.ts';
import { resourceKey } from '../policy/govern.ts';
import type { Instant, PolicyResource } from '../policy/types.ts';
import type { PolicySource } from '../source/source.ts';

/** What may be held on top of the source. */
export interface HoldLimits {
  /** Milliseconds: how long an informer may lag. */
  readonly time: number;
  readonly resources: number;
  /** In all: one resource can have 30,000. */
  readonly rules: number;
}

const LIMITS: HoldLimits = { time: 5_000, resources: 1_000, rules: 100_000 };

interface Held {
  readonly resource: PolicyResource;
  /** What the source showed when it was admitted: once it shows anything else, it is ahead. */
  readonly before: string | undefined;
  readonly until: Instant;
}

/**
 * The policies of a source, indexed, following its changes one resource at a time. What has just been admitted
 * is held on top for some seconds, until the source shows it: so the second of two resources that conflict is
 * refused although no informer has seen the first.
 */
export class LiveCatalog {
  readonly #source: PolicySource;
  readonly #now: () => Instant;
  readonly #limits: HoldLimits;
  readonly #catalog = new PolicyCatalog();
  readonly #shown = new Map<string, PolicyResource>();
  /** In the order of their ends. */
  readonly #held = new Map<string, Held>();
  readonly #end: () => void;
  #rulesHeld = 0;
  #due: NodeJS.Immediate | undefined;

  constructor(source: PolicySource, now: () => Instant = Date.now, limits: HoldLimits = LIMITS) {
    this.#source = source;
    this.#now = now;
    this.#limits = limits;
    this.#end = source.onChange(() => {
      // A burst of events costs one pass.
      this.#due ??= setImmediate(() => this.#follow());
    });
    this.#follow();
  }

  /** The policies as of now; not to be kept, for they change in place. */
  policies(): PolicyCatalog {
    if (this.#due !== undefined) this.#follow();
    for (const [key, { until }] of this.#held) {
      if (until > this.#now()) break;
      this.#drop(key);
    }
    return this.#catalog;
  }

  /** Holds a resource that has been admitted and may not have reached the source yet. */
  hold(resource: PolicyResource): void {
    const key = resourceKey(resource.reference);
    const shown = this.#shown.get(key);
    const before = wordOf(shown);
    // What is new says nothing that the source shows already; its word need not be worked out for that.
    if (shown !== undefined && before === wordOf(resource)) {
      this.#drop(key);
      return;
    }
    // The catalog takes it in the place of what was held before.
    this.#forget(key);
    this.#held.set(key, { resource, before, until: this.#now() + this.#limits.time });
    this.#rulesHeld += resource.rules.length;
    this.#catalog.put(resource);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= this.#limits.resources && this.#rulesHeld <= this.#limits.rules) break;
      this.#drop(oldest);
    }
  }

  stop(): void {
    this.#end();
    clearImmediate(this.#due);
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
    this.#held.delete(key);
    this.#rulesHeld -= held.resource.rules.length;
    return held;
  }

  /** Goes back to what the source shows. */
  #drop(key: string): void {
    const held = this.#forget(key);
    if (held === undefined) return;
    const shown = this.#shown.get(key);
    if (shown === undefined) this.#catalog.remove(held.resource.reference);
    else this.#catalog.put(shown);
  }
}

/** What a resource says, and on whose word. */
function wordOf(resource: PolicyResource | undefined): string | undefined {
  return resource && `${resource.authority} ${resource.canonicalSpec}`;
}
