import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { governReviewer } from '../../kube/reviews.ts';
import { CRD_FILE } from '../../manifests/generate.ts';
import { clusterPolicySource } from '../../source/cluster.ts';
import { SOURCE_TIMING } from '../../webhook/timings.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';
import {
  admissionReview,
  call,
  policy,
  recordedLog,
  startTestWebhook,
  type TestWebhook,
} from '../webhook/kit.ts';

/** For how long there is no API server. */
const AWAY_MS = 150_000;
/** How long a lost view goes on being ready, as the guide has it. */
const { lostMs: LOST_MS } = SOURCE_TIMING;

let plane: ControlPlane;
let client: KubeClient;
let hook: TestWebhook;
const { log, lines } = recordedLog();

before(async () => {
  plane = await startControlPlane();
  await plane.apply(await readFile(CRD_FILE, 'utf8'));
  const established = ['wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org'];
  assert.equal((await plane.kubectl(established)).status, 0);
  assert.equal((await plane.kubectl(['create', 'namespace', 'team-a'])).status, 0);
  await plane.apply(
    JSON.stringify(policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] })),
  );
  client = await createClient({ kubeconfig: plane.kubeconfig });
  hook = await startTestWebhook({
    source: clusterPolicySource({ client, timing: SOURCE_TIMING, log }),
    reviewer: governReviewer(client),
    metrics: { host: '127.0.0.1', port: 0 },
  });
});
after(async () => {
  await hook?.[Symbol.asyncDispose]();
  client?.close();
  await plane?.stop();
});

async function readiness(): Promise<string> {
  const { status, body } = await call(`${hook.webhook.url}/readyz`, { ca: hook.ca });
  return `${status} ${body.trim()}`;
}

async function metric(name: string): Promise<number> {
  const shown = await (await fetch(hook.webhook.metricsUrl ?? '')).text();
  return Number(new RegExp(`^checkpoint_warden_${name} (\\S+)$`, 'm').exec(shown)?.[1]);
}

/** Conflicts with the policy that is there. */
async function judged() {
  const spec = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 5 }] };
  const { allowed, status } = await hook.ask('/validate', admissionReview(policy(spec, { name: 'another' })));
  return { allowed, reason: status?.reason };
}

test('an API server that is away for minutes: what is told, what is refused, and what comes back', async (t) => {
  assert.equal(await readiness(), '200 ok');
  assert.deepEqual(await judged(), { allowed: false, reason: 'Forbidden' });
  assert.equal(await metric('policy_resources'), 1);

  const began = Date.now();
  const restarted = plane.restartApiServer(AWAY_MS);
  await sleep(LOST_MS - 15_000);
  assert.equal(await readiness(), '200 ok', 'a view that is known goes on for a minute');
  assert.deepEqual(await judged(), { allowed: false, reason: 'Forbidden' });

  await sleep(30_000);
  assert.equal(await readiness(), '503 the policies may be out of date: their source does not answer');
  assert.deepEqual(await judged(), { allowed: false, reason: 'ServiceUnavailable' });
  assert.equal(await metric('policy_source_fresh'), 0);
  const stale = await metric('policy_source_staleness_seconds');
  assert.ok(stale >= (LOST_MS + 10_000) / 1_000, `${stale} s`);
  assert.ok(lines.some(({ msg }) => msg === 'the API server cannot be watched, trying on'));
  // Told once, however often it is tried.
  assert.ok(lines.length < 10, `${lines.length} lines`);

  await restarted;
  t.diagnostic(`the API server is ready again ${Date.now() - began} ms after it went`);
  const back = Date.now();
  await eventually(async () => assert.equal(await readiness(), '200 ok'), 15_000);
  t.diagnostic(`the webhook is ready ${Date.now() - back} ms later`);
  assert.deepEqual(await judged(), { allowed: false, reason: 'Forbidden' });
  assert.equal(await metric('policy_source_fresh'), 1);

  await plane.apply(
    JSON.stringify(
      policy({ podPolicies: [{ namespace: 'team-a', pod: 'p', maxCheckpoints: 1 }] }, { name: 'new' }),
    ),
  );
  await eventually(async () => assert.equal(await metric('policy_resources'), 2));
  assert.ok((await metric('policy_source_staleness_seconds')) < 90);
});
