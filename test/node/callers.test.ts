import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, it, test } from 'node:test';
import { stringify } from 'yaml';
import { SERVER_BOUNDS } from '../../gc/door/server.ts';
import { type Authority, createAuthority } from '../cluster/authority.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Cluster, startCluster } from '../cluster/nodes/cluster.ts';
import { type RawTarget, sendRaw } from '../gc/door/raw.ts';
import { head, smuggled } from '../gc/door/smuggled.ts';
import { forged, signedAgain } from './callers/tokens.ts';
import { type Witnessed, witness } from './callers/witness.ts';
import { type CallerOptions, DOOR_PORT, type NodeCollector, startCollector } from './door/collector.ts';
import { callerWithRight, install, kubectl, tokenOf } from './door/install.ts';

/** A pod on the first node, and one of the same name in a namespace in which nobody here may do anything. */
const PATH = '/checkpoint/shop/cart/main';
const VERDICT = '/verdict/shop/cart/main';

let cluster: Cluster;
let others: Authority;
let gc: NodeCollector;
let door: RawTarget;
/** Whose right is to create pods/checkpoint, and to get it, in the pod's namespace. */
let good: string;
/** Tokens by name of a service account. */
const tokens = new Map<string, string>();

before(async () => {
  [cluster, others] = await Promise.all([startCluster(), createAuthority('others')]);
  const node = cluster.node('node1');
  const installed = await install(cluster);
  await Promise.all([
    cluster.runPod({ name: 'cart', namespace: 'shop', node: 'node1' }),
    cluster.runPod({ name: 'cart', namespace: 'garden', node: 'node2' }),
  ]);
  good = await callerWithRight(cluster, 'good', 'shop');
  tokens.set('gardener', await callerWithRight(cluster, 'gardener', 'garden'));
  await cluster.apply(ROLES);
  for (const name of ['executor', 'proxy', 'reader', 'taker', 'nobody'])
    tokens.set(name, await account(name));
  tokens.set('gone', await account('gone'));
  await kubectl(cluster, 'delete', 'serviceaccount', 'gone');
  gc = await startCollector(installed, { node });
  door = { host: node.address, port: DOOR_PORT, ca: cluster.ca };
});
after(() => cluster?.stop());

async function account(name: string): Promise<string> {
  await kubectl(cluster, 'create', 'serviceaccount', name);
  const role = roleOf(name);
  if (role !== undefined) {
    const to = [`--clusterrole=${role}`, `--serviceaccount=default:${name}`];
    await kubectl(cluster, 'create', 'clusterrolebinding', name, ...to);
  }
  return tokenOf(cluster, 'default', name);
}

/** Rights that are near to the one that counts. */
const NEAR: Readonly<Record<string, readonly object[]>> = {
  // All that can be done with pods of the cluster, exec too: the group is another.
  executor: [{ apiGroups: [''], resources: ['pods', 'pods/*'], verbs: ['*'] }],
  proxy: [{ apiGroups: [''], resources: ['nodes', 'nodes/*'], verbs: ['get', 'list', 'create'] }],
  reader: [{ apiGroups: ['checkpoint.criu.org'], resources: ['pods/checkpoint'], verbs: ['get', 'list'] }],
  taker: [{ apiGroups: ['checkpoint.criu.org'], resources: ['pods/checkpoint'], verbs: ['create'] }],
};

function roleOf(name: string): string | undefined {
  return name in NEAR ? `near-${name}` : undefined;
}

const ROLES = Object.entries(NEAR)
  .map(([name, rules]) =>
    stringify({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: `near-${name}` },
      rules,
    }),
  )
  .join('---\n');

function look(): Promise<Witnessed> {
  return witness(cluster, cluster.node('node1'));
}

function token(name: string): string {
  const found = tokens.get(name);
  assert.ok(found !== undefined, name);
  return found;
}

interface Row {
  readonly name: string;
  readonly caller: () => CallerOptions | Promise<CallerOptions>;
  readonly status: 401 | 403;
  readonly path?: string;
}

const HOUR_SECONDS = 3_600;

/** What servers behind a proxy take for a caller's name. */
const FORGED = {
  'x-remote-user': 'system:admin',
  'x-remote-group': 'system:masters',
  'x-remote-uid': '1',
  'x-remote-extra-scopes': 'all',
  'impersonate-user': 'system:admin',
  'impersonate-group': 'system:masters',
  'x-forwarded-user': 'system:admin',
  'x-forwarded-client-cert': 'Subject="O=system:masters,CN=system:admin"',
  'ssl-client-verify': 'SUCCESS',
};

