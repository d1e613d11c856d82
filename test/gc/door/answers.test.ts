import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../cluster/eventually.ts';
import type { FakeContainer } from './fake-kubelet.ts';
import { podOf } from './fake-node.ts';
import { type OpenDoor, openDoor } from './open-door.ts';

/** What only the log may hold. */
const SECRET = '/var/lib/containerd/io.containerd.runtime.v2.task/k8s.io/4711 runc checkpoint --file-locks';
const RUNTIME = `rpc error: code = Unknown desc = ${SECRET}`;

let open: OpenDoor;

before(async () => {
  open = await openDoor();
  open.people.tokens.set('ada', { username: 'ada', uid: 'a-1' });
  open.people.rights.add('ada shop');
});
after(() => open.stop());

interface Row {
  readonly name: string;
  /** Under the row's own pod, so that rows do not wait for each other. */
  readonly container: FakeContainer | null;
  /** As the API server sees the pod, where that is something else. */
  readonly node?: string;
  readonly runs?: boolean;
  readonly kubelet?: readonly [status: number, body: string];
  readonly status: number;
  readonly code: string;
  readonly body: RegExp;
  readonly retry?: string;
  readonly verdict: 'failed' | 'refused';
}

const ROWS: readonly Row[] = [
  {
    name: 'the runtime fails: its words go to the log alone',
    container: { running: true, fails: RUNTIME },
    status: 500,
    code: 'failed',
    body: /^the runtime could not checkpoint shop\/pod-\d+\/main; an administrator finds the cause in this node's log\n$/,
    verdict: 'failed',
  },
  {
    name: 'a container that an earlier checkpoint has left frozen',
    container: { running: true, fails: `rpc error: container 4711 is not running ${SECRET}` },
    status: 500,
    code: 'frozen',
    body: /Kubernetes that it does: an earlier checkpoint may have left it frozen; if it stands still, delete its pod/,
    verdict: 'failed',
  },
  {
    name: 'a container that does not run, and Kubernetes says so too',
    container: { running: false },
    status: 409,
    code: 'notRunning',
    body: /container shop\/pod-\d+\/main does not run; wait until it runs/,
    verdict: 'failed',
  },
  {
    name: 'a kubelet that has just started knows no such container running',
    container: { running: false },
    runs: true,
    status: 503,
    code: 'kubeletStarting',
    body: /does not know shop\/pod-\d+\/main yet, as in the minutes after its start; try again/,
    retry: '10',
    verdict: 'failed',
  },
  {
    name: 'a kubelet that has just started knows no pod: its 404 is not passed on',
    container: { running: true },
    kubelet: [404, 'pod does not exist'],
    status: 503,
    code: 'kubeletStarting',
    body: /as in the minutes after its start/,
    retry: '10',
    verdict: 'failed',
  },
  {
    name: 'a kubelet that does not let the door in',
    container: { running: true },
    kubelet: [403, 'Forbidden (user=robot, verb=create, resource=nodes, subresource(s)=[checkpoint])'],
    status: 502,
    code: 'kubeletRefuses',
    body: /^the kubelet of this node takes no checkpoint requests from its door; an administrator/,
    verdict: 'failed',
  },
  {
    name: 'a kubelet whose answer is none',
    container: { running: true },
    kubelet: [200, `{"items": "${SECRET}"}`],
    status: 504,
    code: 'kubeletLost',
    body: /is not known; its archive may still appear and holds its room until then; look before/,
    verdict: 'failed',
  },
  {
    name: 'no such pod',
    container: null,
    status: 404,
    code: 'noPod',
    body: /^there is no pod shop\/pod-\d+; look at kubectl get pods\n$/,
    verdict: 'refused',
  },
  {
    name: 'a pod of another node',
    container: { running: true },
    node: 'node2',
    status: 404,
    code: 'elsewhere',
    body: /runs on node node2, not on node1; ask the door of that node, or the gateway/,
    verdict: 'refused',
  },
  {
    name: 'a pod that is not bound yet',
    container: { running: true },
    node: '',
    status: 404,
    code: 'elsewhere',
    body: /is not bound to a node yet/,
    verdict: 'refused',
  },
];

