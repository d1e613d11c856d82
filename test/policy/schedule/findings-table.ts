import { PolicyCatalog } from '../../../policy/catalog.ts';
import type { FindingCode } from '../../../policy/findings.ts';
import { judgeSchedule } from '../../../policy/schedule/judge.ts';
import type { Finding, PolicyResource } from '../../../policy/types.ts';
import { resource } from '../build.ts';
import { schedule, scheduleDocument, scheduleSpec } from './build.ts';

export type Row = readonly [name: string, spec: unknown, FindingCode, field: string, says: RegExp];

/** What is wrong with a schedule by itself. */
export const ALONE: readonly Row[] = [
  ['no spec', undefined, 'required', 'spec', /add spec with selector and triggers/],
  ['no selector', { triggers: { interval: '1h' } }, 'required', 'spec.selector', /is missing; add selector/],
  ['no triggers', { selector: {} }, 'required', 'spec.triggers', /is missing/],
  [
    'no trigger in them',
    scheduleSpec({ triggers: {} }),
    'neverTriggers',
    'spec.triggers',
    /no checkpoint is ever taken/,
  ],
  ['a typing error', scheduleSpec({ jiter: '5m' }), 'unknownField', 'spec.jiter', /did you mean jitter\?/],
  [
    'interval without unit',
    scheduleSpec({ triggers: { interval: '30' } }),
    'badDuration',
    'spec.triggers.interval',
    /has no unit/,
  ],
  [
    'interval as a number',
    scheduleSpec({ triggers: { interval: 30 } }),
    'wrongType',
    'spec.triggers.interval',
    /with its unit/,
  ],
  [
    'interval under a second',
    scheduleSpec({ triggers: { interval: '10ms' } }),
    'outOfRange',
    'spec.triggers.interval',
    /under a second/,
  ],
  [
    'a negative interval',
    scheduleSpec({ triggers: { interval: '-1h' } }),
    'outOfRange',
    'spec.triggers.interval',
    /negative/,
  ],
  [
    'a short interval',
    scheduleSpec({ triggers: { interval: '30s' } }),
    'shortInterval',
    'spec.triggers.interval',
    /stands still/,
  ],
  [
    'cron every minute',
    scheduleSpec({ triggers: { cron: '* * * * *' } }),
    'shortInterval',
    'spec.triggers.cron',
    /\*\/5/,
  ],
  [
    'cron of four fields',
    scheduleSpec({ triggers: { cron: '0 3 * *' } }),
    'badCron',
    'spec.triggers.cron',
    /4 fields, not five/,
  ],
  [
    'cron that never comes',
    scheduleSpec({ triggers: { cron: '0 0 30 2 *' } }),
    'badCron',
    'spec.triggers.cron',
    /never comes/,
  ],
  [
    'no such zone',
    scheduleSpec({ triggers: { cron: '0 3 * * *', timeZone: 'Europe/Berlyn' } }),
    'badTimeZone',
    'spec.triggers.timeZone',
    /Europe\/Berlin/,
  ],
  [
    'a zone without cron',
    scheduleSpec({ triggers: { interval: '1h', timeZone: 'UTC' } }),
    'noEffect',
    'spec.triggers.timeZone',
    /without cron/,
  ],
  [
    'an unknown event',
    scheduleSpec({ triggers: { onKubernetesEvents: ['NodeDrian'] } }),
    'notAllowed',
    'spec.triggers.onKubernetesEvents[0]',
    /did you mean NodeDrain\?/,
  ],
  [
    'polling all the time',
    scheduleSpec({ triggers: { resourceThreshold: { cpuPercent: { upper: 80 }, pollIntervalSeconds: 0 } } }),
    'outOfRange',
    'spec.triggers.resourceThreshold.pollIntervalSeconds',
    /at least 1/,
  ],
  [
    'a threshold without bounds',
    scheduleSpec({ triggers: { resourceThreshold: { cpuPercent: {} } } }),
    'neverTriggers',
    'spec.triggers.resourceThreshold',
    /no bound/,
  ],
  [
    'bounds that cross',
    scheduleSpec({ triggers: { resourceThreshold: { cpuPercent: { upper: 20, lower: 80 } } } }),
    'limitsContradict',
    'spec.triggers.resourceThreshold.cpuPercent.lower',
    /not below upper/,
  ],
  [
    'memory beyond its limit',
    scheduleSpec({ triggers: { resourceThreshold: { memoryPercent: { upper: 100 } } } }),
    'neverTriggers',
    'spec.triggers.resourceThreshold.memoryPercent.upper',
    /is ended/,
  ],
  [
    'usage below nothing',
    scheduleSpec({ triggers: { resourceThreshold: { cpuPercent: { lower: 0 } } } }),
    'neverTriggers',
    'spec.triggers.resourceThreshold.cpuPercent.lower',
    /below 0/,
  ],
  [
    'a label that is none',
    scheduleSpec({ selector: { matchLabels: { 'a b': 'x' } } }),
    'badSelector',
    'spec.selector.matchLabels["a b"]',
    /no label/,
  ],
  [
    'a value that is none',
    scheduleSpec({ selector: { matchLabels: { app: '*' } } }),
    'badSelector',
    'spec.selector.matchLabels["app"]',
    /no value that a label can have/,
  ],
  [
    'too many labels',
    scheduleSpec({
      selector: { matchLabels: Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`l${n}`, ''])) },
    }),
    'tooManyEntries',
    'spec.selector.matchLabels',
    /more than 1,000 entries/,
  ],
  [
    'In without values',
    scheduleSpec({ selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } }),
    'badSelector',
    'spec.selector.matchExpressions[0].values',
    /needs a value/,
  ],
  [
    'Exists with values',
    scheduleSpec({ selector: { matchExpressions: [{ key: 'app', operator: 'Exists', values: ['x'] }] } }),
    'badSelector',
    'spec.selector.matchExpressions[0].values',
    /takes none/,
  ],
  [
    'an unknown operator',
    scheduleSpec({ selector: { matchExpressions: [{ key: 'app', operator: 'in' }] } }),
    'notAllowed',
    'spec.selector.matchExpressions[0].operator',
    /did you mean In\?/,
  ],
  [
    'a wildcard of a container',
    scheduleSpec({ containerNames: ['ma*'] }),
    'badName',
    'spec.containerNames[0]',
    /without wildcards/,
  ],
  [
    'a wildcard of a namespace',
    scheduleSpec({ namespace: '*' }),
    'badName',
    'spec.namespace',
    /without wildcards/,
  ],
  [
    'floor over ceiling',
    scheduleSpec({ retain: { min: 5, max: 3 } }),
    'limitsContradict',
    'spec.retain.min',
    /max \(3\)/,
  ],
  [
    'a ceiling of none',
    scheduleSpec({ retain: { max: 0 } }),
    'zeroNotEnforced',
    'spec.retain.max',
    /not enforced/,
  ],
  ['a negative floor', scheduleSpec({ retain: { min: -1 } }), 'outOfRange', 'spec.retain.min', /at least 0/],
  [
    'jitter as long as the interval',
    scheduleSpec({ jitter: '1h' }),
    'limitsContradict',
    'spec.jitter',
    /a tenth/,
  ],
  [
    'jitter over the shortest gap of cron',
    scheduleSpec({ triggers: { cron: '0,10 * * * *' }, jitter: '15m' }),
    'limitsContradict',
    'spec.jitter',
    /not shorter/,
  ],
  [
    'jitter without a clock',
    scheduleSpec({ triggers: { onAnnotation: true }, jitter: '5m' }),
    'noEffect',
    'spec.jitter',
    /without interval or cron/,
  ],
  [
    'a deadline without a clock',
    scheduleSpec({ triggers: { onAnnotation: true }, startingDeadline: '5m' }),
    'noEffect',
    'spec.startingDeadline',
    /without interval or cron/,
  ],
  [
    'a deadline of nothing',
    scheduleSpec({ startingDeadline: '0' }),
    'outOfRange',
    'spec.startingDeadline',
    /drop every run/,
  ],
  [
    'snapshots of volumes',
    scheduleSpec({ volumeSnapshots: { enabled: true } }),
    'noEffect',
    'spec.volumeSnapshots.enabled',
    /not taken here/,
  ],
  [
    'snapshots that must be',
    scheduleSpec({ volumeSnapshots: { enabled: true, failurePolicy: 'Require' } }),
    'notAllowed',
    'spec.volumeSnapshots.failurePolicy',
    /write BestEffort/,
  ],
];

