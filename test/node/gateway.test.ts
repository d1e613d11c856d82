import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { connectWebhookConfiguration } from '../../manifests/connect.ts';
import { API_VERSION, KIND } from '../../policy/schema.ts';
import { createAuthority } from '../cluster/authority.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { ask as askGateway } from '../webhook/gateway/kit.ts';
import { type Caller, callerAs } from './connect/caller.ts';
import { DOOR_PORT, type DoorAnswer, type NodeCollector, startCollector } from './door/collector.ts';
import { archiveIn, archivesOf, countStatuses, readArchives } from './door/directory.ts';
import { applyPolicy, callerWithRight, type Installed, install, kubectl, tokenOf } from './door/install.ts';
import { type NodeWebhook, startWebhookProcess } from './gateway/webhook.ts';

const PROGRAM = fileURLToPath(new URL('../../cli/checkpoint-warden.js', import.meta.url));
const ENFORCE_RIGHTS = fileURLToPath(
  new URL('../../manifests/components/connect-enforce/rights.yaml', import.meta.url),
);
const SPEC = {
  namespacePolicies: [
    { namespace: 'shop', maxCheckpoints: 50, whenFull: 'RejectNew' },
    { namespace: 'full', maxCheckpoints: 1, whenFull: 'RejectNew' },
    { namespace: 'crowd', maxCheckpoints: 3, whenFull: 'RejectNew' },
    { namespace: 'slow', minInterval: '1h' },
    { namespace: 'closed', checkpointing: 'Deny' },
  ],
};

let cluster: Cluster;
let installed: Installed;
let admin: Caller;
let token: string;
let webhook: NodeWebhook;
let collectors: Map<string, NodeCollector>;

before(async () => {
  cluster = await startCluster();
  installed = await install(cluster);
  admin = callerAs(cluster, 'root', ['system:masters']);
  await applyPolicy(cluster, 'quotas', SPEC);
  token = await callerWithRight(cluster, 'caller');
  const [one, two, hook] = await Promise.all([
    startCollector(installed, { node: cluster.node('node1') }),
    startCollector(installed, { node: cluster.node('node2') }),
    startWebhookProcess(installed, ['--connect-mode', 'Enforce']),
    ...PODS.map(([namespace, name, node]) => cluster.runPod({ namespace, name, node })),
  ]);
  collectors = new Map([
    ['node1', one],
    ['node2', two],
  ]);
  webhook = hook;
});
after(async () => {
  admin?.[Symbol.dispose]();
  await cluster?.stop();
});

const PODS = [
  ['shop', 'cart', 'node1'],
  ['shop', 'till', 'node2'],
  ['full', 'tub', 'node1'],
  ['slow', 'snail', 'node2'],
  ['closed', 'vault', 'node1'],
  ['crowd', 'one', 'node2'],
  // One file name a second: with six in turn nobody waits for the next one.
  ...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ['many', name, 'node1'] as const),
] as const;

type Options = Parameters<typeof askGateway>[3];

async function ask(container: string, options: Options = {}): Promise<DoorAnswer> {
  return askGateway(webhook.gatewayUrl, { certificate: cluster.ca }, `/checkpoint/${container}`, {
    token,
    signal: AbortSignal.timeout(30_000),
    ...options,
  });
}

function collector(node: string): NodeCollector {
  const found = collectors.get(node);
  assert.ok(found);
  return found;
}

/** The kubelet's word for a pod that it has not seen yet is the door's 503. */
async function checkpointed(container: string): Promise<string> {
  return eventually(async () => archiveIn(await ask(container)), 30_000);
}

