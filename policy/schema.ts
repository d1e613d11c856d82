/**
 * The resource's schema: the one source of the CRD, of the structural validator and of the field reference.
 * Only what a structural schema of Kubernetes may hold stands here.
 */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: 'int64' | 'date-time';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  /** Of a mapping with names of the author's own. */
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-list-type'?: 'map' | 'atomic';
  readonly 'x-kubernetes-map-type'?: 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

export const GROUP = 'criu.org';
export const VERSION = 'v1';
export const API_VERSION = `${GROUP}/${VERSION}`;
export const KIND = 'CheckpointRestoreOperator';
export const PLURAL = 'checkpointrestoreoperators';
export const DEFAULT_DIRECTORY = '/var/lib/kubelet/checkpoints';
/** Annotation with the digests, separated by commas, of plans that the circuit breaker may let through. */
export const CONFIRM_ANNOTATION = 'checkpoint.criu.org/confirm';
/** Annotation that the webhook sets on a resource whose author holds `govern`; nobody else can set it. */
export const AUTHORITY_ANNOTATION = 'checkpoint.criu.org/authority';

/** Entries a list may have; with it the API server's cost estimate of the CEL rules stays within its budget. */
export const MOST_ENTRIES = 10_000;

const QUANTITY_PATTERN = '^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$';
const DURATION_PATTERN = '^[+-]?(0|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w))+)$';
const SHARE_PATTERN = '^(100|[0-9]{1,2})(\\.[0-9]+)?%$';
const AMOUNT_PATTERN = `${SHARE_PATTERN.slice(0, -1)}$|${QUANTITY_PATTERN}`;
export const LABEL_PATTERN = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
const SUBDOMAIN_PATTERN = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';

const size = (description: string): Schema => ({
  description: `${description} A Kubernetes quantity of bytes, at least 1Ki, for example 500Mi. Absent: not limited.`,
  'x-kubernetes-int-or-string': true,
  pattern: QUANTITY_PATTERN,
  maxLength: 64,
  'x-kubernetes-validations': [
    {
      rule: "quantity(string(self)).compareTo(quantity('1Ki')) >= 0",
      message: 'a size is in bytes and at least 1Ki; did you mean 10Mi?',
    },
  ],
});
export const count = (description: string): Schema => ({
  type: 'integer',
  minimum: 0,
  maximum: 2_147_483_647,
  description: `${description} Absent or 0: not enforced.`,
});
export const duration = (description: string, extra: Partial<Schema> = {}): Schema => ({
  type: 'string',
  pattern: DURATION_PATTERN,
  maxLength: 64,
  description: `${description} A duration with its unit: 90m, 30d12h, 40d, 1w.`,
  ...extra,
});
const amount = (description: string): Schema => ({
  description: `${description} A part of the file system (10%) or a number (50Gi).`,
  'x-kubernetes-int-or-string': true,
  pattern: AMOUNT_PATTERN,
  maxLength: 64,
});
const share = (description: string, extra: Partial<Schema> = {}): Schema => ({
  type: 'string',
  pattern: SHARE_PATTERN,
  maxLength: 16,
  description: `${description} A percentage such as 85%.`,
  ...extra,
});
const target = (description: string, pattern: string, maxLength: number): Schema => ({
  type: 'string',
  minLength: 1,
  maxLength,
  pattern,
  description,
});

const SPELLINGS_AGREE = {
  rule: '!has(self.retainOrphan) || !has(self.deleteOrphanedCheckpoint) || self.retainOrphan != self.deleteOrphanedCheckpoint',
  message: 'retainOrphan and deleteOrphanedCheckpoint say opposite things; keep one of them',
};
const noMoreThan = (one: string, other: string, message: string) => ({
  rule: `!has(self.${one}) || !has(self.${other}) || quantity(string(self.${one})).compareTo(quantity(string(self.${other}))) <= 0`,
  message,
});
const FLOOR_BELOW_COUNT = (floor: string, limit: string) => ({
  rule: `!has(self.${floor}) || !has(self.${limit}) || self.${limit} == 0 || self.${floor} <= self.${limit}`,
  message: `${floor} keeps more than ${limit} allows; lower ${floor} or raise ${limit}`,
});

