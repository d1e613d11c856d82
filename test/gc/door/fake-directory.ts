import type { Container } from '../../../gc/door/container.ts';
import type { DirectoryView } from '../../../gc/door/directory-view.ts';
import type { DirectoryState } from '../../../gc/inventory/directory.ts';
import type { Archive } from '../../../policy/types.ts';

/** A directory whose content a test sets, in the state it wants. */
export class FakeDirectory implements DirectoryView {
  state: DirectoryState = { ok: true };
  readonly #archives = new Map<string, Archive>();
  /** What only a scan finds. */
  readonly hidden: Archive[] = [];
  scans = 0;

  archives(): Iterable<Archive> {
    return this.#archives.values();
  }

  archivesOf(namespace: string, pod?: string): readonly Archive[] {
    const complete = [...this.#archives.values()].filter(({ state }) => state === 'complete');
    return complete.filter(
      ({ identity }) => identity?.namespace === namespace && (pod === undefined || identity.pod === pod),
    );
  }

  get(file: string): Archive | null {
    return this.#archives.get(file) ?? null;
  }

  async look(): Promise<void> {}

  async scan(): Promise<DirectoryState> {
    this.scans += 1;
    for (const each of this.hidden.splice(0)) this.put(each);
    return this.state;
  }

  put(archive: Archive): void {
    this.#archives.set(archive.file, archive);
  }

  remove(file: string): void {
    this.#archives.delete(file);
  }
}

/** `checkpoint-cart_shop-main-TIME.tar` of that instant. */
export function fileOf({ namespace, pod, container }: Container, at: number): string {
  return `checkpoint-${pod}_${namespace}-${container}-${new Date(at).toISOString().slice(0, 19)}Z.tar`;
}

export function archiveAt(container: Container, modifiedAt: number, more: Partial<Archive> = {}): Archive {
  const growing = more.state === 'growing';
  return {
    file: fileOf(container, modifiedAt),
    bytes: 1_000,
    allocatedBytes: 4_096,
    modifiedAt,
    state: 'complete',
    pinned: false,
    identity: growing ? null : { ...container, podUid: null },
    staleTailBytes: 0,
    orphan: null,
    ...more,
  };
}
