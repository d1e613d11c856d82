import type { JsonObject } from '../policy/json.ts';
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

/** A resource as the API server holds it. */
export interface StoredPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly resourceVersion: string;
  /** What is in force: of an unsound version the last good one; null where it is no such resource at all. */
  readonly resource: PolicyResource | null;
  /** Of this very version. */
  readonly findings: readonly Finding[];
  /** Empty where the source does not keep it. */
  readonly status: JsonObject;
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
  /** The objects behind the resources; absent: there are none, for they come from files. */
  stored?(): Iterable<StoredPolicy>;
  /** Calls back after each change of these, also one of a status that is kept. @returns a function that ends it. */
  onStored?(listener: () => void): () => void;
}
