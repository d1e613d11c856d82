import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { KubeRequest } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { type EventNews, EventRecorder } from '../../kube/events.ts';
import { fieldsOf, own } from '../../policy/json.ts';
import { FakeClock } from '../gc/fake-clock.ts';
import { clientOf } from './scripted-client.ts';

let clock: FakeClock;
let asked: KubeRequest[];
let outcomes: string[];
let told: string[];
let fault: Error | null;
let recorder: EventRecorder;

beforeEach(() => {
  clock = new FakeClock();
  [asked, outcomes, told, fault] = [[], [], [], null];
  const log = (_: object, message: string) => told.push(message);
  recorder = new EventRecorder({
    client: clientOf(async (request) => {
      if (fault !== null) throw fault;
      asked.push(request);
      return {};
    }),
    ...{ controller: 'checkpoint-warden/collector', instance: 'node-a' },
    ...{ now: () => clock.now(), after: (ms, act) => clock.after(ms, act), random: () => 0.5 },
    onOutcome: (outcome) => outcomes.push(outcome),
    log: { info: log, warn: log, error: log },
  });
});

const news = (pod: string, more: Partial<EventNews> = {}): EventNews => ({
  about: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: pod, uid: `uid-${pod}` },
  ...{ type: 'Warning', reason: 'CheckpointRefused', action: 'Checkpoint', note: 'too many' },
  ...more,
});
const series = () => asked.map(({ body }) => own(fieldsOf(own(fieldsOf(body), 'series')), 'count') ?? 1);

test('an event is what the API server takes for one', async () => {
  recorder.tell(news('cart'));
  await clock.advance(0);
  const [{ method, path, body } = {}] = asked;
  assert.deepEqual([method, path], ['POST', '/apis/events.k8s.io/v1/namespaces/shop/events']);
  const { metadata, ...rest } = fieldsOf(body);
  assert.match(String(own(fieldsOf(metadata), 'name')), /^cart\.[0-9a-f]+$/);
  assert.deepEqual(rest, {
    ...{ apiVersion: 'events.k8s.io/v1', kind: 'Event', eventTime: '2026-11-21T12:00:00.000000Z' },
    ...{ type: 'Warning', reason: 'CheckpointRefused', action: 'Checkpoint', note: 'too many' },
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'cart', uid: 'uid-cart' },
    ...{ reportingController: 'checkpoint-warden/collector', reportingInstance: 'node-a' },
  });
});

test('the same again is counted, and the count is written ever more seldom', async () => {
  for (let second = 0; second < 600; second += 1) {
    recorder.tell(news('cart', { note: `too many: ${second}`, key: 'count' }));
    await clock.advance(1_000);
  }
  assert.deepEqual(
    asked.map(({ method }) => method),
    ['POST', ...Array(asked.length - 1).fill('PATCH')],
  );
  assert.ok(asked.length >= 5 && asked.length <= 8, String(asked.length));
  assert.deepEqual(
    series(),
    series().toSorted((one, other) => Number(one) - Number(other)),
  );
  await clock.advance(3_600_000);
  assert.equal(series().at(-1), 600);
  const before = asked.length;
  await clock.advance(3_600_000);
  assert.equal(asked.length, before, 'nothing new, nothing written');
  recorder.tell(news('cart', { key: 'count' }));
  await clock.advance(0);
  assert.equal(asked.at(-1)?.method, 'POST', 'after a long time it is new');
});

test('a burst is let through as far as the bucket goes, the rest waits its turn or is dropped', async () => {
  for (let index = 0; index < 10_000; index += 1) recorder.tell(news(`pod-${index}`));
  await clock.advance(100);
  assert.equal(asked.length, 20);
  await clock.advance(60_000);
  assert.equal(asked.length, 22);
  await clock.advance(3_600_000);
  // A hundred wait at most; what was written makes no room while the burst lasts.
  assert.equal(asked.length, 100);
  assert.equal(outcomes.filter((each) => each === 'dropped').length, 9_900);
});

test('a failure that may pass is told once and tried again', async () => {
  fault = new KubeError('away');
  recorder.tell(news('cart'));
  await clock.advance(300_000);
  assert.deepEqual(told, ['events cannot be written; trying on, and saying so once']);
  assert.ok(outcomes.length >= 4 && outcomes.length <= 8, String(outcomes.length));
  fault = null;
  await clock.advance(60_000);
  assert.equal(asked.length, 1);
  assert.equal(told.at(-1), 'events can be written again');
});

test('what will not pass is not tried again; where the namespace is gone nobody is told', async () => {
  fault = new KubeError('no right', { status: 403 });
  recorder.tell(news('cart'));
  await clock.advance(600_000);
  assert.deepEqual(outcomes, ['failed']);
  fault = new KubeError('namespaces "shop" not found', { status: 404 });
  recorder.tell(news('other'));
  await clock.advance(600_000);
  assert.deepEqual(outcomes, ['failed', 'dropped']);
  assert.equal(told.length, 1);
});

test('an event that has expired is made anew when it comes again', async () => {
  recorder.tell(news('cart'));
  await clock.advance(0);
  recorder.tell(news('cart'));
  fault = new KubeError('not found', { status: 404 });
  await clock.advance(20_000);
  fault = null;
  recorder.tell(news('cart'));
  await clock.advance(60_000);
  assert.deepEqual(
    asked.map(({ method }) => method),
    ['POST', 'POST'],
  );
  assert.equal(series().at(-1), 3);
});

test('a sentence is cut by its bytes, a long name too', async () => {
  recorder.tell(news(`${'x'.repeat(199)}.${'y'.repeat(50)}`, { note: 'ü'.repeat(2_000) }));
  await clock.advance(0);
  const { note, metadata } = fieldsOf(asked[0]?.body);
  assert.ok(Buffer.byteLength(String(note)) <= 1_024 && !String(note).includes('\uFFFD'), String(note));
  const name = String(own(fieldsOf(metadata), 'name'));
  assert.match(name, /^x{199}\.[0-9a-f]+$/);
});

test('after the end nothing is written', async () => {
  recorder.tell(news('cart'));
  await recorder.stop();
  recorder.tell(news('other'));
  await clock.advance(600_000);
  assert.deepEqual(asked, []);
});
