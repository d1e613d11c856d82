import { createHash } from 'node:crypto';
import { digestText, type Trip, trips } from '../../policy/breaker.ts';
import { resourceKey, scopeLabel } from '../../policy/govern.ts';
import { isObject, own } from '../../policy/json.ts';
import { formatBytes } from '../../policy/quantity.ts';
import { CONFIRM_ANNOTATION } from '../../policy/schema.ts';
import type { Authority, Decision, Instant, PolicyResource, ResourceReference } from '../../policy/types.ts';
import type { DirectoryIdentity } from '../inventory/directory.ts';
import type { StateStore } from '../system/state.ts';

const DOCUMENT = 'circuit-breaker.json';
const VERSION = 1;

/** Archives that are moved in come one after the other; a burst has ended by then. */
const PROBATION_MS = 60_000;

/** How many hexadecimal digits of a digest people have to copy: 64 bits. */
const DIGEST_LENGTH = 16;

/** A resource that waits for confirmation. */
export interface Held {
  readonly resource: PolicyResource;
  /** Of the plan that tripped first: archives that come later do not change it. */
  readonly digest: string;
  readonly deletions: number;
  readonly bytes: number;
  readonly archives: number;
  /** How to let it act. */
  readonly remedy: string;
}

/**
 * What is remembered of one resource, by UID or name. Its spec is a digest, and with it goes what the others shield
 * from it: when a narrower policy goes, the broader one means more than what was accepted.
 */
interface Memory {
  /** Since when all that a spec would do can be seen in its plan. */
  readonly settled: { readonly spec: string; readonly at: Instant } | null;
  /** The spec that has acted or was confirmed. */
  readonly accepted: string | null;
  readonly held: {
    readonly spec: string;
    readonly digest: string;
    readonly deletions: number;
    readonly bytes: number;
    readonly archives: number;
  } | null;
}

export interface BreakerOptions {
  readonly store: StateStore;
  /** Digests that were confirmed on the command line. */
  readonly confirmed: readonly string[];
  /** Which directory it is now, whatever its name: what was accepted for one is new to another. */
  readonly directory: () => DirectoryIdentity | null;
}

/**
 * Holds resources that are new or changed and would delete most of the archives at once, until somebody confirms.
 * What has acted once with the same spec is not asked again.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #memories: Map<string, Memory>;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#memories = readMemories(options.store.read(DOCUMENT));
  }

  /**
   * Which of the acting resources are held, given all deletions of a plan. The others count as accepted when for a
   * minute all that they would do could be seen: archives are there, and the grace period of orphans, for one that
   * deletes them, has had time to end.
   *
   * @param archives of the node.
   * @param isSettled whether all pods that matter were looked up.
   */
  judge(
    resources: Iterable<PolicyResource>,
    deletions: readonly Decision[],
    archives: number,
    isSettled: boolean,
    now: Instant,
  ): readonly Held[] {
    const acting = [...resources];
    const specIn = this.#specs(acting);
    const isAccepted = (resource: PolicyResource) => this.#memoryOf(resource).accepted === specIn(resource);
    const tripped = new Map(trips(deletions, isAccepted, archives).map((trip) => [trip.resource, trip]));
    const held: Held[] = [];
    let isChanged = false;
    for (const resource of acting) {
      const before = this.#memoryOf(resource);
      const isVisible = archives > 0 && (isSettled || !deletesOrphans(resource));
      const after = this.#judgeOne(resource, specIn(resource), before, tripped.get(resource), isVisible, now);
      if (after !== before) {
        this.#memories.set(keyOf(resource.reference), after);
        isChanged = true;
      }
      if (after.held !== null) held.push(heldOf(resource, after.held));
    }
    if (isChanged) this.#save();
    return held;
  }

  /**
   * Whether deletions that a checkpoint needs may be carried out ahead of the next pass: none of a resource that is
   * held, and of one that was not accepted yet not so many as would trip.
   *
   * @param resources all that will act.
   * @param archives of the node.
   */
  allows(
    resource: PolicyResource,
    deletions: number,
    archives: number,
    resources: Iterable<PolicyResource>,
  ): boolean {
    const { held, accepted } = this.#memoryOf(resource);
    if (held !== null && !this.#isConfirmed(resource, held.digest)) return false;
    const { minArchives, maxShare } = resource.breaker;
    if (deletions < minArchives || deletions <= maxShare * archives) return true;
    return accepted === this.#specs([...resources])(resource);
  }

  /**
   * Forgets all resources but these. One that is made anew is new, whatever was accepted of the one before: to forget
   * asks once more, and never lets anything through.
   */
  retain(references: Iterable<ResourceReference>): void {
    const known = new Set(Array.from(references, keyOf));
    const gone = [...this.#memories.keys()].filter((key) => !known.has(key));
    for (const key of gone) this.#memories.delete(key);
    if (gone.length > 0) this.#save();
  }

  #judgeOne(
    resource: PolicyResource,
    spec: string,
    before: Memory,
    trip: Trip | undefined,
    isVisible: boolean,
    now: Instant,
  ): Memory {
    const accepted: Memory = { settled: null, accepted: spec, held: null };
    const held = before.held?.spec === spec ? before.held : trip && measure(trip, spec);
    if (held) {
      if (this.#isConfirmed(resource, held.digest)) return accepted;
      return held === before.held ? before : { ...before, held };
    }
    if (before.accepted === spec) return before.held === null ? before : accepted;
    const settled = before.settled?.spec === spec ? before.settled : isVisible ? { spec, at: now } : null;
    const graceMs = deletesOrphans(resource) ? resource.orphanGraceMs : 0;
    if (isVisible && settled !== null && now - settled.at > Math.max(PROBATION_MS, graceMs)) return accepted;
    return settled === before.settled && before.held === null ? before : { ...before, settled, held: null };
  }

  #specs(resources: readonly PolicyResource[]): (resource: PolicyResource) => string {
    const shields = shieldsOf(resources);
    const directory = this.#options.directory();
    const where = directory === null ? '' : `${directory.device}:${directory.inode}`;
    return (resource) => specOf(resource, shields, where);
  }

  #isConfirmed(resource: PolicyResource, digest: string): boolean {
    return resource.confirmed.includes(digest) || this.#options.confirmed.includes(digest);
  }

  #memoryOf(resource: PolicyResource): Memory {
    return this.#memories.get(keyOf(resource.reference)) ?? NOTHING;
  }

  #save(): void {
    const resources = Object.fromEntries(this.#memories);
    this.#options.store.write(DOCUMENT, { version: VERSION, resources });
  }
}

