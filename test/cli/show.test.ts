import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { call, scratchArchives } from './call.ts';

const CART = 'checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar';
const PAIR = 'checkpoint-pair_a-b-c-2026-11-21T00:30:54Z.tar';
const HALF = 'checkpoint-notes3_shop-main-2026-11-21T06:01:19+05:30.tar';
const POLICY = `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: p}
spec:
  namespacePolicies:
    - {namespace: shop, maxCheckpoints: 5}
`;

suite('show', () => {
  test('tells whose it is and who holds it', async (context) => {
    const directory = await scratchArchives(context);
    const policy = join(directory, 'policy.yaml');
    await writeFile(policy, POLICY);
    await writeFile(join(directory, `${CART}.keep`), 'wanted by\nthe auditors');
    const { code, out, err } = await call(['show', join(directory, CART), '--policies', policy]);
    assert.deepEqual([code, err], [0, '']);
    const told = new Map(out.split('\n').map((line) => [line.split(/ {2,}/)[0], line.split(/ {2,}/)[1]]));
    assert.deepEqual(
      ['Archive', 'Namespace', 'Pod', 'Container', 'Runtime', 'State', 'Pin', 'Policy'].map((key) =>
        told.get(key),
      ),
      [
        CART,
        'shop',
        'cart',
        'main',
        'cri-o',
        'pinned',
        'made by hand, «wanted by\\nthe auditors»',
        'namespace/shop',
      ],
    );
    assert.equal(told.get('Size'), '283Ki (289280 bytes)');
  });

  test('warns of a stale tail', async (context) => {
    const directory = await scratchArchives(context);
    assert.match(
      (await call(['show', join(directory, PAIR)])).out,
      /Stale tail +242Ki behind the end marker/,
    );
  });

  test('-o json', async (context) => {
    const directory = await scratchArchives(context);
    const { out } = await call(['show', join(directory, HALF), '-o', 'json']);
    const { modified: _, allocatedBytes: __, ...told } = JSON.parse(out);
    assert.deepEqual(told, {
      apiVersion: 'checkpoint-warden/v1',
      directory,
      archive: HALF,
      namespace: null,
      pod: null,
      container: null,
      podUid: null,
      runtime: null,
      bytes: 131072,
      state: 'complete',
      pinned: false,
      tainted: false,
      staleTailBytes: 0,
      unidentifiedBecause: 'truncated: it ends at byte 131072, inside an entry that reaches to 165376',
      pin: null,
    });
  });

  test('nothing of its memory', async (context) => {
    const directory = await scratchArchives(context);
    const { out } = await call(['show', join(directory, CART)]);
    assert.doesNotMatch(out, /API_KEY|PATH=/);
  });

  for (const [name, code, why] of [
    ['checkpoint-absent.tar', 2, 'does not exist'],
    ['counter.tar', 1, 'is no archive: its name is not that of an archive'],
  ] as const) {
    test(name, async (context) => {
      const path = join(await scratchArchives(context), name);
      assert.deepEqual(await call(['show', path]), {
        code,
        out: '',
        err: `checkpoint-warden: ${path} ${why}\n`,
      });
    });
  }
});
