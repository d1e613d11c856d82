import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { API_VERSION, AUTHORITY_ANNOTATION, CONFIRM_ANNOTATION, PLURAL } from '../../policy/schema.ts';
import { eventually } from '../cluster/eventually.ts';
import { type PolicyCluster, startPolicyCluster } from './policies/cluster.ts';
import { resource } from './policies/row.ts';

let cluster: PolicyCluster;
/** Kubeconfigs: an administrator of team-a, and one who governs. */
let tina: string;
let gus: string;

before(async () => {
  cluster = await startPolicyCluster();
  [tina, gus] = await Promise.all([cluster.plane.asUser('tina'), cluster.plane.asUser('gus')]);
  for (const role of ['edit', 'view']) {
    const name = `tina-${role}`;
    await cluster.kubectl(
      ...[
        'create',
        'rolebinding',
        name,
        '-n',
        'team-a',
        '--user=tina',
        `--clusterrole=checkpoint-warden-${role}`,
      ],
    );
  }
  for (const role of ['edit', 'view', 'govern']) {
    const name = `gus-${role}`;
    await cluster.kubectl(
      'create',
      'clusterrolebinding',
      name,
      '--user=gus',
      `--clusterrole=checkpoint-warden-${role}`,
    );
  }
  const trial = resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 1}]');
  for (const kubeconfig of [tina, gus]) {
    await eventually(async () => {
      const { accepted, stderr } = await cluster.apply(trial, { kubeconfig, args: ['--dry-run=server'] });
      assert.ok(accepted, stderr);
    });
  }
});
after(() => cluster[Symbol.asyncDispose]());
afterEach(() => cluster.clear());

const team = (fields: string) => `namespacePolicies: [{namespace: team-a, ${fields}}]`;
const GLOBAL =
  'globalPolicy: {maxCheckpointsPerContainer: 5, maxCheckpointsPerPod: 5, maxCheckpointsPerNamespace: 5}';

async function stampOf(key: string): Promise<string> {
  const [namespace = '', name = ''] = key.split('/');
  const path = `jsonpath={.metadata.annotations.${AUTHORITY_ANNOTATION.replaceAll('.', '\\.')}}`;
  return cluster.kubectl('get', PLURAL, name, '-n', namespace, '-o', path);
}

test('defaults are stored, and applying what is stored changes nothing', async () => {
  assert.ok((await cluster.apply(resource(team('maxCheckpoints: 3')))).accepted);
  const stored = await cluster.kubectl('get', PLURAL, 'quotas', '-n', 'team-a', '-o', 'yaml');
  assert.deepEqual(parse(stored).spec, {
    applyPoliciesImmediately: false,
    checkpointDirectory: '/var/lib/kubelet/checkpoints',
    circuitBreaker: { maxShare: '50%', minArchives: 100 },
    namespacePolicies: [
      { namespace: 'team-a', maxCheckpoints: 3, whenFull: 'EvictOldest', checkpointing: 'Allow' },
    ],
    orphanGracePeriod: '10m',
    tainted: 'Keep',
  });
  // Whether kubectl calls it unchanged is another matter: it compares lists as a whole, without defaults.
  assert.ok((await cluster.apply(resource(team('maxCheckpoints: 3')))).accepted);
  const again = await cluster.kubectl('get', PLURAL, 'quotas', '-n', 'team-a', '-o', 'yaml');
  assert.equal(parse(again).metadata.resourceVersion, parse(stored).metadata.resourceVersion);
});

test('a namespace administrator tightens what an administrator has set, and cannot loosen it', async () => {
  const base = resource(team('maxCheckpoints: 5, timeThreshold: 40d'), 'ops/base');
  assert.ok((await cluster.apply(base, { kubeconfig: gus })).accepted);
  assert.equal(await stampOf('ops/base'), 'administrator');
  await cluster.known(['ops/base']);

  const tighter = await cluster.apply(resource(team('maxCheckpoints: 3')), { kubeconfig: tina });
  assert.ok(tighter.accepted, tighter.stderr);
  assert.deepEqual(tighter.warnings, []);
  assert.equal(await stampOf('team-a/quotas'), '');

  const looser = await cluster.apply(resource(team('maxCheckpoints: 9, timeThreshold: 41d')), {
    kubeconfig: tina,
  });
  assert.equal(looser.accepted, false);
  assert.deepEqual(looser.lines, [
    '2 errors in checkpointrestoreoperator team-a/quotas:',
    'spec.namespacePolicies[0].timeThreshold = "41d": is looser than spec.namespacePolicies[0].timeThreshold (40d) of ops/base, which a namespace\'s own policy can only tighten; write 40d or less, or leave it out to go by that',
    "spec.namespacePolicies[0].maxCheckpoints = 9: is looser than spec.namespacePolicies[0].maxCheckpoints (5) of ops/base, which a namespace's own policy can only tighten; write 5 or less, or leave it out to go by that",
  ]);
  const kept = await cluster.kubectl(
    'get',
    PLURAL,
    'quotas',
    '-n',
    'team-a',
    '-o',
    'jsonpath={.spec.namespacePolicies[0].maxCheckpoints}',
  );
  assert.equal(kept, '3');
});

