import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isObject, type JsonObject } from '../../policy/json.ts';
import type { Schedule } from '../../policy/schedule/types.ts';
import { schedule, scheduleDocument, scheduleSpec } from '../policy/schedule/build.ts';
import { applyPatch } from './apply-patch.ts';
import { admissionReview, policy, type ReviewResponse, startTestWebhook, type TestWebhook } from './kit.ts';

const STAMP = { 'checkpoint.criu.org/authority': 'administrator' };

function review(object: JsonObject, more: JsonObject = {}): JsonObject {
  return admissionReview(object, {
    kind: { group: 'criu.org', version: 'v1', kind: 'CheckpointSchedule' },
    resource: { group: 'criu.org', version: 'v1', resource: 'checkpointschedules' },
    namespace: 'shop',
    name: 'hourly',
    ...more,
  });
}

function patched(object: JsonObject, { patch }: ReviewResponse): JsonObject {
  const whole = applyPatch(object, patch);
  assert(isObject(whole));
  return whole;
}

describe('schedules', () => {
  let webhook: TestWebhook;
  let known: readonly Schedule[] = [];
  before(async () => {
    webhook = await startTestWebhook({
      schedules: () => known,
      reviewer: { mayGovern: async ({ username }) => username === 'root' },
    });
  });
  after(() => webhook[Symbol.asyncDispose]());
  const root = { userInfo: { username: 'root', groups: [] } };

  test('a sound one is let in', async () => {
    const { allowed, warnings } = await webhook.ask(
      '/validate-schedules',
      review(scheduleDocument(scheduleSpec())),
    );
    assert.deepEqual([allowed, warnings], [true, undefined]);
  });
  test('a bad one is refused, with its field, the value and the remedy', async () => {
    const object = scheduleDocument(scheduleSpec({ triggers: { cron: '0 3 * *' }, jitter: '5' }));
    for (const path of ['/validate-schedules', '/mutate-schedules']) {
      const { allowed, status } = await webhook.ask(path, review(object));
      assert.equal(allowed, false);
      assert.equal(status?.code, 403);
      assert.match(
        status?.message ?? '',
        /^2 errors in checkpointschedule shop\/hourly:\nspec\.triggers\.cron = "0 3 \* \*": has 4 fields, not five; write .*\nspec\.jitter = "5": has no unit; did you mean 5m\?$/,
      );
    }
  });
  test("another namespace is refused to a tenant, and an administrator's", async () => {
    const object = scheduleDocument(scheduleSpec({ namespace: 'bank' }));
    const refused = await webhook.ask('/validate-schedules', review(object));
    assert.match(
      refused.status?.message ?? '',
      /spec\.namespace = "bank": is not the namespace of the schedule, and ada may not govern there/,
    );
    assert.equal((await webhook.ask('/validate-schedules', review(object, root))).allowed, true);
  });
  test('nobody but the webhook says on whose word it stands', async () => {
    const object = scheduleDocument(scheduleSpec(), { annotations: STAMP });
    const refused = await webhook.ask('/validate-schedules', review(object));
    assert.match(refused.status?.message ?? '', /is set by the webhook alone/);
    const own = await webhook.ask('/mutate-schedules', review(scheduleDocument(scheduleSpec()), root));
    assert.deepEqual(patched(scheduleDocument(scheduleSpec()), own).metadata, {
      namespace: 'shop',
      name: 'hourly',
      annotations: STAMP,
    });
  });
  test("a tenant's edit takes an administrator's word from it", async () => {
    const old = scheduleDocument(scheduleSpec(), { annotations: STAMP });
    const object = scheduleDocument(scheduleSpec({ paused: true }), { annotations: STAMP });
    const answer = await webhook.ask(
      '/mutate-schedules',
      review(object, { operation: 'UPDATE', oldObject: old }),
    );
    assert.match(answer.warnings?.join(' ') ?? '', /removed, because ada may not govern/);
    assert.deepEqual(patched(object, answer).metadata, {
      namespace: 'shop',
      name: 'hourly',
      annotations: {},
    });
  });
  test('defaults are made explicit', async () => {
    const object = scheduleDocument(scheduleSpec({ triggers: { cron: '@daily' } }));
    const answer = await webhook.ask('/mutate-schedules', review(object));
    assert.deepEqual(patched(object, answer).spec, {
      selector: { matchLabels: { app: 'cart' } },
      triggers: { cron: '@daily', timeZone: 'UTC' },
      namespace: 'shop',
      paused: false,
    });
  });
  test('a policy in force and another schedule are told of', async () => {
    webhook.source.put(
      policy({ namespacePolicies: [{ namespace: 'shop', checkpointing: 'Deny' }] }, { namespace: 'shop' }),
    );
    known = [schedule(scheduleSpec(), { name: 'first' })];
    try {
      const { allowed, warnings } = await webhook.ask(
        '/validate-schedules',
        review(scheduleDocument(scheduleSpec())),
      );
      assert.equal(allowed, true);
      assert.match(warnings?.join('\n') ?? '', /checkpointing: Deny[\s\S]*shop\/first/);
    } finally {
      webhook.source.remove('shop/quotas');
      known = [];
    }
  });
  test('while the policies are not known, a schedule is let in all the same', async () => {
    webhook.source.fresh = false;
    const { allowed } = await webhook.ask('/validate-schedules', review(scheduleDocument(scheduleSpec())));
    webhook.source.fresh = true;
    assert.equal(allowed, true);
  });
  test('what says nothing new passes, a deletion and a status too', async () => {
    const bad = scheduleDocument({ triggers: 7 });
    const labelled = { ...bad, metadata: { namespace: 'shop', name: 'hourly', labels: { a: 'b' } } };
    for (const more of [
      { operation: 'DELETE', object: null, oldObject: bad },
      { operation: 'UPDATE', subResource: 'status', oldObject: bad },
      { operation: 'UPDATE', oldObject: labelled },
    ]) {
      assert.equal((await webhook.ask('/validate-schedules', review(bad, more))).allowed, true);
    }
  });
  test('a path judges what it is for', async () => {
    for (const [path, body] of [
      ['/validate', review(scheduleDocument(scheduleSpec()))],
      ['/validate-schedules', admissionReview(policy({}))],
      ['/mutate-pods', admissionReview(policy({}))],
    ] as const) {
      const { allowed, status } = await webhook.ask(path, body);
      assert.deepEqual([allowed, status?.reason], [false, 'BadRequest'], path);
    }
  });
});

