import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { eventually } from '../../cluster/eventually.ts';
import { archiveOf, fileOf, startTestNode, type TestNode } from '../../gc/door/archives/node.ts';
import { type ApiCluster, DOOR_NAME, startApiCluster } from './cluster.ts';

/** kubectl as it is, a real API server, and two real collectors. */
let cluster: ApiCluster;
const nodes: TestNode[] = [];

before(async () => {
  cluster = await startApiCluster({ deadlineMs: 1_000, bookmarkMs: 500 });
  for (const [name, address] of [
    ['node1', '127.0.0.2'],
    ['node2', '127.0.0.3'],
  ] as const) {
    const node = await startTestNode({
      ...{ name, authority: cluster.authority, host: DOOR_NAME, listen: address, port: cluster.doorPort },
      spec: {
        namespacePolicies: [
          { namespace: 'shop', maxCheckpoints: 50 },
          { namespace: 'full', maxCheckpoints: 1, whenFull: 'RejectNew' },
        ],
      },
      files: {
        [fileOf('shop', 'cart', 1)]: archiveOf('shop', 'cart'),
        [fileOf('farm', `cow-${name}`, 1)]: archiveOf('farm', `cow-${name}`),
        [fileOf('full', 'tub', 1)]: archiveOf('full', 'tub'),
      },
    });
    nodes.push(node);
    await cluster.addNode(name, address);
  }
  await cluster.addPod('shop', 'cart', 'node1');
  await cluster.addPod('shop', 'till', 'node2');
  await cluster.addPod('full', 'tub', 'node2');
  await cluster.kubectl('create', 'namespace', 'farm');
  await cluster.register();
});
after(async () => {
  for (const node of nodes) await node.stop();
  await cluster?.[Symbol.asyncDispose]();
});

function manifest(pod: string, namespace = 'shop', more = ''): string {
  const spec = `{podName: ${pod}, containerName: main${more}}`;
  const metadata = `{generateName: mine-, namespace: ${namespace}}`;
  return `{apiVersion: checkpoint.criu.org/v1alpha1, kind: Checkpoint, metadata: ${metadata}, spec: ${spec}}`;
}

async function create(input: string, ...args: string[]) {
  return cluster.plane.kubectl(['create', '-f', '-', ...args], { input });
}

/** Names of checkpoints as kubectl sees them. */
async function names(...args: string[]): Promise<string[]> {
  const out = await cluster.kubectl('get', 'checkpoints', '-o', 'name', ...args);
  return out.split('\n').flatMap((each) => (each === '' ? [] : [each.slice(each.indexOf('/') + 1)]));
}

async function nameOf(pod: string, namespace = 'shop', node = 'node1'): Promise<string> {
  const selector = `spec.podName=${pod},spec.nodeName=${node}`;
  const [name] = await names('-n', namespace, '--field-selector', selector);
  assert.ok(name, `no checkpoint of ${namespace}/${pod} on ${node}`);
  return name;
}

