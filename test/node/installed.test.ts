import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { fieldsOf, own } from '../../policy/json.ts';
import { call } from '../cli/call.ts';
import { eventually } from '../cluster/eventually.ts';
import { findProductImage, productImage } from '../cluster/image/image.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { runCommand } from '../cluster/nodes/command.ts';
import { blocks, commandsOf } from '../docs/commands.ts';
import { askDoor, askServer } from './door/collector.ts';
import { archiveIn, archivesOf } from './door/directory.ts';
import { callerWithRight, kubectl } from './door/install.ts';
import { grantedRights, usedRights } from './installed/rights.ts';

const NAMESPACE = 'checkpoint-warden';
const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));

const PAGE = 'docs/guide/install.md';
const OPERATIONS = 'docs/operations/README.md';
/** What is installed first, and upgraded from. */
const FORMER_TAG = 'former';
const ROLLED_OUT = [
  'kubectl rollout status -n checkpoint-warden deployment/webhook',
  'kubectl rollout status -n checkpoint-warden daemonset/collector',
];

let cluster: Cluster;

before(async () => {
  const image = await findProductImage();
  cluster = await startCluster({ nodes: 2, services: true, audit: true });
  await Promise.all(cluster.nodes.map((node) => node.importImages(image)));
  const [name] = productImage.split(':');
  for (const node of cluster.nodes) {
    const tag = ['ctr', '--namespace=k8s.io', 'images', 'tag', productImage, `${name}:${FORMER_TAG}`];
    const { status, stderr } = await node.exec(tag);
    assert.equal(status, 0, stderr);
  }
  await nameImage(FORMER_TAG);
  await typed('kubectl apply -k .');
  for (const command of ROLLED_OUT) await typed(command);
});
after(() => cluster?.stop());

/** Writes the page's kustomization, with the image and the path that there are here. */
async function nameImage(newTag: string): Promise<void> {
  const directory = overlay();
  await mkdir(directory, { recursive: true });
  const [newName] = productImage.split(':');
  const kustomization = {
    ...parse(blocks(PAGE, 'yaml')[0] ?? ''),
    resources: [relative(directory, join(MANIFESTS, 'overlays/self-signed'))],
    images: [{ name: 'checkpoint-warden', newName, newTag }],
  };
  await writeFile(join(directory, 'kustomization.yaml'), stringify(kustomization));
}

function overlay(): string {
  return join(cluster.directory, 'overlay');
}

/** Runs a command of the page as it stands there, where the kustomization is. */
async function typed(command: string, of = PAGE): Promise<string> {
  assert.ok(commandsOf(of).includes(command), `${command} is not in ${of}`);
  const ran = await runCommand(
    'sh',
    [
      ...[
        '-c',
        `cd '${overlay()}' && export KUBECONFIG='${cluster.kubeconfig}' PATH='${dirname(cluster.kubectlProgram)}':"$PATH" && ${command}`,
      ],
    ],
    { timeout: 180_000 },
  );
  assert.equal(ran.status, 0, `${command}: ${ran.stderr}`);
  return ran.stdout;
}

/** The authority of a certificate that the cluster's own authority has issued. */
async function authorityOf(secret: string): Promise<string> {
  const path = 'jsonpath={.data.ca\\.crt}';
  return Buffer.from(
    await kubectl(cluster, 'get', 'secret', secret, '-n', NAMESPACE, '-o', path),
    'base64',
  ).toString();
}

const POLICY = `
apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: quotas, namespace: checkpoint-warden}
spec: {applyPoliciesImmediately: true, namespacePolicies: [{namespace: shop, maxCheckpoints: 2, whenFull: RejectNew}]}
`;

test('kubectl apply of a policy is judged', async () => {
  const bad = await cluster.kubectl(['apply', '-f', '-'], { input: POLICY.replace('2', '-2') });
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /maxCheckpoints/);
  await cluster.apply(POLICY);
  const stored = await kubectl(cluster, 'get', 'cro', 'quotas', '-n', NAMESPACE, '-o', 'yaml');
  assert.match(stored, /checkpointing: Allow/);
});

