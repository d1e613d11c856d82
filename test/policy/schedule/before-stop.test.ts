import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isObject, type JsonObject } from '../../../policy/json.ts';
import { beforeStop } from '../../../policy/schedule/before-stop.ts';
import { applyPatch } from '../../webhook/apply-patch.ts';

const ASKS = { 'checkpoint.criu.org/before-stop': 'true' };

function pod(spec: JsonObject, metadata: JsonObject = { labels: ASKS }): JsonObject {
  return { metadata: { name: 'cart-0', ...metadata }, spec };
}

const seconds = (value: string) => ({
  labels: ASKS,
  annotations: { 'checkpoint.criu.org/before-stop-seconds': value },
});
const slept = (count: number) => ({ preStop: { sleep: { seconds: count } } });

describe('a pod that asks for time gets it', () => {
  const rows: readonly (readonly [string, JsonObject, unknown])[] = [
    [
      'one container',
      pod({ containers: [{ name: 'main' }], terminationGracePeriodSeconds: 30 }),
      { containers: [{ name: 'main', lifecycle: slept(10) }], terminationGracePeriodSeconds: 40 },
    ],
    [
      'without a word on grace',
      pod({ containers: [{ name: 'main' }] }),
      { containers: [{ name: 'main', lifecycle: slept(10) }], terminationGracePeriodSeconds: 40 },
    ],
    [
      'no grace at all',
      pod({ containers: [{ name: 'main' }], terminationGracePeriodSeconds: 0 }),
      { containers: [{ name: 'main', lifecycle: slept(10) }], terminationGracePeriodSeconds: 11 },
    ],
    [
      'seconds of its own',
      pod({ containers: [{ name: 'main' }], terminationGracePeriodSeconds: 5 }, seconds('20')),
      { containers: [{ name: 'main', lifecycle: slept(20) }], terminationGracePeriodSeconds: 25 },
    ],
    [
      'beside a postStart hook',
      pod({ containers: [{ name: 'main', lifecycle: { postStart: { exec: { command: ['x'] } } } }] }),
      {
        containers: [{ name: 'main', lifecycle: { postStart: { exec: { command: ['x'] } }, ...slept(10) } }],
        terminationGracePeriodSeconds: 40,
      },
    ],
    [
      'null is absent',
      pod({ containers: [{ name: 'main', lifecycle: null }] }),
      { containers: [{ name: 'main', lifecycle: slept(10) }], terminationGracePeriodSeconds: 40 },
    ],
    [
      'init containers are left',
      pod({ initContainers: [{ name: 'init' }], containers: [{ name: 'main' }] }),
      {
        initContainers: [{ name: 'init' }],
        containers: [{ name: 'main', lifecycle: slept(10) }],
        terminationGracePeriodSeconds: 40,
      },
    ],
  ];
  for (const [name, given, expected] of rows) {
    test(name, () => {
      const { patch, warnings } = beforeStop(given);
      assert.deepEqual(warnings, []);
      const patched = applyPatch(given, Buffer.from(JSON.stringify(patch)).toString('base64'));
      assert(isObject(patched));
      assert.deepEqual(patched.spec, expected);
      assert.deepEqual(beforeStop(patched), { patch: [], warnings: [] }, 'the second time nothing');
    });
  }
});

describe('a pod is left as it is', () => {
  const spec = { containers: [{ name: 'main' }] };
  const rows: readonly (readonly [string, JsonObject])[] = [
    ['without the label', pod(spec, {})],
    ['with another value', pod(spec, { labels: { 'checkpoint.criu.org/before-stop': 'yes' } })],
    [
      "the kubelet's mirror of a static pod",
      pod(spec, { labels: ASKS, annotations: { 'kubernetes.io/config.mirror': 'x' } }),
    ],
    ['with a hook that sleeps', pod({ containers: [{ name: 'main', lifecycle: slept(3) }] })],
    ['without containers', pod({})],
    ['rubbish', { metadata: { labels: ASKS }, spec: { containers: [null, 7, 'x'] } }],
    ['more rubbish', { metadata: { labels: ASKS }, spec: [] }],
  ];
  for (const [name, given] of rows)
    test(name, () => assert.deepEqual(beforeStop(given), { patch: [], warnings: [] }));
});

test('a hook of its own is left and told; the others get theirs', () => {
  const own = { name: 'own', lifecycle: { preStop: { exec: { command: ['/stop'] } } } };
  const { patch, warnings } = beforeStop(
    pod({ containers: [own, { name: 'main' }], terminationGracePeriodSeconds: 30 }),
  );
  assert.deepEqual(
    patch.map(({ path, value }) => [path, value]),
    [
      ['/spec/containers/1/lifecycle', slept(10)],
      ['/spec/terminationGracePeriodSeconds', 40],
    ],
  );
  assert.match(warnings.join(), /^container "own" has a preStop hook of its own, which is left as it is/);
  assert.deepEqual(beforeStop(pod({ containers: [own] })).patch, []);
});

test('seconds that are none are told', () => {
  for (const value of ['0', '-1', '1.5', 'ten', '99999', '']) {
    const { patch, warnings } = beforeStop(pod({ containers: [{ name: 'main' }] }, seconds(value)));
    assert.deepEqual(patch[0]?.value, slept(10));
    assert.match(warnings.join(), /not whole seconds from 1 to 3600; 10 are taken/);
  }
});
