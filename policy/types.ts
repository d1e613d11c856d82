/** Milliseconds since the epoch, as `Date.now()` counts them. */
export type Instant = number;

/** Which archives a policy is about. `global` is whatever no narrower policy governs. */
export type Scope =
  | { readonly kind: 'global' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'pod'; readonly namespace: string; readonly pod: string }
  | {
      readonly kind: 'container';
      readonly namespace: string;
      readonly pod: string;
      readonly container: string;
    };

export type Level = 'container' | 'pod' | 'namespace';
export type WhenFull = 'EvictOldest' | 'RejectNew';

/** One `CheckpointRestoreOperator`, by name; `file` when it was read from one. */
export interface ResourceReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  /** `metadata.generation` of the version that was read; absent where no API server counts. */
  readonly generation?: number;
  readonly file?: string;
}

/**
 * On whose word a resource stands. A tenant's resource speaks of its own namespace only and can only tighten
 * what an administrator's sets there; an administrator holds the verb `govern`.
 */
export type Authority = 'administrator' | 'tenant';

/** Limits on one group of the archives that a rule governs. Absent is not limited. */
export interface BucketLimits {
  readonly level: Level;
  readonly maxCount?: number;
  readonly maxTotalBytes?: bigint;
  /** Names of the two fields as the user wrote them, for messages. */
  readonly countField: string;
  readonly totalField: string;
}

/** What one policy says of the archives it governs. Absent is not limited. */
export interface Rule {
  readonly scope: Scope;
  readonly resource: PolicyResource;
  /** Where it stands in the resource: `spec.namespacePolicies[0]`. */
  readonly field: string;
  /** Which of its two spellings says what becomes of orphans, also where the webhook has written it; null for none. */
  readonly orphanField: 'retainOrphan' | 'deleteOrphanedCheckpoint' | null;
  readonly retainOrphan: boolean;
  readonly maxArchiveBytes?: bigint;
  readonly maxAgeMs?: number;
  /** The newest this many of each container are held against every limit of this rule; 0 holds none. */
  readonly keepLast: number;
  /** One for a narrow scope; container, pod and namespace for the global one, in this order. */
  readonly buckets: readonly BucketLimits[];
  readonly whenFull: WhenFull;
  readonly minIntervalMs?: number;
  readonly maxConcurrent?: number;
  readonly checkpointing: 'Allow' | 'Deny';
}

/** A part of a disk or a number: `10%` or `50Gi`. */
export type Amount = { readonly share: number } | { readonly absolute: bigint };

export interface DiskPressure {
  /** Shares of the disk in use, 0 to 1. */
  readonly high: number;
  readonly low: number;
  readonly minFree?: Amount;
  readonly minFreeInodes?: Amount;
}

/** A resource, parsed once. Quantities are exact, durations are milliseconds. */
export interface PolicyResource {
  readonly reference: ResourceReference;
  readonly authority: Authority;
  readonly createdAt: Instant;
  /** Absolute and without a trailing slash. */
  readonly directory: string;
  readonly applyImmediately: boolean;
  readonly orphanGraceMs: number;
  readonly tainted: 'Keep' | 'Delete';
  readonly unidentified?: {
    readonly maxAgeMs?: number;
    readonly maxTotalBytes?: bigint;
    /** How long after its last write an archive may still be half of one; default ten minutes. */
    readonly restMs?: number;
  };
  readonly budget: { readonly maxArchives?: number; readonly maxBytes?: bigint };
  readonly breaker: { readonly maxShare: number; readonly minArchives: number };
  readonly pressure?: DiskPressure;
  readonly rules: readonly Rule[];
  /** The spec in one canonical spelling: two resources that say the same have the same. Worked out when first read. */
  readonly canonicalSpec: string;
  /** False: it has errors, so its rules hold their targets and delete nothing until it is mended. */
  readonly sound: boolean;
  /** Plan digests that an administrator confirmed by annotation. */
  readonly confirmed: readonly string[];
}

/** Whose memory an archive holds, as its runtime wrote it. */
export interface Identity {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** For a static pod the `kubernetes.io/config.hash`; null where the runtime wrote none. */
  readonly podUid: string | null;
}

/** Proof from the API server that an archive's pod is gone. */
export interface OrphanProof {
  readonly since: Instant;
  readonly why: 'absent' | 'replaced';
}

/**
 * `complete`: stands still and ends at its end marker. `growing`: may still be written; neither counted nor
 * touched. `reserved`: not there yet, promised to a request; counted, never deleted.
 */
export type ArchiveState = 'complete' | 'growing' | 'reserved';