for (const [container, node] of [
  ['shop/cart/main', 'node1'],
  ['shop/till/main', 'node2'],
] as const) {
  test(`${container} of ${node}: there, whole, identified, counted; plan names it`, async () => {
    const file = await checkpointed(container);
    const [namespace = '', name = ''] = container.split('/');
    const { uid } = await cluster.pod({ namespace, name });
    const { checkpointDirectory } = cluster.node(node);
    const archive = (await readArchives(checkpointDirectory)).find((each) => each.file === file);
    assert.deepEqual(archive?.identity, { namespace, pod: name, container: 'main', podUid: uid });
    assert.deepEqual([archive?.state, archive?.staleTailBytes], ['complete', 0]);
    const decision = (await plan(checkpointDirectory)).find((each) => each.archive === file);
    assert.deepEqual([decision?.action, decision?.policy, decision?.pod], ['keep', 'namespace/shop', name]);
    const record = (await collector(node).audit()).findLast(({ operation }) => operation === 'request');
    assert.deepEqual(
      [record?.metadata.verdict, record?.resource.file, record?.metadata.user],
      ['allowed', file, 'system:serviceaccount:default:caller'],
    );
  });
}

async function plan(directory: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const file = join(installed.directory, 'policy.yaml');
  const metadata = { name: 'quotas', namespace: 'checkpoint-warden' };
  await writeFile(file, stringify({ apiVersion: API_VERSION, kind: KIND, metadata, spec: SPEC }));
  const args = [PROGRAM, 'plan', '--directory', directory, '--policies', file, '-o', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout).decisions;
}

test("the door's refusals come through as they are", async () => {
  await checkpointed('full/tub/main');
  await checkpointed('slow/snail/main');
  for (const [container, node, status, refusal] of [
    ['full/tub/main', 'node1', 507, 'count'],
    ['slow/snail/main', 'node2', 429, 'interval'],
    ['closed/vault/main', 'node1', 403, 'denied'],
    ['shop/till/other', 'node2', 404, 'noContainer'],
  ] as const) {
    const [direct, passed] = [
      await collector(node).ask(`/checkpoint/${container}`, { token }),
      await ask(container),
    ];
    const shown = ({ status, body, headers }: DoorAnswer) => [
      status,
      headers['checkpoint-warden-refusal'],
      headers['content-type'],
      // Seconds and bytes go by between the two.
      body.replaceAll(/\d/g, '0'),
    ];
    assert.deepEqual(shown(passed), shown(direct));
    assert.deepEqual([passed.status, passed.headers['checkpoint-warden-refusal']], [status, refusal]);
    if (status === 429) {
      const wait = Number(passed.headers['retry-after']);
      assert.ok(wait > 3_000 && wait <= 3_600, String(wait));
    }
  }
});

test('of 50 at once exactly as many get through as are allowed', { timeout: 90_000 }, async () => {
  // Until the kubelet knows the pod.
  await checkpointed('crowd/one/main');
  const fresh = await tokenOf(cluster, 'default', 'caller');
  const asked = Array.from({ length: 50 }, () =>
    ask('crowd/one/main', { token: fresh, signal: AbortSignal.timeout(80_000) }),
  );
  assert.deepEqual(countStatuses(await Promise.all(asked)), { 200: 2, 507: 48 });
  const { checkpointDirectory } = cluster.node('node2');
  assert.equal((await archivesOf(checkpointDirectory, 'crowd')).length, 3);
});

test('who must not get through', async () => {
  await kubectl(cluster, 'create', 'serviceaccount', 'nobody');
  const somebody = await callerWithRight(cluster, 'tenant', 'shop');
  const other = await tokenOf(cluster, 'default', 'caller', '--audience=elsewhere');
  for (const [options, container, status, message] of [
    [{ token: null }, 'shop/cart/main', 401, /^nobody says who asks; /],
    [{ token: 'garbage' }, 'shop/cart/main', 401, /^the token is not valid here/],
    [{ token: `${token}x` }, 'shop/cart/main', 401, /^the token is not valid here/],
    [{ token: other }, 'shop/cart/main', 401, /^the token is not valid here/],
    [
      { token: await tokenOf(cluster, 'default', 'nobody') },
      'shop/cart/main',
      403,
      /:nobody may not checkpoint/,
    ],
    [{ token: somebody }, 'full/tub/main', 403, /:tenant may not checkpoint full\/tub\/main/],
    [{ token: somebody }, 'full/no-such-pod/main', 403, /:tenant may not checkpoint full\/no-such-pod\/main/],
    [{}, 'shop/no-such-pod/main', 404, /^there is no pod shop\/no-such-pod; look at kubectl get pods/],
  ] as const) {
    const answer = await ask(container, options);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.body, message);
  }
  assert.ok(archiveIn(await eventually(() => ask('shop/cart/main', { token: somebody }))));
});

