import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { fieldsOf, own } from '../../policy/json.ts';
import { eventually } from '../cluster/eventually.ts';
import { type PolicyCluster, startPolicyCluster } from './policies/cluster.ts';
import { resource } from './policies/row.ts';

let cluster: PolicyCluster;
/** Kubeconfigs: one who edits team-a, and one who governs. */
let tina: string;
let gus: string;

const SOUND = 'selector: {matchLabels: {app: cart}}, triggers: {interval: 1h}';

function schedule(spec: string, { name = 'hourly', namespace = 'team-a' } = {}): string {
  const metadata = { name, namespace };
  return stringify({
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointSchedule',
    metadata,
    spec: parse(`{${spec}}`),
  });
}

before(async () => {
  cluster = await startPolicyCluster();
  [tina, gus] = await Promise.all([cluster.plane.asUser('tina'), cluster.plane.asUser('gus')]);
  // Kubernetes' own role, into which ours is aggregated.
  await cluster.kubectl(
    'create',
    'rolebinding',
    'tina-edits',
    '-n',
    'team-a',
    '--user=tina',
    '--clusterrole=edit',
  );
  await cluster.kubectl('create', 'clusterrolebinding', 'gus', '--user=gus', '--clusterrole=cluster-admin');
  // There is no controller manager here to aggregate or to make service accounts.
  const roles = ['edit-schedules', 'view'].map((role) => `checkpoint-warden-${role}`);
  for (const role of roles) {
    await cluster.kubectl(
      'create',
      'rolebinding',
      `tina-${role}`,
      '-n',
      'team-a',
      '--user=tina',
      `--clusterrole=${role}`,
    );
  }
  for (const kubeconfig of [tina, gus]) {
    await eventually(async () => {
      const { accepted, stderr } = await cluster.apply(schedule(SOUND), {
        kubeconfig,
        args: ['--dry-run=server'],
      });
      assert.ok(accepted, stderr);
    });
  }
});
after(() => cluster[Symbol.asyncDispose]());

async function stored(name = 'hourly'): Promise<Record<string, unknown>> {
  return JSON.parse(await cluster.kubectl('get', 'cks', name, '-n', 'team-a', '-o', 'json'));
}

test("the public operator's sample is stored with its defaults, by whoever edits the namespace", async () => {
  const spec = `namespace: team-a, selector: {matchLabels: {app: myapp}}, containerNames: [], triggers: {
    interval: 1h, cron: "0 3 * * *", onAnnotation: true,
    resourceThreshold: {memoryPercent: {upper: 80}, cpuPercent: {upper: 90}},
    onKubernetesEvents: [NodeDrain, PodEviction, Preemption]}, retain: {min: 1, max: 5}`;
  const { accepted, warnings, stderr } = await cluster.apply(schedule(spec), { kubeconfig: tina });
  assert.ok(accepted, stderr);
  assert.deepEqual(warnings, []);
  const { spec: after } = await stored();
  assert.deepEqual(after, {
    namespace: 'team-a',
    selector: { matchLabels: { app: 'myapp' } },
    containerNames: [],
    triggers: {
      interval: '1h',
      cron: '0 3 * * *',
      timeZone: 'UTC',
      onAnnotation: true,
      resourceThreshold: { memoryPercent: { upper: 80 }, cpuPercent: { upper: 90 }, pollIntervalSeconds: 30 },
      onKubernetesEvents: ['NodeDrain', 'PodEviction', 'Preemption'],
    },
    retain: { min: 1, max: 5 },
    paused: false,
  });
  const table = await cluster.kubectl('get', 'cks', '-n', 'team-a');
  assert.match(table, /^NAME +INTERVAL +CRON +PAUSED +TAKEN +LAST +AGE\nhourly +1h +0 3 \* \* \* +false /);
  const explained = await cluster.kubectl('explain', 'cks.spec.triggers.timeZone');
  assert.match(explained, /Europe\/Berlin/);
  await cluster.kubectl('delete', 'cks', '--all', '-n', 'team-a');
});

test('a bad one is refused, with its sentences', async () => {
  const bad = `selector: {}, triggers: {cron: "0 3 * *", timeZone: Europe/Berlyn}, jiter: 5m, retain: {max: 3}`;
  const { accepted, stderr } = await cluster.apply(schedule(bad), {
    kubeconfig: tina,
    args: ['--validate=false'],
  });
  assert.equal(accepted, false);
  for (const line of [
    /3 errors in checkpointschedule team-a\/hourly:/,
    /spec\.jiter: is not a field of this resource; did you mean jitter\?/,
    /spec\.triggers\.timeZone = "Europe\/Berlyn": is no time zone that is known here/,
    /spec\.triggers\.cron = "0 3 \* \*": has 4 fields, not five; write minute, hour/,
  ]) {
    assert.match(stderr, line);
  }
});

