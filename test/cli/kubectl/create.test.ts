import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { processContext } from '../../../cli/context.ts';
import { onlyContainer, take } from '../../../cli/kubectl/create.ts';
import { checkpointsOf } from '../../../kube/checkpoints.ts';
import { KubeError } from '../../../kube/error.ts';
import { clientOf } from '../../kube/scripted-client.ts';
import { NOW, objectOf } from './archives.ts';

const REQUEST = { namespace: 'shop', pod: 'cart', container: 'main' };
const TIMEOUT_MS = 10_000;

/** What a create comes to that the API server answers with this error, when these are listed before and after it. */
async function taken(error: KubeError, lists: readonly (readonly string[])[], options = { wait: true }) {
  let listed = 0;
  let now = NOW;
  const asked: string[] = [];
  const client = clientOf(async ({ method = 'GET' }) => {
    asked.push(method);
    if (method === 'POST') throw error;
    const names = lists[Math.min(listed++, lists.length - 1)] ?? [];
    return { items: names.map((name) => objectOf({ name })), metadata: {} };
  });
  const output = { write: () => {}, isTerminal: false, hasColour: false, width: null };
  const context = { ...processContext(), out: output, err: output, now: () => now };
  const session = { client, checkpoints: checkpointsOf(client), namespace: 'shop', context, warn: () => {} };
  const sleep = async (ms: number) => {
    now += ms;
  };
  const took = take(session, REQUEST, { dryRun: false, timeoutMs: TIMEOUT_MS, ...options }, sleep);
  return { name: await took.then(({ name }) => name, String), asked: asked.join(' ') };
}

const LATE = new KubeError('POST x was answered 504: Timeout: request did not complete', { status: 504 });
const CUT = new KubeError('POST x had no answer: socket hang up');
const REFUSED = new KubeError('POST x had no answer: refused', {
  cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
});
const FULL = new KubeError('POST x was answered 507: full', { status: 507 });

suite('a checkpoint for which the API server does not wait', () => {
  test('is found when it has come', async () => {
    const lists = [['old'], ['old'], ['old'], ['old', 'new']];
    assert.deepEqual(await taken(LATE, lists), { name: 'new', asked: 'GET POST GET GET GET' });
    assert.equal((await taken(CUT, lists)).name, 'new');
  });
  test('is given up at the deadline, with what the API server said', async () => {
    const { name, asked } = await taken(LATE, [['old']]);
    assert.match(name, /504: Timeout/);
    assert.equal(asked.split(' ').length, 2 + 1 + TIMEOUT_MS / 2_000);
  });
  test('is not looked for when nobody wants that, or it cannot be', async () => {
    assert.equal((await taken(LATE, [['old'], ['new']], { wait: false })).asked, 'POST');
    assert.match((await taken(REFUSED, [['old'], ['new']])).name, /refused/);
    assert.match((await taken(FULL, [['old'], ['new']])).name, /507: full/);
  });
});

const PODS: readonly (readonly [name: string, pod: object, told: string | RegExp])[] = [
  ['one container', { spec: { containers: [{ name: 'main' }] } }, 'main'],
  [
    'several',
    { spec: { containers: [{ name: 'a' }, { name: 'b' }] } },
    /has 2 containers \(a, b\); name one with -c/,
  ],
  [
    'several, one of them the default',
    {
      metadata: { annotations: { 'kubectl.kubernetes.io/default-container': 'b' } },
      spec: { containers: [{ name: 'a' }, { name: 'b' }] },
    },
    'b',
  ],
  [
    'a default that there is not',
    {
      metadata: { annotations: { 'kubectl.kubernetes.io/default-container': 'c' } },
      spec: { containers: [{ name: 'a' }] },
    },
    'a',
  ],
  ['rubbish', { spec: 7 }, /has 0 containers/],
];

suite('the container of a pod with', () => {
  for (const [name, pod, told] of PODS) {
    test(name, async () => {
      const found = await onlyContainer(
        clientOf(async () => pod),
        'shop',
        'cart',
      ).catch(String);
      if (typeof told === 'string') assert.equal(found, told);
      else assert.match(found, told);
    });
  }
});