test('a pod that has just been made is found; one that has gone is not', async () => {
  await cluster.createPod({ namespace: 'shop', name: 'waits', spec: { nodeSelector: { no: 'node' } } });
  const waiting = await ask('shop/waits/main');
  assert.deepEqual([waiting.status, waiting.headers['retry-after']], [409, '2'], waiting.body);
  await kubectl(cluster, 'delete', 'pod', 'waits', '-n', 'shop', '--force', '--grace-period=0');
  await eventually(async () => assert.equal((await ask('shop/waits/main')).status, 404));
});

test('a node that is not there, and one that somebody has made up', { timeout: 60_000 }, async () => {
  const spec = { nodeName: 'ghost', containers: [{ name: 'main', image: 'x' }] };
  const account = { automountServiceAccountToken: false };
  await cluster.createPod({ namespace: 'shop', name: 'lost', spec: { ...spec, ...account } });
  const { status, body } = await ask('shop/lost/main');
  assert.equal(status, 502, body);
  assert.match(
    body,
    /^node ghost, which pod shop\/lost is bound to, is not there any more; look at kubectl get/,
  );

  // Whoever can make a Node can name an address, but not show the doors' certificate there.
  const authority = await createAuthority('forger');
  const { certificate, key } = authority.issue({ name: 'door', hosts: [cluster.hostAddress] });
  let heard = '';
  let met = 0;
  const forger = createServer({ cert: certificate, key }, (socket) => {
    socket.on('data', (data) => {
      heard += data.toString('latin1');
    });
  });
  forger.on('connection', () => {
    met += 1;
  });
  await new Promise<void>((resolve) => forger.listen(DOOR_PORT, cluster.hostAddress, resolve));
  try {
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'ghost' } };
    await cluster.apply(stringify(node));
    const bare = await ask('shop/lost/main');
    assert.match(bare.body, /^node ghost, .*, has no internal address; /);
    const patch = { status: { addresses: [{ type: 'InternalIP', address: cluster.hostAddress }] } };
    const flags = ['--subresource=status', '--type=merge', '-p', JSON.stringify(patch)];
    await kubectl(cluster, 'patch', 'node', 'ghost', ...flags);
    const forged = await eventually(async () => {
      const answer = await ask('shop/lost/main');
      assert.match(answer.body, /certificate/);
      return answer;
    });
    assert.equal(forged.status, 502);
    assert.match(forged.body, /^the door of node ghost does not show a certificate that can be trusted; /);
    assert.ok(met > 0);
    assert.equal(heard, '');
  } finally {
    await new Promise<void>((resolve) => forger.close(() => resolve()));
    await kubectl(cluster, 'delete', 'node', 'ghost');
  }
});

/** In milliseconds. */
async function timed(action: () => Promise<DoorAnswer>, status: number): Promise<number> {
  const began = performance.now();
  const answer = await action();
  const took = performance.now() - began;
  assert.equal(answer.status, status, answer.body);
  return took;
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Side by side, in turns. @param containers asked one after the other. */
async function compare(
  containers: readonly string[],
  status: number,
  rounds: number,
): Promise<readonly [direct: number, passed: number]> {
  const [direct, passed]: [number[], number[]] = [[], []];
  const ways = [
    [direct, (container: string) => collector('node1').ask(`/checkpoint/${container}`, { token })],
    [passed, (container: string) => ask(container)],
  ] as const;
  let asked = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const [times, action] of round % 2 === 0 ? ways : ways.toReversed()) {
      const container = containers[asked % containers.length] ?? '';
      times.push(await timed(() => action(container), status));
      asked += 1;
    }
  }
  return [median(direct), median(passed)];
}