suite('stock kubectl', () => {
  test('lists those of all nodes in columns, by one order', async () => {
    const out = await cluster.kubectl('get', 'checkpoints', '-A');
    const [head = '', ...rows] = out.trim().split('\n');
    const columns = ['NAMESPACE', 'NAME', 'POD', 'CONTAINER', 'NODE', 'SIZE', 'AGE', 'POLICY', 'VERDICT'];
    assert.deepEqual(head.split(/\s+/), columns);
    assert.deepEqual(
      rows.map((row) => row.split(/\s+/).filter((_, at) => at !== 1 && at !== 6)),
      [
        ['farm', 'cow-node1', 'main', 'node1', '9Ki', '<none>', 'keep'],
        ['farm', 'cow-node2', 'main', 'node2', '9Ki', '<none>', 'keep'],
        ['full', 'tub', 'main', 'node1', '9Ki', 'namespace/full', 'keep'],
        ['full', 'tub', 'main', 'node2', '9Ki', 'namespace/full', 'keep'],
        ['shop', 'cart', 'main', 'node1', '9Ki', 'namespace/shop', 'keep'],
        ['shop', 'cart', 'main', 'node2', '9Ki', 'namespace/shop', 'keep'],
      ],
    );
    assert.equal(new Set(await names('-A')).size, rows.length);
    const wide = await cluster.kubectl('get', 'ckpt', '-A', '-o', 'wide', '--chunk-size=1');
    assert.match(wide.split('\n')[0] ?? '', /ARCHIVE +RUNTIME +PINNED$/);
    assert.equal(wide.trim().split('\n').length, 7);
    assert.match(wide, /checkpoint-cart_shop-main-\S+\.tar +containerd +false/);
  });

  test('selects by fields and by labels', async () => {
    for (const [selector, count] of [
      ['spec.podName=cart', 2],
      ['spec.podName=cart,spec.nodeName=node2', 1],
      ['spec.nodeName!=node2', 3],
      ['spec.containerName=other', 0],
      ['metadata.namespace=farm', 2],
    ] as const) {
      assert.equal((await names('-A', '--field-selector', selector)).length, count, selector);
    }
    const { stderr } = await cluster.plane.kubectl(['get', 'ckpt', '-A', '--field-selector', 'status.a=b']);
    assert.match(stderr, /select by metadata.name, metadata.namespace, spec.podName/);
    assert.equal((await names('-A', '-l', 'checkpoint.criu.org/pinned')).length, 0);
    assert.equal((await names('-A', '-l', '!checkpoint.criu.org/pinned')).length, 6);
  });

  test('explains, and knows the short name', async () => {
    const explained = await eventually(
      () => cluster.kubectl('explain', 'checkpoint.status', '--recursive'),
      20_000,
    );
    for (const each of ['archive', 'sizeBytes', 'verdict', 'action', 'pinned', 'tainted', 'policy']) {
      assert.match(explained, new RegExp(`^ *${each}\\t<`, 'm'));
    }
    const resources = await cluster.kubectl('api-resources', '--api-group=checkpoint.criu.org', '-o', 'wide');
    // Not delete: what the controllers of the cluster do with that, ADR 14 tells.
    assert.match(resources, /^checkpoints +ckpt .* create,get,list,patch,watch /m);
  });

  test('takes a checkpoint by an object and by pods/checkpoint; a dry run says what would happen', async () => {
    const before = await names('-A');
    const dry = await create(manifest('till'), '--dry-run=server');
    assert.equal(dry.status, 0, dry.stderr);
    assert.match(dry.stderr, /Warning: a checkpoint would be taken: .* are expected/);
    assert.deepEqual(await names('-A'), before);
    const made = await create(manifest('till'), '-o', 'jsonpath={.metadata.name} {.spec.nodeName}');
    assert.equal(made.status, 0, made.stderr);
    const [name = '', node] = made.stdout.split(' ');
    assert.equal(node, 'node2');
    assert.equal(await nameOf('till', 'shop', 'node2'), name);
    const raw = '/apis/checkpoint.criu.org/v1alpha1/namespaces/shop/pods/till/checkpoint';
    const second = await cluster.plane.kubectl(['create', '--raw', raw, '-f', '-'], {
      input: '{"spec":{"containerName":"main"}}',
    });
    assert.equal(second.status, 0, second.stderr);
    assert.equal((await names('-A')).length, before.length + 2);
    assert.equal(
      nodes[1]?.audit.findLast(({ operation }) => operation === 'request')?.metadata.user,
      'admin',
    );
  });

  test('is refused in words: by policy, also in a dry run, and for what is no checkpoint', async () => {
    for (const args of [[], ['--dry-run=server']]) {
      const { status, stderr } = await create(manifest('tub', 'full'), ...args);
      assert.equal(status, 1);
      assert.match(stderr, /maxCheckpoints.*the limit is spec\.namespacePolicies\[1\]\.maxCheckpoints/s);
    }
    for (const [input, words] of [
      [manifest('nobody'), /there is no pod shop\/nobody/],
      [manifest('cart', 'shop', ', nodeName: node2'), /spec.nodeName: follows from the pod/],
      [manifest('cart', 'shop', ', timeoutSeconds: -1'), /spec.timeoutSeconds: has to be whole seconds/],
      [manifest('cart', 'shop', ', shell: x'), /spec.shell: is no field/],
      [manifest('cart').replace('generateName', 'name'), /metadata.name: is made by the node/],
    ] as const) {
      const { status, stderr } = await create(input);
      assert.deepEqual([status, words.test(stderr)], [1, true], stderr);
    }
  });

  test('pins by a label, which holds against its own delete; deletes, by the collector', async () => {
    const name = await nameOf('cow-node1', 'farm');
    const label = (...labels: string[]) =>
      cluster.plane.kubectl(['label', 'ckpt', '-n', 'farm', name, ...labels]);
    assert.equal((await label('checkpoint.criu.org/pinned=true')).status, 0);
    assert.deepEqual(await names('-A', '-l', 'checkpoint.criu.org/pinned in (true)'), [name]);
    const file = join(nodes[0]?.directory ?? '', fileOf('farm', 'cow-node1', 1));
    assert.ok(existsSync(`${file}.keep`));
    const held = await cluster.plane.kubectl(['delete', 'ckpt', '-n', 'farm', name]);
    assert.deepEqual([held.status, /is pinned; take the label/.test(held.stderr)], [1, true], held.stderr);
    const other = await label('colour=red');
    assert.deepEqual(
      [other.status, /only checkpoint.criu.org\/pinned can be kept/.test(other.stderr)],
      [1, true],
    );
    assert.equal((await label('checkpoint.criu.org/pinned-')).status, 0);
    assert.ok(!existsSync(`${file}.keep`));
    const json = '[{"op":"add","path":"/metadata/labels/checkpoint.criu.org~1pinned","value":"true"}]';
    await cluster.kubectl('patch', 'ckpt', '-n', 'farm', name, '--type=json', '-p', json);
    assert.ok(existsSync(`${file}.keep`));
    await label('checkpoint.criu.org/pinned-');
    await cluster.kubectl('delete', 'ckpt', '-n', 'farm', name, '--dry-run=server');
    assert.ok(existsSync(file));
    await cluster.kubectl('delete', 'ckpt', '-n', 'farm', name);
    assert.ok(!existsSync(file));
    const record = nodes[0]?.audit.findLast(({ operation }) => operation === 'delete');
    assert.match(String(record?.metadata.reason), /^admin has asked for its deletion/);
    assert.match((await cluster.plane.kubectl(['get', 'ckpt', '-n', 'farm', name])).stderr, /not found/);
  });

  test('watches: what comes, is pinned and goes, without a gap behind the list', async () => {
    const child = spawn(
      cluster.plane.kubectlProgram,
      ['get', 'ckpt', '-n', 'shop', '-w', '--output-watch-events', '--kubeconfig', cluster.plane.kubeconfig],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { HOME: cluster.plane.directory } },
    );
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
    });
    try {
      await eventually(async () => assert.match(out, /ADDED .*cart.*node2/));
      const made = await create(manifest('cart'), '-o', 'jsonpath={.metadata.name}');
      const name = made.stdout;
      await eventually(async () => assert.match(out, new RegExp(`ADDED +${name} `)));
      await cluster.kubectl('label', 'ckpt', '-n', 'shop', name, 'checkpoint.criu.org/pinned=true');
      await eventually(async () => assert.match(out, new RegExp(`MODIFIED +${name} .*pinned`)));
      await cluster.kubectl('label', 'ckpt', '-n', 'shop', name, 'checkpoint.criu.org/pinned-');
      await cluster.kubectl('delete', 'ckpt', '-n', 'shop', name);
      await eventually(async () => assert.match(out, new RegExp(`DELETED +${name} `)));
      assert.doesNotMatch(out, /farm|ERROR/);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

test('a watch from long ago is told to list anew; bookmarks carry versions; a list is as of now', async () => {
  const base = '/apis/checkpoint.criu.org/v1alpha1/checkpoints';
  const expired = await cluster.kubectl('get', '--raw', `${base}?watch=1&resourceVersion=1&timeoutSeconds=5`);
  assert.match(expired, /"type":"ERROR".*"reason":"Expired"/);
  const query = 'watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
  const watched = await cluster.kubectl('get', '--raw', `${base}?${query}&timeoutSeconds=2`);
  const events = watched
    .trim()
    .split('\n')
    .map((line): { type: string } => JSON.parse(line));
  const first = events.findIndex(({ type }) => type === 'BOOKMARK');
  assert.ok(first > 0 && events.slice(0, first).every(({ type }) => type === 'ADDED'));
  assert.match(JSON.stringify(events[first]), /"k8s.io\/initial-events-end":"true"/);
  assert.ok(events.slice(first + 1).some(({ type }) => type === 'BOOKMARK'));
  const exact = await cluster.plane.kubectl([
    ...['get', '--raw', `${base}?resourceVersion=5&resourceVersionMatch=Exact&limit=1`],
  ]);
  assert.match(exact.stderr, /not known; list without one|Expired/);
});

suite('rights', () => {
  test("a tenant sees and does what RBAC gives him in his namespace, and nothing of others'", async () => {
    await cluster.plane.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: checkpoints, namespace: shop}
rules: [{apiGroups: [checkpoint.criu.org], resources: [checkpoints], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: checkpoints, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: checkpoints}
subjects: [{kind: User, name: tina, apiGroup: rbac.authorization.k8s.io}]
`);
    const tina = await cluster.plane.asUser('tina');
    const seen = await cluster.as(tina, 'get', 'ckpt', '-n', 'shop');
    assert.equal(seen.status, 0, seen.stderr);
    assert.doesNotMatch(seen.stdout, /cow|tub/);
    for (const args of [
      ['get', 'ckpt', '-A'],
      ['get', 'ckpt', '-n', 'farm'],
      ['get', 'ckpt', '-n', 'farm', await nameOf('cow-node2', 'farm', 'node2')],
      ['delete', 'ckpt', '-n', 'shop', await nameOf('cart')],
      ['label', 'ckpt', '-n', 'shop', await nameOf('cart'), 'checkpoint.criu.org/pinned=true'],
    ]) {
      const { status, stderr } = await cluster.as(tina, ...args);
      assert.deepEqual([status, /Forbidden/.test(stderr)], [1, true], `${args.join(' ')}: ${stderr}`);
    }
    // Another namespace's name is none in his own.
    const name = await nameOf('cow-node2', 'farm', 'node2');
    assert.match((await cluster.as(tina, 'get', 'ckpt', '-n', 'shop', name)).stderr, /not found/);
    const { status, stderr } = await cluster.plane.kubectl(['create', '-f', '-'], {
      ...{ kubeconfig: tina, input: manifest('cart') },
    });
    assert.deepEqual([status, /Forbidden/.test(stderr)], [1, true]);
  });
});

test('a node that does not answer is named, and the others are shown; what it may have is not denied', async () => {
  await cluster.addNode('node3', '127.0.0.9');
  try {
    const { status, stdout, stderr } = await cluster.plane.kubectl(['get', 'ckpt', '-A']);
    assert.equal(status, 0);
    assert.match(stderr, /Warning: node node3 does not answer: its checkpoints are not shown/);
    assert.match(stdout, /node1/);
    assert.match(stdout, /node2/);
    const only = await cluster.plane.kubectl(['get', 'ckpt', '-A', '--field-selector=spec.nodeName=node3']);
    assert.match(only.stderr, /ServiceUnavailable.*no node answers/s);
  } finally {
    await cluster.kubectl('delete', 'node', 'node3');
  }
});
