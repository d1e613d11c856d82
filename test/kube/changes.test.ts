import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { watchChanges } from '../../kube/changes.ts';
import type { WatchRequest } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { clientOf } from './scripted-client.ts';

const event = (type: string, resourceVersion: string) => ({
  type,
  object: { metadata: { resourceVersion } },
});

test('a watch of one object tells of its versions, and is made again ever more slowly when it breaks', async (t) => {
  const asked: WatchRequest[] = [];
  const script: (readonly object[] | Error)[] = [
    [event('ADDED', '5'), event('BOOKMARK', '6'), event('MODIFIED', '7'), event('DELETED', '8')],
    new KubeError('away'),
    new KubeError('still away'),
    [event('ERROR', '')],
    [event('ADDED', '9')],
  ];
  const client = clientOf(
    () => Promise.reject(new Error('nothing is listed')),
    async (request) => {
      asked.push(request);
      const next = script.shift();
      if (next instanceof Error) throw next;
      return (async function* () {
        yield* next ?? [];
        if (script.length === 0)
          await new Promise((resolve) => request.signal?.addEventListener('abort', resolve));
      })();
    },
  );
  const versions: string[] = [];
  const failures: unknown[] = [];
  const waits: number[] = [];
  const end = watchChanges({
    ...{ client, path: '/api/v1/namespaces/a/secrets', name: 'b', random: () => 1 },
    onChange: (version) => versions.push(version),
    onFailure: (error) => failures.push(error),
    sleep: async (ms) => void waits.push(ms),
  });
  t.after(end);
  for (let turns = 0; versions.length < 4 && turns < 1_000; turns += 1) await turn();
  assert.deepEqual(versions, ['5', '7', '8', '9']);
  assert.deepEqual(waits, [1_000, 1_000, 2_000, 4_000]);
  assert.equal(failures.length, 1, 'the first of several is told');
  const { path, query } = asked[0] ?? {};
  assert.equal(path, '/api/v1/namespaces/a/secrets');
  assert.equal(query?.fieldSelector, 'metadata.name=b');
  await end();
});