test('the doctor finds it sound', async () => {
  await eventually(async () => {
    const { code, out } = await call(['doctor', '--kubeconfig', cluster.kubeconfig, '-o', 'json']);
    const { checks }: { checks: { name: string; verdict: string; message: string }[] } = JSON.parse(out);
    // How full the disk of this machine is, is not the installation's.
    const ill = checks.filter(({ name, verdict }) => name !== 'disk' && verdict !== 'ok');
    assert.deepEqual(ill, []);
    assert.ok(code === 0 || checks.some(({ name, verdict }) => name === 'disk' && verdict === 'fail'));
  }, 60_000);
});

test('a checkpoint by the door of each node and by the gateway, and none beyond the limit', async () => {
  const token = await callerWithRight(cluster, 'caller');
  const doors = await authorityOf('door-certificate');
  const gateway = await gatewayUrl();
  for (const node of cluster.nodes) {
    const pod = `cart-${node.name}`;
    await cluster.runPod({ name: pod, namespace: 'shop', node: node.name });
    const path = `/checkpoint/shop/${pod}/main`;
    const files = [
      archiveIn(await askDoor(`https://${node.address}:10350`, doors, path, { token })),
      archiveIn(
        await askServer(gateway, path, {
          token,
          ca: await authorityOf('webhook-certificate'),
          servername: 'webhook.checkpoint-warden.svc',
        }),
      ),
    ];
    assert.deepEqual(await archivesOf(node.checkpointDirectory, 'shop'), files);
    for (let more = 0; more < 2; more += 1) {
      const third = await askDoor(`https://${node.address}:10350`, doors, path, { token });
      assert.equal(third.status, 507, third.body);
    }
  }
  // The second of a kind is counted, ten seconds later.
  await eventually(async () => {
    for (const { name } of cluster.nodes) {
      const pod = await kubectl(cluster, 'describe', 'pod', `cart-${name}`, '-n', 'shop');
      assert.match(
        pod,
        /Warning +CheckpointRefused .*\(x2 over .*container main: .*has 3 archives, 2 allowed/,
      );
    }
  }, 40_000);
});

test("each node keeps its audit records beside its collector's state", async () => {
  for (const { checkpointDirectory } of cluster.nodes) {
    const file = join(checkpointDirectory, '.checkpoint-warden', 'audit.jsonl');
    await eventually(async () => {
      const records: unknown[] = (await readFile(file, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const operations = records.map((each) => String(own(fieldsOf(each), 'operation')));
      const requests = ['request', 'request', 'request', 'request'];
      assert.deepEqual(operations.toSorted(), ['create', 'create', ...requests]);
      for (const each of records) {
        assert.deepEqual(Object.keys(fieldsOf(each)), ['operation', 'timestamp', 'resource', 'metadata']);
      }
    }, 20_000);
  }
});

/** Of one of the webhook's pods. */
async function gatewayUrl(): Promise<string> {
  const pods = ['-l', 'app.kubernetes.io/component=webhook', '-o', 'jsonpath={.items[0].status.podIP}'];
  return `https://${await kubectl(cluster, 'get', 'pods', '-n', NAMESPACE, ...pods)}:9444`;
}

test('kubectl get ckn shows each node, and a collector writes its own alone', async (t) => {
  await eventually(async () => {
    const rows = (await typed('kubectl get ckn')).trim().split('\n');
    assert.match(rows[0] ?? '', /^NAME +ARCHIVES +SIZE +DISK +DELETED +ERRORS +WAITING +SCANNED$/);
    assert.deepEqual(
      rows.slice(1).map((row) => row.split(/ +/).slice(0, 2)),
      [
        ['node1', '2'],
        ['node2', '2'],
      ],
    );
  }, 20_000);
  // An archive is its namespace's once it stands still, and told some seconds later.
  await eventually(async () => {
    const top = 'jsonpath={.items[*].status.topNamespaces[*].namespace}';
    assert.equal(await kubectl(cluster, 'get', 'ckn', '-o', top), 'shop shop');
  }, 20_000);
  t.diagnostic(await kubectl(cluster, 'get', 'ckn'));
  const token = await kubectl(cluster, 'create', 'token', 'collector', '-n', NAMESPACE);
  const foreign = await cluster.kubectl(
    [
      ...['apply', '--server-side', '--subresource=status', '--force-conflicts', '-f', '-'],
      ...[`--token=${token.trim()}`, '--kubeconfig=/dev/null', `--server=${cluster.url}`],
      `--certificate-authority=${await caFile()}`,
    ],
    {
      input: JSON.stringify({
        apiVersion: 'criu.org/v1',
        kind: 'CheckpointNode',
        metadata: { name: 'node1' },
        status: { waiting: 1 },
      }),
    },
  );
  assert.match(foreign.stderr, /a collector writes the CheckpointNode of its own node alone/);
});

test('kubectl get cro shows a policy in force, and what waits for a word and says which', async (t) => {
  const row = async () => (await kubectl(cluster, 'get', 'cro', '-n', NAMESPACE)).trim().split('\n');
  const [header = ''] = await row();
  assert.match(header, /^NAME +ACCEPTED +CONFLICTED +ENFORCED +CONFIRMING +ARCHIVES +SIZE +AGE$/);
  await eventually(
    async () => assert.match((await row())[1] ?? '', /^quotas +True +False +True +False +4 /),
    40_000,
  );
  const breaker = 'circuitBreaker: {maxShare: 10%, minArchives: 1}, namespacePolicies';
  await cluster.apply(
    POLICY.replace('maxCheckpoints: 2', 'maxCheckpoints: 1').replace('namespacePolicies', breaker),
  );
  const waiting = 'jsonpath={.status.conditions[?(@.type=="Confirming")].message}';
  const command = await eventually(async () => {
    const message = await kubectl(cluster, 'get', 'cro', 'quotas', '-n', NAMESPACE, '-o', waiting);
    assert.match(message, /^would delete 2 of 4 archives \(.*\) at once on 2 nodes \(node1, node2\)/);
    return message.replace(/.*let it: kubectl /, '');
  }, 40_000);
  t.diagnostic((await row()).join('\n'));
  await kubectl(cluster, ...command.split(' '));
  await eventually(
    async () => assert.match((await row())[1] ?? '', /^quotas +True +False +True +False +2 /),
    40_000,
  );
  const described = await kubectl(cluster, 'describe', 'cro', 'quotas', '-n', NAMESPACE);
  assert.match(described, /Warning +ConfirmationNeeded /);
  assert.match(described, /Normal +CheckpointDeleted .*on node node1 archives were deleted: there were more/);
  t.diagnostic(described.slice(described.indexOf('Status:')));
});

async function caFile(): Promise<string> {
  const file = join(cluster.directory, 'ca.crt');
  await writeFile(file, cluster.ca);
  return file;
}

test('the webhook is as restricted as pods can be; the collector has a directory and a port of the host, and no more', async () => {
  await kubectl(cluster, 'create', 'namespace', 'strict');
  await kubectl(cluster, 'label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted');
  const tried = async (kind: string, name: string) => {
    const found = JSON.parse(await kubectl(cluster, 'get', kind, name, '-n', NAMESPACE, '-o', 'json'));
    const { containers, volumes, securityContext } = found.spec.template.spec;
    const spec = { containers, volumes, securityContext };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'strict' }, spec };
    return cluster.kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) });
  };
  const webhook = await tried('deployment', 'webhook');
  assert.equal(webhook.status, 0, webhook.stderr);
  const { stderr } = await tried('daemonset', 'collector');
  const [, violations = ''] = /violates PodSecurity "restricted:latest": (.*)/.exec(stderr) ?? [];
  assert.deepEqual(
    violations.split('), ').map((each) => each.replace(/ \(.*/s, '')),
    ['hostPort', 'restricted volume types', 'runAsNonRoot != true', 'runAsUser=0'],
    stderr,
  );
});