/** What a policy at any level can say. */
const COMMON: Readonly<Record<string, Schema>> = {
  retainOrphan: {
    type: 'boolean',
    description:
      'Keep archives whose pod is gone. Absent: true. With false they are deleted once the API server has proved that the pod is gone and spec.orphanGracePeriod has passed.',
  },
  deleteOrphanedCheckpoint: {
    type: 'boolean',
    description: 'The older spelling of retainOrphan: false. Write one of the two.',
  },
  maxCheckpointSize: size('Archives larger than this are deleted.'),
  timeThreshold: duration(
    'Archives older than this, by modification time, are deleted; at least 1s. Absent: not limited.',
  ),
  keepLast: count(
    'A floor: the newest this many of each container are held against size, age, count, total size and disk pressure.',
  ),
  whenFull: {
    type: 'string',
    enum: ['EvictOldest', 'RejectNew'],
    default: 'EvictOldest',
    description:
      'What happens to a checkpoint request when a limit is reached: EvictOldest lets it in and deletes the oldest, RejectNew refuses it.',
  },
  minInterval: duration(
    'The least time between the starts of two checkpoints of one container. Absent: none.',
  ),
  maxConcurrent: count('How many checkpoints of these containers may be under way on a node at once.'),
  checkpointing: {
    type: 'string',
    enum: ['Allow', 'Deny'],
    default: 'Allow',
    description: 'Deny refuses every checkpoint request for these containers.',
  },
};

const NARROW: Readonly<Record<string, Schema>> = {
  ...COMMON,
  maxCheckpoints: count('How many archives are kept; the oldest go first.'),
  maxTotalSize: size('How large all archives together may be; the oldest go first.'),
};
const NARROW_RULES = [
  SPELLINGS_AGREE,
  noMoreThan(
    'maxCheckpointSize',
    'maxTotalSize',
    'maxCheckpointSize is larger than maxTotalSize; one archive could never fit',
  ),
  FLOOR_BELOW_COUNT('keepLast', 'maxCheckpoints'),
];

function narrowPolicies(description: string, keys: readonly string[]): Schema {
  const targets: Readonly<Record<string, Schema>> = {
    namespace: target('The namespace, exactly.', LABEL_PATTERN, 63),
    pod: target('The pod, exactly.', SUBDOMAIN_PATTERN, 253),
    container: target('The container, exactly.', LABEL_PATTERN, 63),
  };
  const selected = Object.fromEntries(Object.entries(targets).filter(([key]) => keys.includes(key)));
  return {
    type: 'array',
    description,
    maxItems: MOST_ENTRIES,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': keys,
    items: {
      type: 'object',
      required: keys,
      properties: { ...selected, ...NARROW },
      'x-kubernetes-validations': NARROW_RULES,
    },
  };
}

