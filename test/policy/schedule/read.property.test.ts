import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatFinding, hasErrors } from '../../../policy/findings.ts';
import { isObject, type JsonObject } from '../../../policy/json.ts';
import { scheduleDefaultsPatch } from '../../../policy/schedule/defaults.ts';
import { judgeSchedule } from '../../../policy/schedule/judge.ts';
import { readSchedule } from '../../../policy/schedule/read.ts';
import { applyPatch } from '../../webhook/apply-patch.ts';
import { holds } from '../cases.ts';
import { scheduleDocument } from './build.ts';

const rubbish = fc.oneof(
  fc.anything(),
  fc.constantFrom<unknown>('1h', '-1s', '0', '* * * * *', 'UTC', 3, -1, 1e99, null, [], {}),
);
const maybe = (sound: unknown) => fc.oneof({ weight: 15, arbitrary: fc.constant(sound) }, rubbish);
const mostly = (arbitrary: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 15, arbitrary }, rubbish, fc.string(), fc.array(rubbish));
const bounds = fc.record({ upper: maybe(80), lower: maybe(10) }, { requiredKeys: [] });

const specs = fc.record(
  {
    namespace: maybe('shop'),
    selector: fc.oneof(
      { weight: 6, arbitrary: maybe({ matchLabels: { app: 'cart' } }) },
      fc.record(
        { matchLabels: fc.dictionary(fc.string(), rubbish), matchExpressions: fc.array(rubbish) },
        { requiredKeys: [] },
      ),
      fc.record({
        matchExpressions: fc.array(
          fc.record({ key: maybe('app'), operator: maybe('In'), values: maybe(['a']) }, { requiredKeys: [] }),
        ),
      }),
    ),
    containerNames: mostly(maybe(['main'])),
    triggers: mostly(
      fc.record(
        {
          interval: maybe('1h'),
          cron: mostly(maybe('0 3 * * *')),
          timeZone: maybe('Europe/Berlin'),
          onAnnotation: maybe(true),
          resourceThreshold: mostly(
            fc.record(
              { cpuPercent: bounds, memoryPercent: bounds, pollIntervalSeconds: maybe(30) },
              { requiredKeys: [] },
            ),
          ),
          onKubernetesEvents: mostly(maybe(['NodeDrain'])),
        },
        { requiredKeys: [] },
      ),
    ),
    retain: mostly(fc.record({ min: maybe(1), max: maybe(3) }, { requiredKeys: [] })),
    paused: maybe(false),
    startingDeadline: maybe('5m'),
    jitter: maybe('5m'),
    volumeSnapshots: mostly(
      fc.record({ enabled: maybe(true), failurePolicy: maybe('Require') }, { requiredKeys: [] }),
    ),
  },
  { requiredKeys: [] },
);

let sound = 0;
holds(
  'whatever a schedule holds it is read or told what is wrong, and its defaults change nothing of that',
  fc.oneof({ weight: 9, arbitrary: specs }, fc.anything()),
  (spec) => {
    const document = scheduleDocument(spec);
    const { schedule, findings } = readSchedule(document);
    if (schedule === null) return assert(findings.length > 0);
    assert.equal(schedule.sound, !hasErrors(findings), findings.map(formatFinding).join('\n'));
    for (const each of findings) assert.match(formatFinding(each), /^[^\n]*$/, 'one line');
    if (schedule.sound) {
      sound += 1;
      const { min, max = Number.POSITIVE_INFINITY } = schedule.retain;
      assert(min >= 0 && min <= max && schedule.jitterMs >= 0);
    }
    judgeSchedule(document, { policies: null, schedules: [schedule] });
    const once = patched(document);
    assert.deepEqual(scheduleDefaultsPatch(once), [], 'the second time nothing');
    assert.equal(readSchedule(once).schedule?.sound, schedule.sound);
  },
  { afterwards: () => assert(sound > 0) },
);

function patched(document: JsonObject): JsonObject {
  const patch = Buffer.from(JSON.stringify(scheduleDefaultsPatch(document))).toString('base64');
  const whole = applyPatch(document, patch);
  assert(isObject(whole));
  return whole;
}