const NOTHING: Memory = { settled: null, accepted: null, held: null };

function measure(trip: Trip, spec: string): NonNullable<Memory['held']> {
  return {
    spec,
    digest: tripDigest(trip),
    deletions: trip.deletions.length,
    bytes: trip.deletions.reduce((sum, { archive }) => sum + archive.bytes, 0),
    archives: trip.archives,
  };
}

function heldOf(resource: PolicyResource, held: NonNullable<Memory['held']>): Held {
  const { digest, deletions, bytes, archives } = held;
  return { resource, digest, deletions, bytes, archives, remedy: remedyFor(resource, digest) };
}

function remedyFor({ reference, confirmed }: PolicyResource, digest: string): string {
  const { namespace, name, file } = reference;
  const value = [...confirmed, digest].join(',');
  if (file !== undefined) {
    return `set the annotation ${CONFIRM_ANNOTATION}: "${value}" in ${file}, or start with --confirm ${digest}`;
  }
  const overwrite = confirmed.length > 0 ? ' --overwrite' : '';
  return `kubectl annotate cro -n ${namespace} ${name} ${CONFIRM_ANNOTATION}=${value}${overwrite}`;
}

/** `would delete 120 of 150 archives (3.1Gi)`. */
export function heldText({ deletions, bytes, archives }: Held): string {
  return `would delete ${deletions} of ${archives} archives (${formatBytes(bytes)}) at once`;
}

function deletesOrphans({ rules }: PolicyResource): boolean {
  return rules.some((rule) => !rule.retainOrphan);
}

function keyOf(reference: ResourceReference): string {
  return reference.uid ?? resourceKey(reference);
}

/** What people confirm: the resource as it stands and the archives that would go. */
export function tripDigest(trip: Trip): string {
  return sha256(digestText(trip)).slice(0, DIGEST_LENGTH);
}

type Shields = Readonly<Record<Authority, bigint>>;

/** The targets of all rules, whatever their order, as one number for each authority. */
function shieldsOf(resources: readonly PolicyResource[]): Shields {
  const shields = { administrator: 0n, tenant: 0n };
  for (const resource of resources) shields[resource.authority] += targetsOf(resource);
  return shields;
}

/** The resource, the targets of the others that keep it from acting more widely, and the directory. */
function specOf(resource: PolicyResource, shields: Shields, where: string): string {
  const others = shields[resource.authority] - targetsOf(resource);
  return sha256(`${where} ${others.toString(36)} ${resource.canonicalSpec}`);
}

const targets = new WeakMap<PolicyResource, bigint>();

function targetsOf(resource: PolicyResource): bigint {
  const known = targets.get(resource);
  if (known !== undefined) return known;
  const sum = resource.rules.reduce((total, { scope }) => {
    return total + BigInt(`0x${sha256(scopeLabel(scope)).slice(0, DIGEST_LENGTH)}`);
  }, 0n);
  targets.set(resource, sum);
  return sum;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What cannot be read counts as absent: then it is asked once more. */
function readMemories(document: unknown): Map<string, Memory> {
  const memories = new Map<string, Memory>();
  const resources =
    isObject(document) && own(document, 'version') === VERSION ? own(document, 'resources') : null;
  if (!isObject(resources)) return memories;
  for (const [key, value] of Object.entries(resources)) {
    if (!isObject(value)) continue;
    const accepted = own(value, 'accepted');
    memories.set(key, {
      settled: readSettled(own(value, 'settled')),
      accepted: typeof accepted === 'string' ? accepted : null,
      held: readHeld(own(value, 'held')),
    });
  }
  return memories;
}

function readSettled(value: unknown): Memory['settled'] {
  if (!isObject(value)) return null;
  const { spec, at } = value;
  return typeof spec === 'string' && typeof at === 'number' ? { spec, at } : null;
}

function readHeld(value: unknown): Memory['held'] {
  if (!isObject(value)) return null;
  const { spec, digest, deletions, bytes, archives } = value;
  if (typeof spec !== 'string' || typeof digest !== 'string') return null;
  if (typeof deletions !== 'number' || typeof bytes !== 'number' || typeof archives !== 'number') return null;
  return { spec, digest, deletions, bytes, archives };
}