describe('answers', { concurrency: 1 }, () => {
  for (const [index, row] of ROWS.entries()) {
    it(`${row.name}: ${row.status}`, async () => {
      const pod = `pod-${index}`;
      const { container, node = 'node1', runs = container?.running ?? false, kubelet } = row;
      if (container !== null) {
        open.containers.set(`shop/${pod}/main`, container);
        const containers = [{ name: 'main', running: runs, memoryLimitBytes: null }];
        open.pods.set(`shop/${pod}`, podOf('shop', pod, { node, containers }));
      }
      if (kubelet !== undefined) {
        const [status, body] = kubelet;
        open.kubelet.answer = (_, response) => response.writeHead(status).end(body);
      }
      open.logged.length = 0;
      const answer = await open.ask(`/checkpoint/shop/${pod}/main`, { token: 'ada' });
      assert.equal(answer.status, row.status, answer.body);
      assert.match(answer.body, row.body);
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
      assert.equal(answer.headers['checkpoint-warden-refusal'], row.code);
      assert.equal(answer.headers['retry-after'], row.retry);
      assert.doesNotMatch(JSON.stringify(answer), /4711|containerd|robot/);
      const record = open.audit.at(-1);
      assert.equal(record?.metadata.verdict, row.verdict);
      assert.equal(record?.metadata.status, row.status);
      assert.equal(record?.metadata.reason, row.code);
      assert.doesNotMatch(JSON.stringify(record), /4711|robot/);
      const isTold = open.logged.length > 0;
      assert.equal(isTold, row.verdict === 'failed', open.logged.join());
      if (container?.fails !== undefined) assert.match(open.logged.join(), /4711/);
    });
  }

  it('a checkpoint: 200 as the kubelet says it, whole, counted, and in the audit log', async () => {
    open.containers.set('shop/cart/main', { running: true, bytes: 20_000 });
    const answer = await open.ask('/checkpoint/shop/cart/main?timeout=5', { token: 'ada' });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.match(String(answer.headers['checkpoint-warden-expected']), /^100Mi are expected: the default/);
    const [item = ''] = JSON.parse(answer.body).items;
    assert.equal(answer.body, `{"items":["${item}"]}`, 'as the kubelet writes it');
    const [file = ''] = readdirSync(join(open.scratch, 'checkpoints')).filter((each) =>
      each.includes('cart'),
    );
    assert.equal(item, join(open.scratch, 'checkpoints', file));
    assert.equal(open.kubelet.seen.at(-1)?.url, '/checkpoint/shop/cart/main?timeout=5');
    const record = open.audit.at(-1);
    assert.ok(record);
    const { resource, metadata, operation } = record;
    assert.equal(operation, 'request');
    assert.deepEqual(resource, {
      node: 'node1',
      file,
      namespace: 'shop',
      pod: 'cart',
      container: 'main',
      podUid: 'uid-shop-cart',
    });
    const { seconds, waitedSeconds, ...rest } = metadata;
    assert.ok(Number(seconds) > 0 && Number(waitedSeconds) < 1);
    assert.deepEqual(rest, {
      verdict: 'allowed',
      status: 200,
      reason: null,
      message: null,
      user: 'ada',
      userUid: 'a-1',
      from: '127.0.0.1',
      path: null,
      policy: null,
      resource: null,
      field: null,
      expectedBytes: 100 * 1024 * 1024,
      grounds: '100Mi are expected: the default, as neither an archive nor a memory limit of it is known',
      bytes: statSync(item).size,
      evicted: 0,
      callerLeft: false,
    });
  });

  it('a container that the pod does not have', async () => {
    const { status, body } = await open.ask('/checkpoint/shop/cart/other', { token: 'ada' });
    assert.deepEqual(
      [status, body],
      [404, 'pod shop/cart has no container other; name one of its containers\n'],
    );
  });

  it('a caller who leaves: it is carried out, counted, and told as such', async () => {
    open.containers.set('shop/leaves/main', { running: true, ms: 200 });
    const leaving = new AbortController();
    const asked = open.ask('/checkpoint/shop/leaves/main', { token: 'ada', signal: leaving.signal });
    await eventually(async () => assert.match(open.kubelet.seen.at(-1)?.url ?? '', /leaves/), 2_000);
    leaving.abort();
    await assert.rejects(asked);
    await eventually(async () => {
      const record = open.audit.at(-1);
      assert.deepEqual(
        [record?.resource.pod, record?.metadata.verdict, record?.metadata.callerLeft],
        ['leaves', 'allowed', true],
      );
    }, 2_000);
  });

  it('the API server does not answer: 503, and no word of where it is', async () => {
    open.people.down = true;
    open.logged.length = 0;
    const { status, body, headers } = await open.ask('/checkpoint/shop/cart/main', { token: 'ada' });
    open.people.down = false;
    assert.equal(status, 503);
    assert.equal(headers['retry-after'], '2');
    assert.equal(body, 'the API server does not say whose the token is; try again in a moment\n');
    assert.match(open.logged.join(), /10\.0\.0\.1:6443/);
  });

  it('a kubelet that is away: 503, nothing promised, and its address in the log alone', async () => {
    const away = await openDoor({ kubelet: { checkpoint: async () => AWAY, close() {} } });
    away.containers.set('shop/cart/main', { running: true });
    away.people.tokens.set('ada', { username: 'ada' });
    away.people.rights.add('ada shop');
    const { status, body, headers } = await away.ask('/checkpoint/shop/cart/main', { token: 'ada' });
    assert.deepEqual([status, headers['retry-after']], [503, '5']);
    assert.equal(body, 'the kubelet of this node cannot be reached; try again in a moment\n');
    assert.match(away.logged.join(), /ECONNREFUSED/);
    await away.stop();
  });
});

const AWAY = { kind: 'unsent', text: 'connect ECONNREFUSED 10.0.0.7:10250' } as const;