const ROWS: readonly Row[] = [
  { name: 'no token', caller: () => ({}), status: 401 },
  { name: 'garbage', caller: () => ({ token: 'garbage' }), status: 401 },
  { name: 'a token with a forged signature', caller: () => ({ token: forged(good) }), status: 401 },
  { name: 'a token without one', caller: () => ({ token: good.replace(/[^.]*$/, '') }), status: 401 },
  {
    name: 'an expired token, which the API server has signed',
    caller: async () => {
      const now = Math.floor(Date.now() / 1_000);
      const times = { iat: now - 2 * HOUR_SECONDS, nbf: now - 2 * HOUR_SECONDS, exp: now - HOUR_SECONDS };
      return { token: await signedAgain(cluster, good, times) };
    },
    status: 401,
  },
  {
    name: 'a token of another audience',
    caller: async () => ({ token: await tokenOf(cluster, 'default', 'good', '--audience=somebody-else') }),
    status: 401,
  },
  { name: 'a token of an account that is gone', caller: () => ({ token: token('gone') }), status: 401 },
  {
    name: 'the good token as a password',
    caller: () => ({ headers: { authorization: `Basic ${Buffer.from(`x:${good}`).toString('base64')}` } }),
    status: 401,
  },
  { name: 'no right at all', caller: () => ({ token: token('nobody') }), status: 403 },
  {
    name: 'the right to exec, and to all of pods',
    caller: () => ({ token: token('executor') }),
    status: 403,
  },
  { name: 'the right to nodes/proxy', caller: () => ({ token: token('proxy') }), status: 403 },
  { name: 'the right in another namespace', caller: () => ({ token: token('gardener') }), status: 403 },
  { name: 'the right to verdicts alone', caller: () => ({ token: token('reader') }), status: 403 },
  {
    name: 'the right to checkpoints alone, for a verdict',
    caller: () => ({ token: token('taker'), method: 'GET' }),
    path: VERDICT,
    status: 403,
  },
  { name: 'no token, for a verdict', caller: () => ({ method: 'GET' }), path: VERDICT, status: 401 },
  { name: 'forged headers and no token', caller: () => ({ headers: FORGED }), status: 401 },
  {
    name: 'forged headers and a token without the right',
    caller: () => ({ headers: FORGED, token: token('nobody') }),
    status: 403,
  },
  {
    name: 'a client certificate of another authority',
    caller: () => ({ credentials: others.issue({ name: 'migrator', groups: ['system:masters'] }) }),
    status: 401,
  },
  {
    name: 'one of an authority of the same name',
    caller: async () => {
      const [, name = ''] = /CN=(.+)/.exec(new X509Certificate(cluster.ca).subject) ?? [];
      const twin = await createAuthority(name);
      return { credentials: twin.issue({ name: 'migrator', groups: ['system:masters'] }) };
    },
    status: 401,
  },
  {
    name: "a client certificate of the cluster's authority without the right",
    caller: () => ({ credentials: cluster.authority.issue({ name: 'somebody' }) }),
    status: 403,
  },
  {
    name: 'the certificate of a kubelet, which may reach much',
    caller: () => ({
      credentials: cluster.authority.issue({ name: 'system:node:node1', groups: ['system:nodes'] }),
    }),
    status: 403,
  },
  {
    name: 'a bad token beside an administrator’s certificate',
    caller: () => ({
      token: forged(good),
      credentials: cluster.authority.issue({ name: 'root', groups: ['system:masters'] }),
    }),
    status: 401,
  },
];

describe('who must not get through', { concurrency: 2 }, () => {
  let earlier: Witnessed;
  before(async () => {
    earlier = await look();
  });

  for (const { name, caller, status, path = PATH } of ROWS) {
    it(`${name}: ${status}`, async () => {
      const answer = await gc.ask(path, await caller());
      assert.equal(answer.status, status, answer.body);
      assert.match(answer.body, /^[^\n]+; [^\n]+\n$/);
      assert.doesNotMatch(answer.body, /eyJ/, 'a token is repeated');
    });
  }

  after(async () => assert.deepEqual(await look(), earlier, 'the kubelet has heard of it'));
});

