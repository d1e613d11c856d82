import type { Finding, PolicyResource } from '../policy/types.ts';

/** A finding and the resource or file that it is about. */
export interface Problem {
  /** `quotas.yaml`, or absent for a resource of the API server. */
  readonly file?: string;
  /** `team-a/quotas`; empty where a document has no name. */
  readonly resource: string;
  readonly finding: Finding;
  /** Of an error: what is in force meanwhile, to be read behind it. Absent where the source cannot say. */
  readonly fate?: string;
}

/** Where policies come from: files, or the API server. */
export interface PolicySource {
  /** Resolves when the first whole set is known; rejects with a sentence when it cannot be had. */
  start(): Promise<void>;
  /** The resources as last known. A bad edit leaves the last good version of that resource in force. */
  resources(): readonly PolicyResource[];
  /** What is wrong with what the source holds now. */
  problems(): readonly Problem[];
  /** False while nobody can tell whether the resources are still what they were. */
  isFresh(): boolean;
  /** Milliseconds since the resources were last known to be the source's, for a gauge; absent: it always knows. */
  staleness?(): number;
  /** Calls back after each change of the resources. @returns a function that ends it. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}
