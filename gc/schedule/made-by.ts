import { fieldsOf, isObject, own } from '../../policy/json.ts';
import type { Instant } from '../../policy/types.ts';
import type { StateStore } from '../system/state.ts';

const DOCUMENT = 'schedule-archives.json';
const VERSION = 1;
/** An archive that is not there after this long never came. */
const COMING_MS = 5 * 60_000;

interface Made {
  /** `shop/nightly` */
  readonly by: string;
  readonly at: Instant;
}

/** Which archives schedules had made: it does not stand in them. By file name, which the kubelet gives once. */
export class MadeBy {
  readonly #store: StateStore;
  readonly #made = new Map<string, Made>();
  #isDirty = false;

  constructor(store: StateStore) {
    this.#store = store;
    const document = store.read(DOCUMENT);
    if (!isObject(document) || own(document, 'version') !== VERSION) return;
    for (const [file, each] of Object.entries(fieldsOf(own(document, 'archives')))) {
      const [by, at] = [own(fieldsOf(each), 'by'), own(fieldsOf(each), 'at')];
      if (typeof by === 'string' && typeof at === 'number') this.#made.set(file, { by, at });
    }
  }

  /** `namespace/name` of the schedule. */
  of(file: string): string | undefined {
    return this.#made.get(file)?.by;
  }

  files(): Iterable<string> {
    return this.#made.keys();
  }

  add(file: string, by: string, at: Instant): void {
    this.#made.set(file, { by, at });
    this.#isDirty = true;
  }

  /** Forgets archives that are gone. @param isThere asked of a directory that was looked at whole. */
  retain(isThere: (file: string) => boolean, now: Instant): void {
    for (const [file, { at }] of this.#made) {
      if (isThere(file) || Math.abs(now - at) < COMING_MS) continue;
      this.#made.delete(file);
      this.#isDirty = true;
    }
  }

  save(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#store.write(DOCUMENT, { version: VERSION, archives: Object.fromEntries(this.#made) });
  }
}