test('what the gateway adds to the door', async (t) => {
  const many = PODS.flatMap(([namespace, name]) => (namespace === 'many' ? [`many/${name}/main`] : []));
  for (const container of many) await checkpointed(container);
  const refused = await compare(['full/tub/main'], 507, 60);
  const made = await compare(many, 200, 30);
  for (const [what, [door, gateway]] of [
    ['refusals', refused],
    ['checkpoints', made],
  ] as const) {
    const added = `${(gateway - door).toFixed(1)} ms`;
    t.diagnostic(
      `${what}: door ${door.toFixed(1)} ms, door and gateway ${gateway.toFixed(1)} ms at the median: ${added} more`,
    );
  }
});

test('a door that is down, and comes back', async () => {
  await collector('node2').stop();
  const { status, body, headers } = await ask('shop/till/main');
  assert.deepEqual([status, headers['retry-after']], [503, '5'], body);
  assert.match(body, /^the door of node node2 does not answer; try again in a moment; if it stays so, /);
  assert.ok(archiveIn(await eventually(() => ask('shop/cart/main'))));
  collectors.set('node2', await startCollector(installed, { node: cluster.node('node2') }));
  assert.ok(await checkpointed('shop/till/main'));
});

test('mode Enforce: through nodes/proxy passes what the door lets through, and nothing else', async (t) => {
  const clientConfig = { url: webhook.url, caBundle: cluster.ca };
  await cluster.apply(stringify(connectWebhookConfiguration({ clientConfig, mode: 'Enforce' })));
  await kubectl(cluster, 'apply', '-f', ENFORCE_RIGHTS);
  // Denies whatever the webhook says.
  await kubectl(cluster, 'delete', 'validatingadmissionpolicybinding', 'checkpoint-warden-connect');
  await kubectl(cluster, 'delete', 'validatingadmissionpolicy', 'checkpoint-warden-connect');
  const through = async (path: string, node = 'node1') => admin.ask(`${node}/proxy/checkpoint/${path}`);
  await eventually(async () => {
    const { body } = await through('shop/no-such-pod/main');
    assert.match(body, /denied the request: there is no pod shop\/no-such-pod/);
  }, 20_000);

  const earlier = (await readArchives(cluster.node('node1').checkpointDirectory)).length;
  await sleep(1_000);
  const made = await through('shop/cart/main');
  assert.equal(made.status, 200, made.body);
  assert.match(made.body, /checkpoint-cart_shop-main-/);
  assert.equal((await readArchives(cluster.node('node1').checkpointDirectory)).length, earlier + 1);

  for (const [path, node, message] of [
    [
      'full/tub/main',
      'node1',
      /denied the request: a checkpoint of full\/tub\/main does not fit: with it namespace full has 2 archives/,
    ],
    ['slow/snail/main', 'node2', /denied the request: .*minInterval/],
    ['closed/vault/main', 'node1', /denied the request: /],
    ['shop/cart/main', 'node2', /pod shop\/cart runs on node node1, and the request is for another/],
    ['shop/cart/nothing', 'node1', /pod shop\/cart has no container nothing/],
    ['shop/cart', 'node1', /below \/checkpoint the kubelet knows only/],
  ] as const) {
    const { status, body } = await through(path, node);
    t.diagnostic(`${path}: ${body.replace(/.*"message":/s, '').slice(0, 300)}`);
    assert.equal(status, 403, body);
    assert.match(body, message);
  }
  assert.equal((await admin.ask('node1/proxy/metrics', 'GET')).status, 200);

  await collector('node1').stop();
  const away = await through('shop/cart/main');
  assert.equal(away.status, 403);
  assert.match(
    away.body,
    /whether a checkpoint of shop\/cart\/main fits could not be asked, so it is denied: the door of node node1 does not answer/,
  );
});

test('it ends by SIGTERM, and no log line holds a token', async () => {
  const began = Date.now();
  assert.equal(await webhook.stop(), 0);
  assert.ok(Date.now() - began < 30_000);
  const lines = (await webhook.log()).map((line) => JSON.stringify(line));
  assert.ok(lines.some((line) => line.includes('"user":"system:serviceaccount:default:caller"')));
  assert.deepEqual(
    lines.filter((line) => /eyJ|Bearer [^T]/.test(line)),
    [],
  );
});
