import { Inventory, type InventoryChange, type InventoryOptions } from '../../gc/inventory/inventory.ts';
import type { Archive } from '../../policy/types.ts';
import { CONTAINERD_ANNOTATIONS, smallArchive } from './archives.ts';
import { FakeFiles } from './fake-files.ts';

export const DIRECTORY = '/checkpoints';

/** An inventory over a directory in memory, at a time that the test sets. */
export class Bench {
  readonly files: FakeFiles;
  readonly changes: InventoryChange[] = [];
  readonly inventory: Inventory;
  now = Date.parse('2026-11-21T12:00:00Z');

  constructor(options: Partial<InventoryOptions> = {}, files = new FakeFiles()) {
    this.files = files;
    if (files.stat(DIRECTORY) === null) files.mkdir(DIRECTORY);
    this.inventory = new Inventory({
      files,
      directory: DIRECTORY,
      clock: () => this.now,
      onChange: (change) => this.changes.push(change),
      ...options,
    });
  }

  at(name: string): string {
    return `${DIRECTORY}/${name}`;
  }

  /** Writes a sound archive of a pod, an hour old unless said otherwise. */
  put(name: string, { namespace = 'shop', ageMs = 3_600_000 } = {}): void {
    const annotations = { ...CONTAINERD_ANNOTATIONS, 'io.kubernetes.cri.sandbox-namespace': namespace };
    this.files.write(this.at(name), smallArchive(annotations), this.now - ageMs);
  }

  write(name: string, content: Buffer | string, ageMs = 3_600_000): void {
    this.files.write(this.at(name), content, this.now - ageMs);
  }

  async scan(): Promise<string | null> {
    const state = await this.inventory.scan();
    return state.ok ? null : state.reason;
  }

  get(name: string): Archive {
    const archive = this.inventory.get(name);
    if (archive === null) throw new Error(`${name} is not in the inventory`);
    return archive;
  }

  get names(): string[] {
    return Array.from(this.inventory.archives(), ({ file }) => file).sort();
  }

  /** The changes since the last call, in short: `+name -name ~name`. */
  told(): string {
    const changes = this.changes.splice(0);
    return changes
      .flatMap(({ added, modified, removed }) => [
        ...added.map(({ file }) => `+${file}`),
        ...modified.map(({ after }) => `~${after.file}`),
        ...removed.map(({ file }) => `-${file}`),
      ])
      .join(' ');
  }
}
