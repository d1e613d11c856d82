import type { NodePod } from '../../kube/node-pods.ts';

export interface CordonOptions {
  /** Whether this node is cordoned now. Rejects when nobody says so. */
  readonly ask: () => Promise<boolean>;
  /** There is an answer. */
  readonly onAnswer: () => void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Whether the node was cordoned when a pod's end began, which is what a drain looks like from there. The node is asked
 * for when a pod ends and a schedule wants to know, and is not watched.
 */
export class Cordon {
  readonly #options: CordonOptions;
  /** By pod UID; null while it is asked. */
  readonly #answers = new Map<string, boolean | null>();

  constructor(options: CordonOptions) {
    this.#options = options;
  }

  isCordoned(podUid: string): boolean | null {
    return this.#answers.get(podUid) ?? null;
  }

  /** One call for pods that end together; those that are asked about already are left out. */
  ask(pods: readonly NodePod[]): void {
    const asked = pods.map(({ uid }) => uid).filter((uid) => !this.#answers.has(uid));
    if (asked.length === 0) return;
    for (const uid of asked) this.#answers.set(uid, null);
    const answer = (isCordoned: boolean) => {
      for (const uid of asked) this.#answers.set(uid, isCordoned);
      this.#options.onAnswer();
    };
    this.#options.ask().then(answer, (error: unknown) => {
      this.#options.onFailure(error);
      // A checkpoint too many does less harm than a drain without one, and there is no time to ask again.
      answer(true);
    });
  }

  retain(isPod: (uid: string) => boolean): void {
    for (const uid of this.#answers.keys()) if (!isPod(uid)) this.#answers.delete(uid);
  }
}