describe('pods', () => {
  let webhook: TestWebhook;
  before(async () => {
    webhook = await startTestWebhook();
  });
  after(() => webhook[Symbol.asyncDispose]());

  const object = {
    metadata: { generateName: 'cart-', labels: { 'checkpoint.criu.org/before-stop': 'true' } },
    spec: { containers: [{ name: 'main' }], terminationGracePeriodSeconds: 30 },
  };
  const created = (pod: JsonObject, more: JsonObject = {}) =>
    admissionReview(pod, {
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      name: '',
      ...more,
    });

  test('one that asks for it gets a hook and as much more grace', async () => {
    const answer = await webhook.ask('/mutate-pods', created(object));
    assert.equal(answer.allowed, true);
    assert.deepEqual(patched(object, answer).spec, {
      containers: [{ name: 'main', lifecycle: { preStop: { sleep: { seconds: 10 } } } }],
      terminationGracePeriodSeconds: 40,
    });
  });
  test('one that does not is let in as it is', async () => {
    const { allowed, patch, warnings } = await webhook.ask(
      '/mutate-pods',
      created({ metadata: {}, spec: {} }),
    );
    assert.deepEqual([allowed, patch, warnings], [true, undefined, undefined]);
  });
  test('none is ever refused', async () => {
    for (const pod of [
      { metadata: { labels: 7 }, spec: 7 },
      { ...object, spec: { containers: [{ lifecycle: [] }] } },
    ]) {
      assert.equal((await webhook.ask('/mutate-pods', created(pod))).allowed, true);
    }
    assert.equal((await webhook.ask('/mutate-pods', created(object, { operation: 'DELETE' }))).allowed, true);
  });
});