test('what reaches beyond the namespace takes the verb govern', async () => {
  const specs = [
    [GLOBAL, 'spec.globalPolicy'],
    ['namespacePolicies: [{namespace: team-b, maxCheckpoints: 1}]', 'spec.namespacePolicies[0].namespace'],
    [
      'podPolicies: [{namespace: kube-system, pod: etcd, maxCheckpoints: 1}]',
      'spec.podPolicies[0].namespace',
    ],
    ['unidentified: {timeThreshold: 1d}', 'spec.unidentified'],
  ] as const;
  for (const [spec, field] of specs) {
    const refused = await cluster.apply(resource(spec), { kubeconfig: tina });
    assert.equal(refused.accepted, false);
    assert.equal(refused.lines.length, 2, refused.stderr);
    assert.ok(refused.lines[1]?.startsWith(`${field}: `), refused.stderr);
    assert.match(
      refused.lines[1] ?? '',
      /tina may not govern .*the verb govern on checkpointrestoreoperators/,
    );
    const accepted = await cluster.apply(resource(spec), { kubeconfig: gus, args: ['--dry-run=server'] });
    assert.ok(accepted.accepted, accepted.stderr);
  }
  const elsewhere = await cluster.apply(resource(team('maxCheckpoints: 1'), 'ops/mine'), {
    kubeconfig: tina,
  });
  assert.match(elsewhere.stderr, /User "tina" cannot .* in the namespace "ops"/);
});

test("an administrator's word is written down by the webhook alone", async () => {
  const forged = parse(resource(team('maxCheckpoints: 3')));
  forged.metadata.annotations = { [AUTHORITY_ANNOTATION]: 'administrator' };
  const refused = await cluster.apply(stringify(forged), { kubeconfig: tina });
  assert.equal(refused.accepted, false);
  assert.deepEqual(refused.lines.slice(1), [
    `metadata.annotations[${AUTHORITY_ANNOTATION}]: is set by the webhook alone; remove the annotation`,
  ]);

  assert.ok((await cluster.apply(resource(team('maxCheckpoints: 3')), { kubeconfig: tina })).accepted);
  const annotate = ['annotate', PLURAL, 'quotas', '-n', 'team-a', `${AUTHORITY_ANNOTATION}=administrator`];
  const late = await cluster.plane.kubectl(annotate, { kubeconfig: tina });
  assert.match(late.stderr, /is set by the webhook alone/);
  assert.equal(await stampOf('team-a/quotas'), '');

  assert.ok((await cluster.apply(resource(team('maxCheckpoints: 4')), { kubeconfig: gus })).accepted);
  assert.equal(await stampOf('team-a/quotas'), 'administrator');
  const label = await cluster.plane.kubectl(['label', PLURAL, 'quotas', '-n', 'team-a', 'a=b'], {
    kubeconfig: tina,
  });
  assert.equal(label.status, 0, label.stderr);
  assert.equal(await stampOf('team-a/quotas'), 'administrator');

  const patch = JSON.stringify([
    { op: 'replace', path: '/spec/namespacePolicies/0/maxCheckpoints', value: 2 },
  ]);
  const change = ['patch', PLURAL, 'quotas', '-n', 'team-a', '--type=json', '-p', patch];
  const changed = await cluster.plane.kubectl(change, { kubeconfig: tina });
  assert.equal(changed.status, 0, changed.stderr);
  assert.match(changed.stderr, /^Warning: metadata\.annotations.*: removed, because tina may not govern/m);
  assert.equal(await stampOf('team-a/quotas'), '');
});

