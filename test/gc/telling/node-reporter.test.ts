import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { NodeReporter } from '../../../gc/telling/node-reporter.ts';
import { createMetrics } from '../../../observe/metrics.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { FakeClock } from '../fake-clock.ts';

let clock: FakeClock;
let written: JsonObject[];
let status: JsonObject;
let fault: Error | null;
let told: string[];
let reporter: NodeReporter;
const metrics = createMetrics({ ofProcess: false });

beforeEach(() => {
  clock = new FakeClock();
  [written, status, fault, told] = [[], { archives: 1 }, null, []];
  const log = (_: object, message: string) => told.push(message);
  reporter = new NodeReporter({
    writer: {
      async write(each) {
        if (fault !== null) throw fault;
        written.push(each);
      },
    },
    status: async () => status,
    clock,
    random: () => 0.5,
    metrics,
    log: { info: log, warn: log, error: log },
  });
});

/** As the collector does, second by second. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    reporter.wake();
    await clock.advance(1_000);
  }
}

test('the first write comes within ten seconds, and the same again only after five minutes', async () => {
  await pass(4);
  assert.equal(written.length, 0);
  await pass(2);
  assert.equal(written.length, 1);
  await pass(290);
  assert.equal(written.length, 1);
  await pass(20);
  assert.equal(written.length, 2);
});

test('a node that changes each second writes every six or seven', async () => {
  for (let second = 0; second < 120; second += 1) {
    status = { archives: second };
    await pass(1);
  }
  assert.ok(written.length > 14 && written.length < 20, String(written.length));
});

test('what changed meanwhile is written in the end', async () => {
  await pass(6);
  status = { archives: 2 };
  reporter.wake();
  status = { archives: 3 };
  await clock.advance(10_000);
  assert.deepEqual(written.at(-1), { archives: 3 });
});

test('a failure is told once and counted, and tried again ever more seldom', async () => {
  fault = new Error('no');
  await pass(600);
  const failures = (await metrics.errors.get()).values.find(
    ({ labels }) => labels.operation === 'status',
  )?.value;
  assert.ok(Number(failures) > 3 && Number(failures) < 12, String(failures));
  assert.deepEqual(told, ["the node's object (CheckpointNode) cannot be written"]);
  fault = null;
  await pass(600);
  assert.ok(written.length > 0);
  assert.equal(told.at(-1), "the node's object can be written again");
});

test('what changes on all nodes at once is not written by all at once', async () => {
  await pass(20);
  assert.equal(written.length, 1);
  status = { archives: 2 };
  reporter.wake('everywhere');
  reporter.wake();
  await clock.advance(4_000);
  assert.equal(written.length, 1);
  await clock.advance(2_000);
  assert.equal(written.length, 2);
});

test('after the end nothing is written', async () => {
  reporter.wake();
  await reporter.stop();
  await pass(20);
  assert.equal(written.length, 0);
});