export const inForce = (spec: unknown): PolicyResource =>
  resource(spec, { namespace: 'ops', authority: 'administrator' });

/** What policies in force stand in its way. */
export const BESIDE: readonly (readonly [
  string,
  policy: unknown,
  spec: unknown,
  FindingCode,
  string,
  RegExp,
])[] = [
  [
    'a policy denies checkpoints',
    { namespacePolicies: [{ namespace: 'shop', checkpointing: 'Deny' }] },
    scheduleSpec(),
    'refusedByPolicy',
    'spec.triggers',
    /spec\.namespacePolicies\[0\] of ops\/quotas has checkpointing: Deny for namespace shop/,
  ],
  [
    'a policy wants more time between',
    { globalPolicy: { minInterval: '2h', maxCheckpointsPerPod: 9 } },
    scheduleSpec(),
    'refusedByPolicy',
    'spec.triggers.interval',
    /comes every 1h, .* in 2h \(minInterval\).*write 2h or more/,
  ],
  [
    'by cron, too',
    { globalPolicy: { minInterval: '2h', maxCheckpointsPerPod: 9 } },
    scheduleSpec({ triggers: { cron: '0,30 3 * * *' } }),
    'refusedByPolicy',
    'spec.triggers.cron',
    /comes every 30m/,
  ],
  [
    'a ceiling above the policy',
    { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3 }] },
    scheduleSpec({ retain: { max: 10 } }),
    'neverBinds',
    'spec.retain.max',
    /maxCheckpoints \(3, of each namespace\).*write 3 or less/,
  ],
  [
    'a floor above the policy',
    { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3 }] },
    scheduleSpec({ retain: { min: 5 } }),
    'floorOverruled',
    'spec.retain.min',
    /does not hold against .*which an administrator set/,
  ],
  [
    'a policy that rejects when full',
    { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3, whenFull: 'RejectNew' }] },
    scheduleSpec({ retain: { max: 3 } }),
    'refusedByPolicy',
    'spec.retain.max',
    /RejectNew.*at most 2/,
  ],
  [
    'without a ceiling as well',
    { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3, whenFull: 'RejectNew' }] },
    scheduleSpec(),
    'refusedByPolicy',
    'spec.retain.max',
    /RejectNew/,
  ],
];

/** All findings of both tables, and of two schedules over one container. */
export function scheduleFindings(): Finding[] {
  const nothing = { policies: null, schedules: [] };
  const others = { ...nothing, schedules: [schedule(scheduleSpec(), { name: 'first' })] };
  return [
    ...ALONE.map(([, spec]) => judgeSchedule(scheduleDocument(spec), nothing)),
    ...BESIDE.map(([, policy, spec]) =>
      judgeSchedule(scheduleDocument(spec), { ...nothing, policies: new PolicyCatalog([inForce(policy)]) }),
    ),
    judgeSchedule(scheduleDocument(scheduleSpec()), others),
  ].flatMap(({ findings }) => findings);
}