/** Rights that nothing here calls for, and what does. */
const USED_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  [
    'collector: create checkpointnodes.criu.org',
    'asked for beside patch, by the apply that makes the object',
  ],
  [
    'collector: create nodes/checkpoint',
    'asked for at the kubelet, which asks the API server in its own name',
  ],
  ['collector: get nodes/stats', 'asked for at the kubelet, which asks the API server in its own name'],
  ['collector: list pods', 'while there is a schedule: schedule.test.ts'],
  ['collector: watch pods', 'while there is a schedule: schedule.test.ts'],
  ['collector: patch checkpointschedules/status.criu.org', 'while there is a schedule: schedule.test.ts'],
  ['webhook: patch events.events.k8s.io', 'where a condition turns again and again: e2e/rights.test.ts'],
  ['webhook: get nodes', 'of a node that the watch has not shown yet: gateway.test.ts'],
  ['webhook: get pods', 'of a pod that the watch has not shown yet: gateway.test.ts'],
  [
    'webhook: patch apiservices.apiregistration.k8s.io v1alpha1.checkpoint.criu.org',
    'where there is one: e2e/authority.test.ts',
  ],
  [
    'webhook: patch customresourcedefinitions.apiextensions.k8s.io checkpointrestoreoperators.criu.org',
    'where it has a conversion: e2e/authority.test.ts',
  ],
  ...['checkpoint-warden-authority', 'door-certificate', 'webhook-certificate'].map(
    (name) => [`webhook: update secrets ${name}`, 'at renewals: e2e/rotation.test.ts'] as const,
  ),
]);

