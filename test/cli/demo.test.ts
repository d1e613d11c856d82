import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { call, scratch, spawnCall } from './call.ts';

const HEADINGS = [
  '1. A node holds checkpoint archives',
  '2. A policy with mistakes is refused',
  '3. A sound one is accepted, completed, and acts',
  '4. A pin holds an archive, while new ones arrive',
  '5. A second policy for the same namespace is refused',
  '6. What is kept',
];

suite('demo', { concurrency: 3 }, () => {
  test('--exit shows the main job within ten seconds, and leaves nothing behind', async (context) => {
    const within = await scratch(context);
    const began = Date.now();
    const { code, out, err } = await spawnCall(['demo', '--exit', '--directory', within]);
    assert.deepEqual([code, err], [0, '']);
    assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`);
    assert.deepEqual(
      out.split('\n').filter((line) => /^\d\. /.test(line)),
      HEADINGS,
    );
    assert.match(out, /denied\s+the request: 3 errors/);
    assert.match(out, /checkpointrestoreoperator\.criu\.org\/limits created/);
    assert.match(out, / 900Mi +size +is 900Mi, 512Mi allowed/);
    assert.match(out, /checkpoint-cart_shop-main-2026-11-21T00:19:10Z\.tar +shop .* pinned +namespace\/shop/);
    assert.deepEqual(await readdir(within), []);
  });

  test('without --exit it goes on until it is stopped, with commands to try', async (context) => {
    const within = await scratch(context);
    const controller = new AbortController();
    const onOut = (text: string) => {
      if (text.includes('/readyz')) controller.abort();
    };
    const { code, out, err } = await call(['demo', '--directory', within], {
      stop: controller.signal,
      onOut,
    });
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /7\. Try it/);
    assert.match(out, new RegExp(`ls --directory ${within}/checkpoint-warden-\\w+/checkpoints\n`));
    assert.deepEqual(await readdir(within), []);
  });

  test('stopped in the middle it cleans up', async (context) => {
    const within = await scratch(context);
    const controller = new AbortController();
    const onOut = (text: string) => {
      if (text.includes('arrives')) controller.abort();
    };
    const { code } = await call(['demo', '--directory', within], { stop: controller.signal, onOut });
    assert.equal(code, 0);
    assert.deepEqual(await readdir(within), []);
  });
});
