import { isObject, own } from '../../policy/json.ts';
import type { Archive, Identity, Instant } from '../../policy/types.ts';
import type { StateStore } from '../system/state.ts';

export type IdentifiedArchive = Archive & { readonly identity: Identity };

const DOCUMENT = 'missing-pods.json';
const VERSION = 1;

/** Since when the pods of archives are missing. */
export interface MissingSince {
  since(archive: IdentifiedArchive, now: Instant): Instant;
  /** The pod is there. */
  found(identity: Identity): void;
  /** Nobody wants to know of pods of that name any more. */
  forget(namespace: string, pod: string): void;
}

/** Of pods from a list, of which nobody knows since when they are missing: since the archive was made at latest. */
export const sinceMade: MissingSince = {
  since: ({ modifiedAt }, now) => Math.min(modifiedAt, now),
  found() {},
  forget() {},
};

/**
 * Since when pods are missing, so that a grace period goes on through a restart. By namespace, name and UID: a pod
 * that is made anew under its name is another one.
 */
export class MissingPods implements MissingSince {
  readonly #store: StateStore;
  readonly #since = new Map<string, Instant>();
  #isDirty = false;

  /** @param now what the store has from a later time counts as now. */
  constructor(store: StateStore, now: Instant) {
    this.#store = store;
    const document = store.read(DOCUMENT);
    if (!isObject(document) || own(document, 'version') !== VERSION) return;
    const pods = own(document, 'missingSince');
    if (!isObject(pods)) return;
    for (const [key, since] of Object.entries(pods)) {
      if (typeof since === 'number' && Number.isFinite(since)) this.#since.set(key, Math.min(since, now));
    }
  }

  /** Since when the pod of an archive is missing: now, if that is news. */
  since({ identity }: IdentifiedArchive, now: Instant): Instant {
    const key = keyOf(identity);
    const known = this.#since.get(key);
    if (known !== undefined) return known;
    this.#since.set(key, now);
    this.#isDirty = true;
    return now;
  }

  found(identity: Identity): void {
    if (this.#since.delete(keyOf(identity))) this.#isDirty = true;
  }

  /** Forgets all pods of that name. */
  forget(namespace: string, pod: string): void {
    const prefix = `${namespace}/${pod}/`;
    for (const key of [...this.#since.keys()]) {
      if (key.startsWith(prefix)) this.#isDirty = this.#since.delete(key) || this.#isDirty;
    }
  }

  /** Forgets what an earlier process has left of pods that have no archives any more. */
  retain(isWatched: (namespace: string, pod: string) => boolean): void {
    for (const key of [...this.#since.keys()]) {
      const [namespace = '', pod = ''] = key.split('/');
      if (!isWatched(namespace, pod)) this.#isDirty = this.#since.delete(key) || this.#isDirty;
    }
  }

  /** Keeps what has changed. */
  save(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#store.write(DOCUMENT, { version: VERSION, missingSince: Object.fromEntries(this.#since) });
  }
}

function keyOf({ namespace, pod, podUid }: Identity): string {
  return `${namespace}/${pod}/${podUid ?? ''}`;
}