test('an upgrade: no policy is refused, and a collector goes on where the former one was', async (t) => {
  const since = async () => {
    const [node] = cluster.nodes;
    const found = await node?.exec([
      'sh',
      '-c',
      'cat /var/lib/kubelet/checkpoints/.checkpoint-warden/*/missing-pods.json',
    ]);
    const pods: object = JSON.parse(found?.stdout ?? '').missingSince;
    assert.match(Object.keys(pods).join(), /^shop\/cart-node1\//);
    return pods;
  };
  const archives = () =>
    Promise.all(cluster.nodes.map((node) => archivesOf(node.checkpointDirectory, 'shop')));
  const kept = await archives();
  // Its grace period has begun, and goes on.
  await kubectl(cluster, 'delete', 'pod', 'cart-node1', '-n', 'shop', '--grace-period=0', '--force');
  await cluster.apply(POLICY.replace('maxCheckpoints: 2', 'retainOrphan: false, maxCheckpoints: 2'));
  const before = await eventually(since, 60_000);
  const answers: string[] = [];
  let isOver = false;
  const load = (async () => {
    for (let days = 1; !isOver; days += 1) {
      const input = POLICY.replace(
        'maxCheckpoints: 2',
        `retainOrphan: false, timeThreshold: ${days}d, maxCheckpoints: 2`,
      );
      const { status, stderr } = await cluster.kubectl(['apply', '-f', '-'], { input });
      answers.push(status === 0 ? 'taken' : stderr);
    }
  })();
  await nameImage(productImage.split(':')[1] ?? '');
  await typed('kubectl apply -k .', OPERATIONS);
  for (const command of ROLLED_OUT) await typed(command, OPERATIONS);
  assert.match(
    await typed('kubectl logs -n checkpoint-warden daemonset/collector', OPERATIONS),
    /"message":/,
  );
  isOver = true;
  await load;
  t.diagnostic(`${answers.length} policies were written meanwhile`);
  assert.deepEqual([...new Set(answers)], ['taken']);
  assert.ok(answers.length > 10);
  // What served until now ends when it has finished.
  await eventually(async () => {
    const images = ['-o', 'jsonpath={.items[*].spec.containers[*].image}'];
    const running = await kubectl(cluster, 'get', 'pods', '-n', NAMESPACE, ...images);
    assert.doesNotMatch(running, new RegExp(FORMER_TAG));
  }, 60_000);
  await eventually(async () => assert.deepEqual(await since(), before), 20_000);
  assert.deepEqual(await archives(), kept);
});

test('every right that the manifests give was used, and none was missing', async () => {
  const rendered = await kubectl(cluster, 'kustomize', overlay());
  const documents = parseAllDocuments(rendered).map((each) => fieldsOf(each.toJS()));
  const { used, refused } = await usedRights(cluster.auditLog ?? '');
  assert.deepEqual([...refused], []);
  const granted = grantedRights(documents);
  const idle = [...granted].filter((right) => !used.has(right));
  assert.deepEqual(idle.sort(), [...USED_ELSEWHERE.keys()].sort());
});

test('what was installed by one command goes by one command, and blocks nothing', async () => {
  const gone = (await typed('kubectl delete -k .')).split('\n').slice(0, 3);
  assert.ok(
    gone.every((line) => /webhookconfiguration/.test(line)),
    gone.join('\n'),
  );
  const kinds =
    'mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,crd,clusterroles,clusterrolebindings';
  const left = await kubectl(cluster, 'get', kinds, '-o', 'name');
  assert.doesNotMatch(left, /checkpoint-warden|criu\.org/);
  await kubectl(cluster, 'create', 'namespace', 'afterwards');
  await kubectl(cluster, 'delete', 'namespace', 'afterwards', '--timeout=60s');
});
