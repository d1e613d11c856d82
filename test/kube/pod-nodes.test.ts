import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { KubeRequest } from '../../kube/client.ts';
import { statusError } from '../../kube/error.ts';
import { PodNodeInformers, podNodeLookup } from '../../kube/pod-nodes.ts';
import { notFound } from './fake-api-server.ts';
import { clientOf } from './scripted-client.ts';

const quiet = { info() {}, warn() {}, error() {} };

function pod(namespace: string, name: string, nodeName?: string) {
  return {
    kind: 'Pod',
    metadata: { namespace, name, uid: `u-${name}`, resourceVersion: '5' },
    spec: { ...(nodeName !== undefined && { nodeName }), containers: [{ name: 'main' }] },
  };
}

function node(name: string, ...addresses: readonly (readonly [string, string])[]) {
  const all = addresses.map(([type, address]) => ({ type, address }));
  return { kind: 'Node', metadata: { name, uid: name, resourceVersion: '5' }, status: { addresses: all } };
}

type Store = Record<string, unknown>;

/** An API server of so many objects by path; lists hold what `listed` names. */
function cluster(store: Store, listed: readonly string[] = Object.keys(store)) {
  const requests: string[] = [];
  const state = { failing: false };
  const answer = async ({ path, query }: KubeRequest): Promise<unknown> => {
    requests.push(path);
    if (state.failing) throw new Error('no answer');
    const kind = /^\/api\/v1\/(pods|nodes)$/.exec(path)?.[1];
    if (kind !== undefined) {
      assert.equal(query?.limit, 500);
      const items = listed.filter((each) => each.includes(`/${kind}/`)).map((each) => store[each]);
      return { metadata: { resourceVersion: '7' }, items };
    }
    const found = store[path];
    if (found !== undefined) return found;
    const [, , , ...rest] = path.split('/');
    const [resource = '', name = ''] = rest.slice(-2);
    throw statusError(`GET ${path}`, notFound(resource, name)) ?? new Error('no status');
  };
  const stream = async ({ signal }: { readonly signal?: AbortSignal }) => silence(signal);
  return { client: clientOf(answer, stream), requests, state };
}

/** A watch that brings nothing until it is ended. */
async function* silence(signal?: AbortSignal): AsyncGenerator<unknown> {
  await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
  yield* [];
}

const STORE: Store = {
  '/api/v1/namespaces/shop/pods/cart': pod('shop', 'cart', 'node1'),
  '/api/v1/namespaces/shop/pods/waits': pod('shop', 'waits'),
  '/api/v1/namespaces/shop/pods/lost': pod('shop', 'lost', 'gone'),
  '/api/v1/namespaces/shop/pods/bare': pod('shop', 'bare', 'bare'),
  '/api/v1/namespaces/shop/pods/six': pod('shop', 'six', 'six'),
  '/api/v1/nodes/node1': node(
    'node1',
    ['Hostname', 'node1'],
    ['ExternalIP', '1.2.3.4'],
    ['InternalIP', '10.0.0.1'],
  ),
  '/api/v1/nodes/bare': node('bare', ['InternalIP', 'evil.example'], ['Hostname', 'bare']),
  '/api/v1/nodes/six': node('six', ['InternalIP', 'fd00::6'], ['InternalIP', '10.0.0.6']),
};

const EXPECTED = [
  ['cart', { kind: 'there', node: 'node1', address: '10.0.0.1' }],
  ['waits', { kind: 'unbound' }],
  ['lost', { kind: 'noNode', node: 'gone' }],
  ['bare', { kind: 'noAddress', node: 'bare' }],
  ['six', { kind: 'there', node: 'six', address: 'fd00::6' }],
  ['nobody', { kind: 'noPod' }],
] as const;

suite('by GETs', () => {
  for (const [name, place] of EXPECTED) {
    test(`${name}: ${place.kind}`, async () => {
      assert.deepEqual(await podNodeLookup(cluster(STORE).client).find('shop', name), place);
    });
  }

  test('no answer is not a no', async () => {
    const { client, state } = cluster(STORE);
    state.failing = true;
    await assert.rejects(podNodeLookup(client).find('shop', 'cart'), /no answer/);
  });
});

async function informed(store: Store, listed?: readonly string[]) {
  const parts = cluster(store, listed);
  const pauses: (() => void)[] = [];
  const places = new PodNodeInformers({
    client: parts.client,
    log: quiet,
    pause: (_, signal) =>
      new Promise((resolve) => {
        pauses.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  });
  const settle = async () => {
    for (let turn = 0; turn < 20 && !places.synced; turn += 1) await new Promise(setImmediate);
  };
  await settle();
  parts.requests.length = 0;
  return { ...parts, places, pauses, settle };
}

suite('by informers', () => {
  for (const [name, place] of EXPECTED) {
    test(`${name}: ${place.kind}`, async () => {
      const { places, requests } = await informed(STORE);
      assert.ok(places.synced);
      assert.deepEqual(await places.find('shop', name), place);
      if (place.kind === 'there') assert.deepEqual(requests, []);
      await places.stop();
    });
  }

  test('what they do not show yet is looked up', async () => {
    const { places, requests } = await informed(STORE, []);
    assert.deepEqual(await places.find('shop', 'cart'), EXPECTED[0][1]);
    assert.deepEqual(requests, ['/api/v1/namespaces/shop/pods/cart', '/api/v1/nodes/node1']);
    await places.stop();
  });

  test('afresh: past what is remembered of the pod', async () => {
    const store = { ...STORE };
    const { places } = await informed(store);
    store['/api/v1/namespaces/shop/pods/cart'] = pod('shop', 'cart', 'six');
    assert.deepEqual(await places.find('shop', 'cart'), EXPECTED[0][1]);
    assert.deepEqual(await places.find('shop', 'cart', true), EXPECTED[4][1]);
    assert.deepEqual(places.sizes, { pods: 5, nodes: 3 });
    await places.stop();
  });

  test('a name that none can have is not put into a path', async () => {
    const { places, requests } = await informed(STORE);
    await assert.rejects(places.find('shop', '../nodes'), /no pod can be called/);
    assert.deepEqual(requests, []);
    await places.stop();
  });
});