describe('what is smuggled with a good token', { concurrency: true }, () => {
  let earlier: Witnessed;
  before(async () => {
    earlier = await look();
  });

  // Named before there is a token.
  for (const { name, status } of smuggled({ path: PATH, token: '', headersMs: 0 })) {
    it(`${name}: ${status}`, async () => {
      const { headersMs } = SERVER_BOUNDS;
      const row = smuggled({ path: PATH, token: good, headersMs }).find((each) => each.name === name);
      assert.ok(row);
      const { text, statuses, ended } = await sendRaw(door, row.pieces, row.goesOn ? 1_000 : 4 * headersMs);
      assert.equal(statuses[0], status, text);
      if (row.says) assert.match(text, row.says);
      assert.ok(!statuses.includes(200), text);
      assert.ok(ended || row.goesOn, 'the connection goes on');
    });
  }

  after(async () => assert.deepEqual(await look(), earlier, 'the kubelet has heard of it'));
});

test('pipelined: of three requests the kubelet hears of the first', async () => {
  const earlier = await look();
  const one = head({ token: good }, `POST ${PATH} HTTP/1.1`);
  const { statuses, ended } = await sendRaw(door, [one.repeat(3)], 20_000);
  assert.deepEqual(statuses.slice(0, 2), [200, 400]);
  assert.ok(ended);
  const now = await look();
  assert.deepEqual([now.requests, now.archives.length], [earlier.requests + 1, earlier.archives.length + 1]);
});

/** The same callers, but for what was wrong with them. */
const CONTROLS: readonly (readonly [name: string, caller: () => CallerOptions | Promise<CallerOptions>])[] = [
  ['a good token', () => ({ token: good })],
  [
    'a token signed again, with nothing else in it',
    async () => ({ token: await signedAgain(cluster, good, {}) }),
  ],
  ['the right to create alone', () => ({ token: token('taker') })],
  ['forged headers beside a good token', () => ({ token: good, headers: FORGED })],
  ['a certificate with the right', () => ({ credentials: cluster.authority.issue({ name: 'migrator' }) })],
];

test('the control: with the right each of them passes, and is seen at the kubelet', async () => {
  await kubectl(
    ...[cluster, 'create', 'rolebinding', 'migrator', '-n', 'shop'],
    ...['--clusterrole=may-checkpoint', '--user=migrator'],
  );
  for (const [name, caller] of CONTROLS) {
    const earlier = await look();
    const answer = await gc.ask(PATH, await caller());
    assert.equal(answer.status, 200, `${name}: ${answer.body}`);
    const now = await look();
    assert.equal(now.requests, earlier.requests + 1, name);
    assert.equal(now.archives.length, earlier.archives.length + 1, name);
  }
});

test('a verdict asks the kubelet nothing', async () => {
  const earlier = await look();
  for (const caller of [{ token: good }, { token: token('reader') }]) {
    const { status, body, headers } = await gc.ask(VERDICT, { ...caller, method: 'GET' });
    assert.equal(status, 200, body);
    assert.equal(headers['content-type'], 'application/json');
    const { allowed, grounds } = JSON.parse(body);
    assert.equal(allowed, true);
    assert.match(grounds, /are expected: the largest of its last 3 archives and a tenth more$/);
  }
  const { status, body } = await gc.ask('/verdict/shop/till/main', { token: good, method: 'GET' });
  assert.deepEqual([status, JSON.parse(body).status, JSON.parse(body).code], [200, 404, 'noPod']);
  assert.deepEqual(await look(), earlier);
});

test('each of them is in the audit log, by the name that was proven, and no token is', async () => {
  const requests = (await gc.audit()).filter(({ operation }) => operation === 'request');
  const users = new Set(requests.map(({ metadata }) => metadata.user));
  for (const name of ['nobody', 'executor', 'proxy', 'gardener', 'reader'])
    assert.ok(users.has(`system:serviceaccount:default:${name}`), name);
  assert.ok(!users.has('system:admin') && !users.has('root'));
  const written = JSON.stringify([requests, await gc.log()]);
  assert.doesNotMatch(written, /eyJ|Bearer/);
});

test('a right that was taken away is worth nothing within seconds', async () => {
  await kubectl(cluster, 'delete', 'rolebinding', 'migrator', '-n', 'shop');
  const credentials = cluster.authority.issue({ name: 'migrator' });
  await eventually(async () => {
    const { status } = await gc.ask(VERDICT, { credentials, method: 'GET' });
    assert.equal(status, 403);
  }, 15_000);
});
