import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { processContext } from '../../../cli/context.ts';
import { follow } from '../../../cli/kubectl/following.ts';
import type { Session } from '../../../cli/kubectl/session.ts';
import { checkpointsOf } from '../../../kube/checkpoints.ts';
import type { KubeRequest, WatchRequest } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import { clientOf } from '../../kube/scripted-client.ts';
import { objectOf } from './archives.ts';

/** A session whose lists and watches are these, in turn; the last list answers again and again. */
function scripted(lists: readonly (readonly object[])[], watches: readonly (() => AsyncIterable<unknown>)[]) {
  const requests: KubeRequest[] = [];
  const streams: WatchRequest[] = [];
  const client = clientOf(
    async (request) => {
      const items = lists[Math.min(requests.push(request), lists.length) - 1];
      return { items, metadata: { resourceVersion: String(requests.length * 10) } };
    },
    async (request) => {
      const watch = watches[streams.push(request) - 1];
      if (watch === undefined) throw new KubeError('no more', { status: 400 });
      return watch();
    },
  );
  const session: Session = {
    ...{ client, checkpoints: checkpointsOf(client), namespace: 'shop', context: processContext() },
    warn: () => {},
  };
  return { session, requests, streams };
}

const event = (type: string, object: object) => ({ type, object });

async function* of(...events: object[]): AsyncGenerator<unknown> {
  yield* events;
}

/** Takes changes until the script ends in an error. */
async function taken(session: Session): Promise<string[]> {
  const told: string[] = [];
  const started = (items: readonly { readonly name: string }[]) =>
    told.push(items.map(({ name }) => name).join(','));
  const run = async () => {
    for await (const { type, checkpoint } of follow(
      session,
      { namespace: 'shop' },
      AbortSignal.timeout(20_000),
      started,
      async () => {},
    )) {
      told.push(`${type} ${checkpoint.name}`);
    }
  };
  await assert.rejects(run, /no more/);
  return told;
}

suite('following archives', () => {
  test('what there is, then what comes, changes and goes', async () => {
    const [a, b] = [objectOf({ name: 'a' }), objectOf({ name: 'b' })];
    const { session, streams } = scripted(
      [[a], [a]],
      [
        () =>
          of(
            event('ADDED', b),
            event('BOOKMARK', { kind: 'Checkpoint', metadata: { resourceVersion: '15' } }),
            event('MODIFIED', objectOf({ name: 'a', pinned: true, version: 16 })),
            event('DELETED', b),
          ),
      ],
    );
    assert.deepEqual(await taken(session), ['a', 'ADDED b', 'MODIFIED a', 'DELETED b', 'MODIFIED a']);
    assert.equal(streams[0]?.query?.resourceVersion, '10');
  });

  test('an expired version is made good by a list', async () => {
    const [a, b] = [objectOf({ name: 'a' }), objectOf({ name: 'b' })];
    const expired = { kind: 'Status', apiVersion: 'v1', code: 410, message: 'too old' };
    const { session, streams } = scripted([[a], [b]], [() => of(event('ERROR', expired)), () => of()]);
    assert.deepEqual(await taken(session), ['a', 'DELETED a', 'ADDED b']);
    assert.deepEqual(
      streams.map(({ query }) => query?.resourceVersion),
      ['10', '20', '30'],
    );
  });

  test('what is told again is no change', async () => {
    const a = objectOf({ name: 'a' });
    const { session } = scripted([[a]], [() => of(event('ADDED', a)), () => of(event('MODIFIED', a))]);
    assert.deepEqual(await taken(session), ['a']);
  });
});

suite('the API of archives', () => {
  test('lists in pages, and asks with selectors', async () => {
    const asked: KubeRequest[] = [];
    const client = clientOf(async (request) => {
      asked.push(request);
      const isFirst = asked.length === 1;
      request.onWarning?.('node3 does not answer');
      return {
        items: [objectOf({ name: isFirst ? 'a' : 'b' })],
        metadata: isFirst ? { continue: 'next' } : { resourceVersion: '7' },
      };
    });
    const warnings: string[] = [];
    const query = { namespace: null, fieldSelector: 'spec.podName=cart' };
    const list = await checkpointsOf(client).list(query, (text) => warnings.push(text));
    assert.deepEqual(
      list.items.map(({ name }) => name),
      ['a', 'b'],
    );
    assert.equal(list.resourceVersion, '7');
    assert.deepEqual(
      asked.map(({ path, query: each }) => [path, each?.continue, each?.fieldSelector]),
      [
        ['/apis/checkpoint.criu.org/v1alpha1/checkpoints', undefined, 'spec.podName=cart'],
        ['/apis/checkpoint.criu.org/v1alpha1/checkpoints', 'next', 'spec.podName=cart'],
      ],
    );
    assert.equal(warnings.length, 2);
  });

  test('pins by a label alone', async () => {
    const asked: KubeRequest[] = [];
    const client = clientOf(async (request) => {
      asked.push(request);
      return objectOf();
    });
    await checkpointsOf(client).pin('shop', 'cart-1', false);
    assert.deepEqual(asked[0]?.body, { metadata: { labels: { 'checkpoint.criu.org/pinned': null } } });
    assert.equal(asked[0]?.contentType, 'application/merge-patch+json');
    assert.equal(asked[0]?.path, '/apis/checkpoint.criu.org/v1alpha1/namespaces/shop/checkpoints/cart-1');
  });

  test('takes nothing else for a checkpoint', async () => {
    const client = clientOf(async () => ({ kind: 'Status', apiVersion: 'v1' }));
    await assert.rejects(checkpointsOf(client).get('shop', 'a'), /Status was answered for a Checkpoint/);
    await assert.rejects(checkpointsOf(client).list({ namespace: null }), /without items/);
  });
});
