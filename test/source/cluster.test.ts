import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { clusterPolicySource } from '../../source/cluster.ts';
import { seenDigest } from '../../source/seen.ts';
import { clientOf } from '../kube/scripted-client.ts';

interface Version {
  readonly resourceVersion: number;
  readonly generation?: number;
  readonly max?: number | string;
  readonly confirm?: string;
  readonly status?: object;
}

function object({ resourceVersion, generation = 1, max = 5, confirm, status }: Version) {
  const annotations = confirm && { 'checkpoint.criu.org/confirm': confirm };
  const named = { namespace: 'shop', name: 'quotas', uid: 'u', generation };
  return {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { ...named, resourceVersion: String(resourceVersion), annotations },
    spec: { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: max }] },
    status,
  };
}

/** A source whose one object comes in versions. */
async function follow(t: TestContext, keepsStatus: boolean) {
  const events: unknown[] = [];
  let more = Promise.withResolvers<void>();
  const first = object({ resourceVersion: 1 });
  const client = clientOf(
    async () => ({ metadata: { resourceVersion: '1' }, items: [first] }),
    async ({ signal }) =>
      (async function* () {
        const ended = new Promise<void>((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason)),
        );
        for (;;) {
          yield* events.splice(0);
          await Promise.race([more.promise, ended]);
          more = Promise.withResolvers();
        }
      })(),
  );
  const source = clusterPolicySource({ client, keepsStatus });
  t.after(() => source.stop());
  await source.start();
  const told = { changes: 0, stored: 0 };
  source.onChange(() => {
    told.changes += 1;
  });
  source.onStored(() => {
    told.stored += 1;
  });
  const put = async (version: Version) => {
    await new Promise(setImmediate);
    [told.changes, told.stored] = [0, 0];
    const before = source.resources();
    events.push({ type: 'MODIFIED', object: object(version) });
    more.resolve();
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    return { ...told, isSame: source.resources() === before };
  };
  return { source, put };
}

test('a status that was written changes no policy, so nobody plans anew', async (t) => {
  const { source, put } = await follow(t, false);
  const [before] = source.resources();
  const written = await put({ resourceVersion: 2, status: { archives: 7 } });
  assert.deepEqual(written, { changes: 0, stored: 0, isSame: true });
  assert.equal(source.resources()[0], before);
  assert.deepEqual([...source.stored()][0]?.status, {});
});

test('who writes it is told, and it alone', async (t) => {
  const { source, put } = await follow(t, true);
  const written = await put({ resourceVersion: 2, status: { archives: 7 } });
  assert.deepEqual(written, { changes: 0, stored: 1, isSame: true });
  const [stored] = source.stored();
  assert.deepEqual([stored?.resourceVersion, stored?.status], ['2', { archives: 7 }]);
});

for (const keepsStatus of [false, true]) {
  test(`what says something is told, ${keepsStatus ? 'with' : 'without'} its status`, async (t) => {
    const { source, put } = await follow(t, keepsStatus);
    assert.equal((await put({ resourceVersion: 2, generation: 2, max: 6 })).changes, 1);
    assert.equal(source.resources()[0]?.reference.generation, 2);
    assert.equal((await put({ resourceVersion: 3, generation: 2, max: 6, confirm: 'aa' })).changes, 1);
    assert.deepEqual(source.resources()[0]?.confirmed, ['aa']);
    // Unsound: the last good one stays, but that there is an error is news.
    const unsound = await put({ resourceVersion: 4, generation: 3, max: -1, confirm: 'aa' });
    assert.equal(unsound.changes, 1);
    assert.equal(source.resources()[0]?.reference.generation, 2);
    const [stored] = source.stored();
    assert.equal(stored?.generation, 3);
    assert.ok(stored.findings.length > 0);
  });
}

test('who has seen the same versions has the same digest, in whatever order', () => {
  const [one, other] = [
    { uid: 'a', generation: 1 },
    { uid: 'b', generation: 12 },
  ];
  assert.equal(seenDigest([one, other]), seenDigest([other, one]));
  assert.notEqual(seenDigest([one, other]), seenDigest([one, { uid: 'b', generation: 13 }]));
  assert.notEqual(seenDigest([one]), seenDigest([]));
  assert.match(seenDigest([]), /^[0-9a-f]{16}$/);
});
