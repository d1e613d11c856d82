import type { Archive } from '../../policy/types.ts';
import type { DirectoryState } from '../inventory/directory.ts';

/** What the door sees of the node's directory; the inventory is one. */
export interface DirectoryView {
  /** While it is not ok, nothing in it can be counted. */
  readonly state: DirectoryState;
  archives(): Iterable<Archive>;
  /** Those that stand still and name this namespace, or one pod of it. */
  archivesOf(namespace: string, pod?: string): readonly Archive[];
  /** Growing ones too. */
  get(file: string): Archive | null;
  /** Looks at these names now. */
  look(names: Iterable<string>): Promise<unknown>;
  /** Looks at everything. */
  scan(): Promise<DirectoryState>;
}
