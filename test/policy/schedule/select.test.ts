import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheduleDefaultsPatch } from '../../../policy/schedule/defaults.ts';
import { crossed, selectedContainers, selects } from '../../../policy/schedule/select.ts';
import { schedule, scheduleDocument, scheduleSpec } from './build.ts';

test('a selector reads labels as Kubernetes does', () => {
  const rows: readonly (readonly [unknown, Record<string, string>, boolean])[] = [
    [{}, {}, true],
    [{ matchLabels: { app: 'cart' } }, { app: 'cart', tier: 'web' }, true],
    [{ matchLabels: { app: 'cart', tier: 'db' } }, { app: 'cart' }, false],
    [{ matchLabels: { app: '' } }, { app: '' }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }] }, { app: 'b' }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] }, {}, true],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] }, { app: 'a' }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists' }] }, { app: 'a' }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists' }] }, {}, false],
    [{ matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, {}, true],
    [{ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {}, false],
  ];
  for (const [selector, labels, expected] of rows) {
    const each = schedule(scheduleSpec({ selector }));
    assert.equal(selects(each, { namespace: 'shop', labels }), expected, JSON.stringify([selector, labels]));
    assert.equal(selects(each, { namespace: 'shop-prod', labels }), false);
  }
});

test('containers are all of a pod, or those that are named', () => {
  const names = ['main', 'side'];
  assert.deepEqual(selectedContainers(schedule(scheduleSpec()), names), names);
  const one = schedule(scheduleSpec({ containerNames: ['side', 'gone'] }));
  assert.deepEqual(selectedContainers(one, names), ['side']);
});

test('a threshold triggers once when it is crossed', () => {
  const usage = [null, 50, 79, 81, 90, 60, 81, 15, 10, 30, 15];
  const fires = usage
    .slice(1)
    .map((percent, index) => crossed({ lower: 20, upper: 80 }, usage[index] ?? null, percent ?? 0));
  assert.deepEqual(fires, [false, false, true, false, false, true, true, false, false, true]);
});

test('defaults are made explicit, once', () => {
  const document = scheduleDocument(scheduleSpec({ triggers: { cron: '@daily', resourceThreshold: {} } }));
  assert.deepEqual(
    scheduleDefaultsPatch(document).map(({ path, value }) => [path, value]),
    [
      ['/spec/triggers/resourceThreshold/pollIntervalSeconds', 30],
      ['/spec/paused', false],
      ['/spec/namespace', 'shop'],
      ['/spec/triggers/timeZone', 'UTC'],
    ],
  );
  const complete = scheduleSpec({ namespace: 'shop', paused: false });
  assert.deepEqual(scheduleDefaultsPatch(scheduleDocument(complete)), []);
});
