import type { PlacedPod } from '../../../kube/placed-pods.ts';
import type { PodLookup } from '../../../kube/types.ts';
import type { Identity } from '../../../policy/types.ts';
import type { FakeClock } from '../fake-clock.ts';
import { type Life, never } from './life.ts';

/** An instant by the clock on the wall, which can be set, and by one that only goes on. */
export interface Moment {
  readonly wall: number;
  readonly elapsed: number;
}

export interface Pod {
  readonly uid: string;
  readonly configHash: string | null;
}

interface Answer {
  /** What was so when it was asked. */
  readonly pod: Pod | null;
  readonly asked: Moment;
  readonly told: Moment;
}

export const NODE = 'node1';

/** The UID of pods that were never there, and the hash of a static one's manifest. */
export const NOBODY = 'uid-of-nobody';
export const STATIC_HASH = 'hash-of-till';

/** The API server's pods, how it answers, and what it has told the collector so far. */
export class ApiServer {
  mode: 'up' | 'errors' | 'silent' | 'late' = 'up';
  lateMs = 0;
  /** When an answer last took its time, by the clock that only goes on. */
  slowAt = Number.NEGATIVE_INFINITY;
  readonly pods = new Map<string, Pod>();
  readonly #clock: FakeClock;
  readonly #answers = new Map<string, Answer>();
  /** Since when what was told says that a pod is missing, by namespace, name and UID. */
  readonly #missing = new Map<string, Moment>();
  /** All UIDs that archives carry. */
  readonly #uids = new Set<string | null>([null, NOBODY, STATIC_HASH]);

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get moment(): Moment {
    return { wall: this.#clock.now(), elapsed: this.#clock.elapsed() };
  }

  knowUid(uid: string): void {
    this.#uids.add(uid);
  }

  /** The collector's look-ups. */
  lookup(life: Life): PodLookup {
    return { get: (namespace, name) => this.#get(life, `${namespace}/${name}`, true) };
  }

  /** The door's. */
  placed(life: Life): { get(namespace: string, name: string): Promise<PlacedPod | null> } {
    return {
      get: async (namespace, name) => {
        const pod = await this.#get(life, `${namespace}/${name}`, false);
        const containers = ['main', 'side', 'c', 'b-c'].map((each) => ({
          name: each,
          memoryLimitBytes: 20_000,
          running: true,
        }));
        return pod && { ...pod, node: NODE, containers };
      },
    };
  }

  async #get(life: Life, key: string, isProof: boolean): Promise<Pod | null> {
    if (!life.alive) return await never();
    const asked = this.moment;
    const pod = this.pods.get(key) ?? null;
    if (this.mode === 'silent' || this.mode === 'late') this.slowAt = asked.elapsed;
    if (this.mode === 'silent') {
      // As long as the client waits.
      await new Promise<void>((done) => this.#clock.after(10_000, done));
      throw new Error('timeout');
    }
    if (this.mode === 'errors') throw new Error('503');
    if (this.mode === 'late') await new Promise<void>((done) => this.#clock.after(this.lateMs, done));
    if (this.mode === 'late') this.slowAt = this.#clock.elapsed();
    if (!life.alive) return await never();
    if (isProof) this.#tell(key, { pod, asked, told: this.moment });
    return pod;
  }

  #tell(key: string, answer: Answer): void {
    this.#answers.set(key, answer);
    for (const uid of this.#uids) {
      const missing = `${key}/${uid}`;
      if (isGone(uid, answer.pod)) this.#missing.set(missing, this.#missing.get(missing) ?? answer.asked);
      else this.#missing.delete(missing);
    }
  }

  /** Since when the collector can know that an archive's pod is gone; null when it cannot. */
  missingSince({ namespace, pod, podUid }: Identity): Moment | null {
    return this.#missing.get(`${namespace}/${pod}/${podUid}`) ?? null;
  }

  /** What was told last of a pod. */
  lastAnswer({ namespace, pod }: Identity): Answer | null {
    return this.#answers.get(`${namespace}/${pod}`) ?? null;
  }
}

/** By UID; a static pod's archives carry the hash of its manifest, and one without a UID goes by the name. */
export function isGone(podUid: string | null, pod: Pod | null): boolean {
  if (pod === null) return true;
  return podUid !== null && podUid !== pod.uid && podUid !== pod.configHash;
}