test('a tripped circuit breaker is confirmed by whoever answers for the policy', async () => {
  const field = CONFIRM_ANNOTATION.replaceAll('.', '\\.');
  const confirmed = () =>
    cluster.kubectl(
      ...['get', PLURAL, 'quotas', '-n', 'team-a', '-o', `jsonpath={.metadata.annotations.${field}}`],
    );
  const annotate = (kubeconfig: string, change: string) =>
    cluster.plane.kubectl(['annotate', '--overwrite', PLURAL, 'quotas', '-n', 'team-a', change], {
      kubeconfig,
    });
  const own = resource(team('maxCheckpoints: 3'));
  assert.ok((await cluster.apply(own, { kubeconfig: tina })).accepted);
  const hers = await annotate(tina, `${CONFIRM_ANNOTATION}=abc`);
  assert.equal(hers.status, 0, hers.stderr);
  await annotate(tina, `${CONFIRM_ANNOTATION}-`);

  for (const spec of [team('maxCheckpoints: 4'), GLOBAL]) {
    const applied = await cluster.apply(resource(spec), { kubeconfig: gus });
    assert.ok(applied.accepted, applied.stderr);
    const refused = await annotate(tina, `${CONFIRM_ANNOTATION}=abc`);
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /metadata\.annotations\[checkpoint\.criu\.org\/confirm\]: .*tina may not govern there; .*to confirm/,
    );
    assert.equal(await confirmed(), '');
    assert.equal(await stampOf('team-a/quotas'), 'administrator');
    const allowed = await annotate(gus, `${CONFIRM_ANNOTATION}=abc`);
    assert.equal(allowed.status, 0, allowed.stderr);
    assert.equal(await confirmed(), 'abc');
    const more = await annotate(tina, `${CONFIRM_ANNOTATION}=abc,def`);
    assert.equal(more.status, 1);
    const removed = await annotate(tina, `${CONFIRM_ANNOTATION}-`);
    assert.equal(removed.status, 0, removed.stderr);
    assert.equal(await confirmed(), '');
  }
});

test('fields inside what should be a list are refused by the API server itself, in its own words', async () => {
  const refused = await cluster.apply(resource('namespacePolicies: {namespace: team-a, maxCheckpoints: 3}'));
  assert.equal(refused.accepted, false);
  assert.match(
    refused.stderr,
    /strict decoding error: unknown field "spec\.namespacePolicies\.maxCheckpoints"/,
  );
});

test('a dry run gets the same answers and leaves nothing behind', async () => {
  const args = ['--dry-run=server'];
  const tried = await cluster.apply(resource('{}', 'team-a/one'), { args });
  assert.match(tried.stdout, /created \(server dry run\)/);
  assert.equal(tried.warnings.length, 1);
  const rival = await cluster.apply(resource(GLOBAL, 'team-a/one'), { args });
  assert.ok(rival.accepted);
  assert.ok((await cluster.apply(resource(GLOBAL, 'team-a/two'))).accepted);
  const refused = await cluster.apply(resource(GLOBAL, 'team-a/one'), { args });
  assert.equal(refused.accepted, false);
  assert.match(refused.lines[1] ?? '', /^spec\.globalPolicy: .* of team-a\/two/);
  assert.equal((await cluster.kubectl('get', PLURAL, '-A', '-o', 'name')).trim().split('\n').length, 1);
});

/** Creates two resources at one moment. @returns their HTTP statuses */
async function race(round: number): Promise<number[]> {
  const names = [`one-${round}`, `two-${round}`];
  return Promise.all(
    names.map(async (name) => {
      const body = parse(resource(GLOBAL, `ops/${name}`));
      try {
        await cluster.client.request({
          method: 'POST',
          path: `/apis/${API_VERSION}/namespaces/ops/${PLURAL}`,
          body,
        });
        return 201;
      } catch (error) {
        if (error instanceof Error && 'status' in error && error.status === 403) return 403;
        throw error;
      }
    }),
  );
}

const ROUNDS = 15;

test('of two that conflict one replica lets in one', async (t) => {
  const [first] = cluster.replicas;
  cluster.forwarder.lead([first?.webhook.port ?? 0]);
  t.after(() => cluster.forwarder.lead(cluster.replicas.map(({ webhook }) => webhook.port)));
  for (let round = 0; round < ROUNDS; round += 1) {
    assert.deepEqual((await race(round)).sort(), [201, 403]);
    await cluster.clear();
  }
});