test("another namespace is refused to a tenant, and an administrator's", async () => {
  const other = schedule(`namespace: team-b, ${SOUND}`);
  const { accepted, stderr } = await cluster.apply(other, { kubeconfig: tina });
  assert.equal(accepted, false);
  assert.match(
    stderr,
    /spec\.namespace = "team-b": is not the namespace of the schedule, and tina may not govern there/,
  );
  assert.ok((await cluster.apply(other, { kubeconfig: gus })).accepted);
  const { metadata } = await stored();
  assert.equal(
    own(fieldsOf(own(fieldsOf(metadata), 'annotations')), 'checkpoint.criu.org/authority'),
    'administrator',
  );
  // Nor may he take over what stands there.
  const taken = schedule(`namespace: team-b, ${SOUND}, paused: true`);
  assert.match((await cluster.apply(taken, { kubeconfig: tina })).stderr, /tina may not govern there/);
  await cluster.kubectl('delete', 'cks', '--all', '-n', 'team-a');
});

test('a policy that denies, and another schedule of the same pods, are told of', async () => {
  const policy = resource('namespacePolicies: [{namespace: team-a, checkpointing: Deny}]');
  assert.ok((await cluster.apply(policy, { kubeconfig: gus })).accepted);
  assert.ok((await cluster.apply(schedule(SOUND, { name: 'first' }), { kubeconfig: tina })).accepted);
  await eventually(async () => {
    const { accepted, warnings, stderr } = await cluster.apply(schedule(SOUND), {
      kubeconfig: tina,
      args: ['--dry-run=server'],
    });
    assert.ok(accepted, stderr);
    assert.match(warnings.join('\n'), /cannot be taken: .* has checkpointing: Deny/);
    assert.match(warnings.join('\n'), /team-a\/first/);
  });
  await cluster.kubectl('delete', 'cks', '--all', '-n', 'team-a');
  await cluster.clear();
});

function pod(name: string, labels: Readonly<Record<string, string>>): string {
  const containers = [{ name: 'main', image: 'none.invalid/none' }];
  // Nobody makes service accounts in a control plane alone.
  const spec = { containers, automountServiceAccountToken: false };
  return stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'team-a', labels }, spec });
}

const ASKS = { 'checkpoint.criu.org/before-stop': 'true' };

async function podSpec(name: string): Promise<{ hook: unknown; grace: unknown }> {
  const { spec } = JSON.parse(await cluster.kubectl('get', 'pod', name, '-n', 'team-a', '-o', 'json'));
  return { hook: spec.containers[0].lifecycle?.preStop, grace: spec.terminationGracePeriodSeconds };
}

test('a pod that asks for it gets time for a checkpoint at its end, others do not', async () => {
  await cluster.kubectl('create', 'serviceaccount', 'default', '-n', 'team-a');
  for (const [name, labels] of [
    ['asks', ASKS],
    ['silent', {}],
    ['other', { ...ASKS, 'checkpoint.criu.org/before-stop': 'later' }],
  ] as const) {
    const { accepted, stderr } = await cluster.apply(pod(name, labels), { kubeconfig: gus });
    assert.ok(accepted, stderr);
  }
  assert.deepEqual(await podSpec('asks'), { hook: { sleep: { seconds: 10 } }, grace: 40 });
  assert.deepEqual(await podSpec('silent'), { hook: undefined, grace: 30 });
  assert.deepEqual(await podSpec('other'), { hook: undefined, grace: 30 });
});

test('with the webhook away a pod is made all the same, and a schedule is not', async () => {
  await Promise.all(cluster.replicas.map(({ webhook }) => webhook.stop()));
  const began = Date.now();
  const { accepted, stderr } = await cluster.apply(pod('alone', ASKS), { kubeconfig: gus });
  assert.ok(accepted, stderr);
  assert.ok(Date.now() - began < 8_000, 'the API server waits two seconds at most');
  assert.deepEqual(await podSpec('alone'), { hook: undefined, grace: 30 });
  const refused = await cluster.apply(schedule(SOUND), { kubeconfig: gus });
  assert.equal(refused.accepted, false);
  assert.match(refused.stderr, /failed calling webhook "checkpoint-warden-mutate-schedules\.criu\.org"/);
});

test('without the webhook the schema refuses what it can', async () => {
  for (const kind of ['mutating', 'validating']) {
    await cluster.kubectl('delete', `${kind}webhookconfiguration`, 'checkpoint-warden');
  }
  await eventually(async () => assert.ok((await cluster.apply(schedule(SOUND))).accepted));
  const rows: readonly (readonly [string, RegExp])[] = [
    ['triggers: {interval: 1h}', /spec\.selector: Required value/],
    ['selector: {}, triggers: {interval: soon}', /spec\.triggers\.interval.*should match/],
    ['selector: {}, triggers: {}, retain: {min: 3, max: 2}', /min keeps more than max allows/],
    ['selector: {}, triggers: {resourceThreshold: {pollIntervalSeconds: 0}}', /greater than or equal to 1/],
    ['selector: {}, triggers: {onKubernetesEvents: [NodeDrian]}', /Unsupported value: "NodeDrian"/],
  ];
  for (const [spec, says] of rows) {
    const { accepted, stderr } = await cluster.apply(schedule(spec), { args: ['--validate=false'] });
    assert.equal(accepted, false, spec);
    assert.match(stderr, says);
  }
});
