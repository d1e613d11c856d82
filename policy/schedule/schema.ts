import { API_VERSION, count, duration, GROUP, LABEL_PATTERN, type Schema, VERSION } from '../schema.ts';

export const SCHEDULE_KIND = 'CheckpointSchedule';
export const SCHEDULE_PLURAL = 'checkpointschedules';
export const SCHEDULE_API_VERSION = API_VERSION;
export const SCHEDULE_RESOURCE = `${SCHEDULE_PLURAL}.${VERSION}.${GROUP}`;
/** On a pod: each new value asks the schedules with `onAnnotation` for one checkpoint. */
export const TRIGGER_ANNOTATION = 'checkpoint.criu.org/trigger';
/** Seconds between two looks at the usage, where none are given. */
export const DEFAULT_POLL_SECONDS = 30;
export const DEFAULT_TIME_ZONE = 'UTC';
export const DISRUPTIONS = ['NodeDrain', 'PodEviction', 'Preemption'] as const;
export const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

/** Containers of a schedule, and labels of its selector. */
export const MOST_NAMES = 1_000;
/** Terms of a selector, and values of a term. */
export const MOST_TERMS = 100;

const text = (description: string, maxLength: number): Schema => ({ type: 'string', maxLength, description });
const percent = (description: string): Schema => ({
  type: 'integer',
  minimum: 0,
  maximum: 100_000,
  description,
});
const bounds = (what: string): Schema => ({
  type: 'object',
  description: `${what} of the container, in percent of its own limit; a container without a limit is passed over.`,
  properties: {
    upper: percent('Usage that rises above this triggers a checkpoint.'),
    lower: percent('Usage that falls below this triggers a checkpoint.'),
  },
});

const SELECTOR: Schema = {
  type: 'object',
  'x-kubernetes-map-type': 'atomic',
  description:
    'Which pods, by their labels; all terms must hold. Empty: every pod of the namespace. Only running pods are checkpointed.',
  properties: {
    matchLabels: {
      type: 'object',
      description: 'Labels with the value that they must have.',
      additionalProperties: text('A value.', 63),
    },
    matchExpressions: {
      type: 'array',
      maxItems: MOST_TERMS,
      'x-kubernetes-list-type': 'atomic',
      description: 'Further terms.',
      items: {
        type: 'object',
        required: ['key', 'operator'],
        properties: {
          key: text('The label.', 317),
          operator: { type: 'string', enum: OPERATORS, description: 'How the label relates to the values.' },
          values: {
            type: 'array',
            maxItems: MOST_TERMS,
            'x-kubernetes-list-type': 'atomic',
            description: 'For In and NotIn, which need at least one; the others take none.',
            items: text('A value.', 63),
          },
        },
      },
    },
  },
};

const TRIGGERS: Schema = {
  type: 'object',
  description: 'What makes it take a checkpoint; each of them does, whatever the others do.',
  properties: {
    interval: duration(
      'The time between two checkpoints of a container, at least 1s. They fall on the creation of the schedule plus one, two, … intervals.',
    ),
    cron: text(
      'When to take checkpoints, in the five fields of cron: minute, hour, day of month, month and day of week; or @hourly, @daily, @weekly, @monthly, @yearly.',
      256,
    ),
    timeZone: text(
      'The time zone of cron, by its IANA name, such as Europe/Berlin. Absent: UTC. At a change of clocks an expression that names hours runs once at each: in the gap at its end, and of an hour that comes twice in the first; one whose hour begins with * goes by elapsed time.',
      64,
    ),
    onAnnotation: {
      type: 'boolean',
      description: `A pod that is annotated with ${TRIGGER_ANNOTATION} is checkpointed once for each new value, such as true or a time. The annotation stays.`,
    },
    resourceThreshold: {
      type: 'object',
      description:
        'Checkpoint a container when its usage crosses a percentage of its limit: once, and again after it has been back. The kubelet of its node is asked; no metrics-server is needed.',
      properties: {
        cpuPercent: bounds('CPU usage'),
        memoryPercent: bounds('Memory usage'),
        pollIntervalSeconds: {
          type: 'integer',
          minimum: 1,
          maximum: 86_400,
          default: DEFAULT_POLL_SECONDS,
          description: 'How often usage is looked at, in seconds.',
        },
      },
    },
    onKubernetesEvents: {
      type: 'array',
      maxItems: DISRUPTIONS.length,
      'x-kubernetes-list-type': 'atomic',
      description:
        "Checkpoint a pod that is ending: NodeDrain, while its node is cordoned; PodEviction, because it is evicted, by the API, a taint or the kubelet; Preemption, because the scheduler wants its place. With the pod's label checkpoint.criu.org/before-stop=true there is time for it.",
      items: { type: 'string', enum: DISRUPTIONS },
    },
  },
};

export const SCHEDULE_SPEC: Schema = {
  type: 'object',
  description: 'Which containers are checkpointed, when, and how many of these checkpoints are kept.',
  required: ['selector', 'triggers'],
  properties: {
    namespace: {
      type: 'string',
      minLength: 1,
      maxLength: 63,
      pattern: LABEL_PATTERN,
      description:
        "The namespace of the pods. Absent: the schedule's own. Another one needs the verb govern on checkpointrestoreoperators.",
    },
    selector: SELECTOR,
    containerNames: {
      type: 'array',
      maxItems: MOST_NAMES,
      'x-kubernetes-list-type': 'atomic',
      description: 'Which containers of these pods. Absent or empty: all.',
      items: text('A container, exactly.', 63),
    },
    triggers: TRIGGERS,
    retain: {
      type: 'object',
      description:
        'What is kept of the archives that this schedule had made, of each container. It touches no others, and policies limit these archives as all others.',
      properties: {
        min: count(
          'A floor: the newest this many are held against size, age, count, total size and disk pressure, as keepLast of a policy holds. The floor of a tenant gives way to the policies of administrators.',
        ),
        max: count('A ceiling: beyond this many the oldest are deleted, pinned ones apart.'),
      },
      'x-kubernetes-validations': [
        {
          rule: '!has(self.min) || !has(self.max) || self.max == 0 || self.min <= self.max',
          message: 'min keeps more than max allows; lower min or raise max',
        },
      ],
    },
    paused: {
      type: 'boolean',
      default: false,
      description:
        'True: nothing is taken until it is false again. What was missed meanwhile is made up once.',
    },
    startingDeadline: duration(
      'A run by interval or cron that could not begin this long after its time is dropped. Absent: it may begin until the next one is due.',
    ),
    jitter: duration(
      'Runs by interval or cron are put off by up to this, each container by a time of its own that stays the same. Absent: none.',
    ),
    volumeSnapshots: {
      type: 'object',
      description:
        'Of the public operator. Snapshots of volumes are not taken here: a schedule that requires them is refused.',
      required: ['enabled'],
      properties: {
        enabled: { type: 'boolean', description: 'Whether snapshots are wished for.' },
        failurePolicy: {
          type: 'string',
          enum: ['BestEffort', 'Require'],
          default: 'BestEffort',
          description: 'Require: no checkpoint without them.',
        },
        readyTimeout: duration('How long to wait for one.'),
        volumeSnapshotClassName: text('Their class.', 253),
      },
    },
  },
};