test('of two that conflict and come through two replicas at once one acts, the same everywhere', async (t) => {
  let both = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const statuses = await race(round);
    const names = [`one-${round}`, `two-${round}`].filter((_, index) => statuses[index] === 201);
    assert.ok(names.length > 0, 'one of them is let in');
    both += names.length - 1;
    await cluster.known(names.map((name) => `ops/${name}`));
    const path = 'jsonpath={range .items[*]}{.metadata.creationTimestamp} {.metadata.name}{"\\n"}{end}';
    const stored = await cluster.kubectl('get', PLURAL, '-n', 'ops', '-o', path);
    const [senior] = stored.trim().split('\n').sort();
    for (const { source } of cluster.replicas) {
      // In either order, so that it is not the order of arrival that decides.
      for (const resources of [source.resources(), source.resources().toReversed()]) {
        const acting = new PolicyCatalog(resources).of('/var/lib/kubelet/checkpoints').global;
        assert.equal(acting?.resource.reference.name, senior?.split(' ')[1]);
      }
    }
    await cluster.clear();
  }
  t.diagnostic(`${both} of ${ROUNDS} pairs were let in together`);
});

test('while no webhook answers no policy gets in, and nothing else is touched', async (t) => {
  const ports = cluster.replicas.map(({ webhook }) => webhook.port);
  assert.ok((await cluster.apply(resource(team('maxCheckpoints: 3')))).accepted);
  t.after(() => cluster.forwarder.lead(ports));
  cluster.forwarder.lead([]);
  const refused = await cluster.apply(resource(team('maxCheckpoints: 2')));
  assert.equal(refused.accepted, false);
  assert.match(refused.stderr, /failed calling webhook "checkpoint-warden-mutate\.criu\.org"/);
  await cluster.kubectl('create', 'configmap', 'other', '-n', 'team-a', '--from-literal=a=b');
  await cluster.kubectl('delete', 'configmap', 'other', '-n', 'team-a');
  await cluster.kubectl('delete', PLURAL, 'quotas', '-n', 'team-a');
  cluster.forwarder.lead(ports);
  await eventually(async () => {
    const { accepted, stderr } = await cluster.apply(resource(team('maxCheckpoints: 2')));
    assert.ok(accepted, stderr);
  });
});

test('a bad policy from before the webhook can be labelled, finalized and deleted, but not changed', async () => {
  const names = ['mutating', 'validating'].map((kind) => `${kind}webhookconfiguration/checkpoint-warden`);
  const saved = await cluster.kubectl('get', ...names, '-o', 'yaml');
  await cluster.kubectl('delete', ...names);
  const bad = parse(resource(`${team('maxCheckpoints: 1')}\ntaintd: Keep`));
  bad.metadata.finalizers = ['example.org/hold'];
  await eventually(async () => {
    const { accepted, stderr } = await cluster.apply(stringify(bad), { args: ['--validate=ignore'] });
    assert.ok(accepted, stderr);
  });
  for (const item of parse(saved).items) {
    const { metadata, ...rest } = item;
    await cluster.plane.apply(stringify({ ...rest, metadata: { name: metadata.name } }));
  }
  await eventually(async () => {
    const { accepted } = await cluster.apply(resource('taintd: Keep', 'team-a/probe'), {
      args: ['--dry-run=server'],
    });
    assert.equal(accepted, false);
  });
  const on = [PLURAL, 'quotas', '-n', 'team-a'];
  await cluster.kubectl('label', ...on, 'a=b');
  const patch = JSON.stringify([{ op: 'add', path: '/spec/tainted', value: 'Delete' }]);
  const changed = await cluster.plane.kubectl(['patch', ...on, '--type=json', '-p', patch]);
  assert.match(changed.stderr, /spec\.taintd: .*did you mean tainted\?/);
  await cluster.kubectl('delete', ...on, '--wait=false');
  const finalize = JSON.stringify([{ op: 'remove', path: '/metadata/finalizers' }]);
  await cluster.kubectl('patch', ...on, '--type=json', '-p', finalize);
  await cluster.known([]);
});

test('a replica that stops is not missed', async (t) => {
  const ports = cluster.replicas.map(({ webhook }) => webhook.port);
  t.after(() => cluster.forwarder.lead(ports));
  const stopping = cluster.replicas[1]?.webhook.stop();
  cluster.forwarder.lead(ports.slice(0, 1));
  for (let round = 0; round < 5; round += 1) {
    const { accepted, stderr } = await cluster.apply(resource(team(`maxCheckpoints: ${round + 1}`)));
    assert.ok(accepted, stderr);
    await sleep(20);
  }
  await stopping;
});