/** One archive of a node, as the inventory knows it. */
export interface Archive {
  /** Name in the directory. */
  readonly file: string;
  readonly bytes: number;
  /** What its removal gives back to the disk: blocks, not length; 0 while another hard link holds it. */
  readonly allocatedBytes: number;
  readonly modifiedAt: Instant;
  readonly state: ArchiveState;
  readonly pinned: boolean;
  readonly identity: Identity | null;
  /** Why there is no identity, as a sentence. */
  readonly unidentifiedBecause?: string;
  /** It could not be read for a reason that may pass, so nobody knows whose it is: neither counted nor touched. */
  readonly unread?: true;
  /** Bytes behind the end marker, possibly another tenant's memory; 0 in a sound archive. */
  readonly staleTailBytes: number;
  readonly orphan: OrphanProof | null;
  /** `namespace/name` of the CheckpointSchedule that had it made; absent for all others. */
  readonly madeBy?: string;
}

/** The file system that holds the directory. */
export interface Disk {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export interface Inventory {
  readonly archives: readonly Archive[];
  readonly disk?: Disk;
}

export type DecisionRule =
  | 'count'
  | 'age'
  | 'size'
  | 'total'
  | 'orphan'
  | 'pressure'
  | 'pinned'
  | 'keepLast'
  | 'retain'
  | 'unidentified'
  | 'tainted'
  /** Somebody who may has asked for its deletion. No plan has it. */
  | 'request'
  | 'none';

/** What is to become of one archive, and why. */
export interface Decision {
  readonly archive: Archive;
  readonly action: 'keep' | 'delete';
  readonly rule: DecisionRule;
  /** The policy that decided: for a deletion the one that asks for it. Null when none governs. */
  readonly policy: Rule | null;
  /** The resource that decided where no rule does (`spec.unidentified`). */
  readonly resource: PolicyResource | null;
  /** For a deletion the field that asks for it: `spec.podPolicies[1].maxCheckpoints`. */
  readonly field?: string;
  /**
   * For a deletion its place in the order in which they are to be carried out. Whoever stops on the way leaves a
   * directory whose next plan goes on where he stopped.
   */
  readonly turn?: number;
  /** What is to be said of the archive, to be read behind its name. */
  readonly reason: string;
}

/** A limit that stays broken after the plan, and what stands in the way. */
export interface Unmet {
  readonly policy: Rule | null;
  readonly limit: 'count' | 'total' | 'size' | 'age' | 'pressure' | 'unidentified';
  /** What is over it: `container shop/cart/main`, `namespace shop`, `the disk`. */
  readonly of: string;
  /** The field that is not met: `spec.podPolicies[1].maxCheckpoints`. */
  readonly field?: string;
  /** Files of the archives that pins, `keepLast` or a resource with errors hold. */
  readonly heldBy: readonly string[];
  /** A sentence. */
  readonly message: string;
}

export interface Plan {
  /** One for each archive of the inventory, in its order. */
  readonly decisions: readonly Decision[];
  readonly unmet: readonly Unmet[];
  /**
   * The next instant at which time alone may change the deletions: an age or a grace period ends, or a
   * modification time lies no longer in the future. Never later than the change itself; null when none is to come.
   */
  readonly nextDue: Instant | null;
}

/** `error` refuses the resource, `warning` lets it in and tells. */
export type Severity = 'error' | 'warning';

/** One thing to say of a resource. The catalogue of codes is `findings.ts`. */
export interface Finding {
  readonly code: string;
  readonly severity: Severity;
  /** `spec.namespacePolicies[0].maxCheckpoints` */
  readonly field: string;
  /** As the user wrote it, shortened; absent when the field is. */
  readonly value?: string;
  readonly message: string;
  readonly remedy: string;
}

/** A checkpoint that somebody asks for. */
export interface CheckpointRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** An estimate of the archive's size. */
  readonly expectedBytes: number;
}

/** A checkpoint under way, or done and not yet seen in the directory. */
export interface Reservation {
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly bytes: number;
  readonly since: Instant;
}

/** What `admit` looks at beside the policies. */
export interface Usage {
  /** At least those of the request's namespace. */
  readonly archives: readonly Archive[];
  readonly reservations: readonly Reservation[];
  /** When the last checkpoint of that container began; absent when none is known. */
  readonly lastStarted?: Instant;
  readonly disk?: Disk;
}

export type RefusalReason = 'denied' | 'count' | 'total' | 'size' | 'interval' | 'concurrency' | 'disk';

export type Verdict =
  | {
      readonly admitted: true;
      /** What must be deleted before the request goes on. */
      readonly evict: readonly Decision[];
    }
  | {
      readonly admitted: false;
      readonly because: RefusalReason;
      /** 403 denied, 429 rate and concurrency, 507 quota and disk. */
      readonly status: 403 | 429 | 507;
      readonly policy: Rule | null;
      /** `spec.podPolicies[1].maxCheckpoints` */
      readonly field: string;
      readonly retryAfterSeconds?: number;
      readonly message: string;
    };

/** A thing while it is made, a field at a time: on the way of a review spreads take longer than what they are for. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
