/** Who sent a request, as the API server authenticated him. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** May this user govern beyond the namespace of a resource? */
export interface Reviewer {
  /**
   * A SubjectAccessReview for `govern` on `checkpointrestoreoperators.criu.org`, cluster-wide.
   * Rejects when the API server does not answer: no answer is not a yes.
   */
  mayGovern(user: UserInfo): Promise<boolean>;
  /** The answer to the same question where it is at hand, so that nobody need wait for it. */
  known?(user: UserInfo): boolean | undefined;
}

/** A pod as far as an archive's fate depends on it. */
export interface PodFacts {
  readonly uid: string;
  /** `kubernetes.io/config.hash` of a static pod's mirror: the uid that its archives carry. */
  readonly configHash: string | null;
}

/** Targeted look-ups of single pods. */
export interface PodLookup {
  /**
   * Null only for the API server's own 404 of that pod. Rejects for everything else (timeouts, 403, 5xx,
   * cut connections), because that proves nothing.
   */
  get(namespace: string, name: string): Promise<PodFacts | null>;
}

/** Where the rooms that talk to an API server or read files tell what happens; pino's loggers have this shape. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