const GLOBAL: Schema = {
  type: 'object',
  description:
    'What governs every archive that no container, pod or namespace policy governs. Needs the verb govern.',
  properties: {
    checkpointDirectory: {
      type: 'string',
      maxLength: 4096,
      description: 'The older place of spec.checkpointDirectory. Write one of the two.',
    },
    ...COMMON,
    maxCheckpointsPerContainer: count('How many archives of one container are kept; the oldest go first.'),
    maxCheckpointsPerPod: count('How many archives of one pod are kept; the oldest go first.'),
    maxCheckpointsPerNamespace: count('How many archives of one namespace are kept; the oldest go first.'),
    maxTotalSizePerContainer: size('How large all archives of one container together may be.'),
    maxTotalSizePerPod: size('How large all archives of one pod together may be.'),
    maxTotalSizePerNamespace: size('How large all archives of one namespace together may be.'),
    diskPressure: {
      type: 'object',
      description:
        'Above highWatermark, or below minFree or minFreeInodes, archives are evicted down to lowWatermark: orphans first, then what is over its share, then the oldest; never below keepLast.',
      properties: {
        highWatermark: share('Evict when more than this part of the file system is in use.', {
          default: '85%',
        }),
        lowWatermark: share(
          'Evict until no more than this part is in use. Absent: 75%, or ten points below highWatermark where that is lower, but at least half of it.',
        ),
        minFree: amount('Evict when less than this is free.'),
        minFreeInodes: amount('Evict when fewer inodes than this are free.'),
      },
    },
  },
  'x-kubernetes-validations': [
    SPELLINGS_AGREE,
    ...['Container', 'Pod', 'Namespace'].flatMap((level) => [
      noMoreThan(
        'maxCheckpointSize',
        `maxTotalSizePer${level}`,
        `maxCheckpointSize is larger than maxTotalSizePer${level}; one archive could never fit`,
      ),
      FLOOR_BELOW_COUNT('keepLast', `maxCheckpointsPer${level}`),
    ]),
  ],
};

export const SPEC: Schema = {
  type: 'object',
  description: 'What may be kept of the checkpoint archives on each node.',
  properties: {
    checkpointDirectory: {
      type: 'string',
      maxLength: 4096,
      description: `The directory on each node that holds the archives, absolute. Absent: ${DEFAULT_DIRECTORY}.`,
    },
    applyPoliciesImmediately: {
      type: 'boolean',
      default: false,
      description: 'Enforce a changed policy at once. With false it acts from the next checkpoint on.',
    },
    globalPolicy: GLOBAL,
    namespacePolicies: narrowPolicies('Policies for whole namespaces.', ['namespace']),
    podPolicies: narrowPolicies('Policies for single pods.', ['namespace', 'pod']),
    containerPolicies: narrowPolicies('Policies for single containers.', ['namespace', 'pod', 'container']),
    orphanGracePeriod: duration('How long a pod must have been gone before its archives are orphans.', {
      default: '10m',
    }),
    tainted: {
      type: 'string',
      enum: ['Keep', 'Delete'],
      default: 'Keep',
      description:
        "What to do with an archive that has bytes behind its end marker, possibly another tenant's memory. Keep treats it like any other archive of the container that it names.",
    },
    unidentified: {
      type: 'object',
      description:
        'The only rule that deletes archives whose pod cannot be read from them, half-written ones for instance, and not within ten minutes of their last write. Absent: they are kept. Needs the verb govern.',
      properties: {
        timeThreshold: duration(
          'Unidentified archives older than this are deleted; at least 1s. Absent: not limited.',
        ),
        maxTotalSize: size('How large all unidentified archives together may be; the oldest go first.'),
      },
    },
    deletionBudget: {
      type: 'object',
      description: 'How much this resource may delete on a node in one pass; the rest waits for the next.',
      properties: {
        maxArchivesPerPass: {
          type: 'integer',
          minimum: 1,
          maximum: 2_147_483_647,
          description: 'Archives a pass. Absent: not limited.',
        },
        maxBytesPerPass: size('Bytes a pass; one archive is always allowed.'),
      },
    },
    circuitBreaker: {
      type: 'object',
      default: {},
      description: `Holds back a new or changed resource that would delete a large part of a node's archives at once, until the annotation ${CONFIRM_ANNOTATION} names the plan's digest.`,
      properties: {
        maxShare: share("The part of a node's archives that needs no confirmation.", { default: '50%' }),
        minArchives: {
          type: 'integer',
          minimum: 0,
          maximum: 2_147_483_647,
          default: 100,
          description: 'Fewer deletions than this need no confirmation.',
        },
      },
    },
  },
};
