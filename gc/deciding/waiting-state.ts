import { isObject, own } from '../../policy/json.ts';
import { recordOf, resourceOf } from '../../policy/record.ts';
import type { PolicyResource } from '../../policy/types.ts';
import type { StateStore } from '../system/state.ts';

const DOCUMENT = 'waiting-policies.json';
const VERSION = 1;

/** A resource whose new version waits for the next checkpoint. */
export interface Waiting {
  /** Namespace and name. */
  readonly key: string;
  /** The version that acts until then; null where the resource itself is new. */
  readonly acting: PolicyResource | null;
}

/** Which resources wait for the next checkpoint, from one process to the next. */
export class WaitingState {
  readonly #store: StateStore;
  #kept: readonly Waiting[] = [];

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** What the last process has kept; what cannot be read waits no more. */
  recall(): readonly Waiting[] {
    const document = this.#store.read(DOCUMENT);
    const isOurs = isObject(document) && own(document, 'version') === VERSION;
    const waiting = isOurs ? own(document, 'waiting') : null;
    if (!Array.isArray(waiting)) return [];
    this.#kept = waiting.flatMap((each: unknown) => {
      const key = isObject(each) ? own(each, 'key') : null;
      if (!isObject(each) || typeof key !== 'string') return [];
      return { key, acting: resourceOf(own(each, 'acting')) };
    });
    return this.#kept;
  }

  /** Writes down what waits, where that is news. */
  keep(waiting: readonly Waiting[]): void {
    const isKnown = ({ key, acting }: Waiting, index: number) =>
      this.#kept[index]?.key === key && this.#kept[index].acting === acting;
    if (waiting.length === this.#kept.length && waiting.every(isKnown)) return;
    this.#kept = waiting;
    const records = waiting.map(({ key, acting }) => ({ key, acting: acting && recordOf(acting) }));
    this.#store.write(DOCUMENT, { version: VERSION, waiting: records });
  }
}
