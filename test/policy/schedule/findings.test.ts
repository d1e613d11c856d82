import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PolicyCatalog } from '../../../policy/catalog.ts';
import { formatFinding } from '../../../policy/findings.ts';
import { judgeSchedule, scheduleTrespass } from '../../../policy/schedule/judge.ts';
import { readSchedule } from '../../../policy/schedule/read.ts';
import { schedule, scheduleDocument, scheduleSpec } from './build.ts';
import { ALONE, BESIDE, inForce } from './findings-table.ts';

describe('what a schedule is told by itself', () => {
  for (const [name, spec, code, field, says] of ALONE) {
    test(name, () => {
      const { findings } = readSchedule(scheduleDocument(spec));
      const found = findings.find((each) => each.code === code && each.field === field);
      assert(found, findings.map(formatFinding).join('\n') || 'nothing was found');
      assert.match(formatFinding(found), says);
      assert.equal(findings.length, 1, findings.map(formatFinding).join('\n'));
    });
  }

  test("the public operator's own sample is sound", () => {
    const { schedule: read, findings } = readSchedule(
      scheduleDocument({
        namespace: 'shop',
        selector: { matchLabels: { app: 'myapp' } },
        containerNames: [],
        triggers: {
          interval: '1h',
          onAnnotation: true,
          resourceThreshold: {
            memoryPercent: { upper: 80 },
            cpuPercent: { upper: 90 },
            pollIntervalSeconds: 30,
          },
          onKubernetesEvents: ['NodeDrain', 'PodEviction', 'Preemption'],
        },
      }),
    );
    assert.deepEqual(findings, []);
    assert.deepEqual(read?.triggers, {
      intervalMs: 3_600_000,
      onAnnotation: true,
      threshold: { pollMs: 30_000, cpu: { upper: 90 }, memory: { upper: 80 } },
      disruptions: ['NodeDrain', 'PodEviction', 'Preemption'],
    });
  });

  test('rubbish is told and never thrown', () => {
    for (const document of [
      null,
      7,
      'x',
      [],
      {},
      { kind: 'CheckpointSchedule' },
      scheduleDocument([]),
      scheduleDocument({ selector: 7, triggers: [] }),
    ]) {
      const { findings, schedule: read } = readSchedule(document);
      assert(findings.length > 0);
      assert.notEqual(read?.sound, true);
    }
  });

  test('one with errors keeps and limits nothing', () => {
    const { schedule: read } = readSchedule(
      scheduleDocument(scheduleSpec({ retain: { min: 1, max: 2 }, jiter: 1 })),
    );
    assert.deepEqual([read?.sound, read?.retain], [false, { min: 0 }]);
  });
});

describe('what a schedule is told beside the policies', () => {
  for (const [name, policy, spec, code, field, says] of BESIDE) {
    test(name, () => {
      const policies = new PolicyCatalog([inForce(policy)]);
      const { findings } = judgeSchedule(scheduleDocument(spec), { policies, schedules: [] });
      assert.deepEqual(
        findings.map((each) => [each.code, each.field, each.severity]),
        [[code, field, 'warning']],
      );
      assert.match(formatFinding(findings[0] ?? assert.fail()), says);
    });
  }

  test('nothing where it fits, where the policy is for another namespace, and where none is known', () => {
    const policies = new PolicyCatalog([
      inForce({
        globalPolicy: { minInterval: '1h', maxCheckpointsPerContainer: 5 },
        namespacePolicies: [{ namespace: 'other', checkpointing: 'Deny' }],
      }),
    ]);
    const document = scheduleDocument(scheduleSpec({ retain: { min: 1, max: 5 } }));
    assert.deepEqual(judgeSchedule(document, { policies, schedules: [] }).findings, []);
    assert.deepEqual(judgeSchedule(document, { policies: null, schedules: [] }).findings, []);
  });
});

describe('two schedules over one container', () => {
  const cart = schedule(scheduleSpec(), { name: 'first' });
  const rows: readonly (readonly [string, unknown, boolean])[] = [
    ['of the same pods', scheduleSpec(), true],
    ['by cron and by interval', scheduleSpec({ triggers: { cron: '@daily' } }), true],
    ['of all pods', scheduleSpec({ selector: {} }), true],
    [
      'of pods with another label as well',
      scheduleSpec({ selector: { matchLabels: { tier: 'web' } } }),
      true,
    ],
    ['of other pods', scheduleSpec({ selector: { matchLabels: { app: 'mail' } } }), false],
    [
      'of all but these',
      scheduleSpec({ selector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['cart'] }] } }),
      false,
    ],
    [
      'of those without the label',
      scheduleSpec({ selector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } }),
      false,
    ],
    [
      'one by the clock, one at a drain',
      scheduleSpec({ triggers: { onKubernetesEvents: ['NodeDrain'] } }),
      false,
    ],
    ['one that is paused', scheduleSpec({ paused: true }), false],
    ['in another namespace', scheduleSpec({ namespace: 'other' }), false],
  ];
  for (const [name, spec, warned] of rows) {
    test(`${name}: ${warned ? 'a warning' : 'nothing'}`, () => {
      const { findings } = judgeSchedule(scheduleDocument(spec), { policies: null, schedules: [cart] });
      assert.deepEqual(
        findings.map((each) => each.code),
        warned ? ['overlappingSchedules'] : [],
      );
      if (warned) assert.match(formatFinding(findings[0] ?? assert.fail()), /shop\/first \(by the clock\)/);
    });
  }

  test('a former version of itself is none of the others', () => {
    const document = scheduleDocument(scheduleSpec(), { name: 'first' });
    assert.deepEqual(judgeSchedule(document, { policies: null, schedules: [cart] }).findings, []);
  });
});

test('another namespace is the administrator’s', () => {
  const own = scheduleDocument(scheduleSpec({ namespace: 'shop' }));
  const other = scheduleDocument(scheduleSpec({ namespace: 'bank' }));
  assert.deepEqual(scheduleTrespass(own, 'ada'), []);
  const [trespass] = scheduleTrespass(other, 'ada');
  assert.match(
    formatFinding(trespass ?? assert.fail()),
    /^spec\.namespace = "bank": is not the namespace of the schedule, and ada may not govern there; .*verb govern/,
  );
  assert.equal(readSchedule(own).schedule?.authority, 'tenant');
  assert.equal(readSchedule(other).schedule?.authority, 'administrator');
});

test('of many large schedules in one namespace a thousand are compared', () => {
  const values = Array.from({ length: 100 }, (_, index) => `v${index}`);
  const matchExpressions = values.map(() => ({ key: 'app', operator: 'NotIn', values }));
  const large = schedule(scheduleSpec({ selector: { matchExpressions } }), { name: 'large' });
  const others = Array.from({ length: 5_000 }, () => large);
  const document = scheduleDocument(scheduleSpec({ selector: { matchExpressions } }));
  const { findings } = judgeSchedule(document, { policies: null, schedules: others });
  assert.deepEqual(
    findings.map((each) => each.code),
    ['overlappingSchedules'],
  );
  assert.match(formatFinding(findings[0] ?? assert.fail()), /and 997 more/);
});
