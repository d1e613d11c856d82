import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { archivePath, positionText } from '../../../../policy/archive-routes.ts';
import { archiveChangesIn, archivePageIn, listedArchiveIn } from '../../../../policy/listed-archive.ts';
import { createAuthority } from '../../../cluster/authority.ts';
import { archiveOf, fileOf, startTestNode, type TestNode } from './node.ts';

const LIMIT = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 50, timeThreshold: '10d' }] };
let node: TestNode;

before(async () => {
  node = await startTestNode({
    authority: await createAuthority('cluster'),
    spec: LIMIT,
    files: {
      [fileOf('shop', 'cart', 1)]: archiveOf('shop', 'cart'),
      [fileOf('shop', 'cart', 2)]: archiveOf('shop', 'cart'),
      [fileOf('shop', 'till', 1)]: archiveOf('shop', 'till'),
      [fileOf('farm', 'cow.milk', 1)]: archiveOf('farm', 'cow.milk'),
      'checkpoint-nobody_knows-main-2026-11-21T00:00:00Z.tar': Buffer.alloc(4_096, 1),
    },
  });
});
after(() => node.stop());

function json(body: string): unknown {
  return JSON.parse(body);
}

describe('the archives of a node', () => {
  it('are listed by namespace, pod and file, with what the plan says; the unidentified are not', async () => {
    const items = await node.archives();
    assert.deepEqual(
      items.map(({ namespace, pod, file }) => `${namespace} ${pod} ${file}`),
      [
        `farm cow.milk ${fileOf('farm', 'cow.milk', 1)}`,
        `shop cart ${fileOf('shop', 'cart', 1)}`,
        `shop cart ${fileOf('shop', 'cart', 2)}`,
        `shop till ${fileOf('shop', 'till', 1)}`,
      ],
    );
    const [cow, cart] = items;
    assert.deepEqual([cow?.policy, cow?.verdict?.action], [null, 'keep']);
    assert.deepEqual([cart?.policy, cart?.verdict?.action], ['namespace/shop', 'keep']);
    assert.equal(cart?.runtime, 'containerd');
    for (const { name, uid } of items) {
      assert.match(name, /^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$/);
      assert.match(uid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    }
    assert.equal(new Set(items.map(({ name }) => name)).size, items.length);
  });

  it('come in pages that go on behind what was listed, whatever comes and goes', async () => {
    const seen: string[] = [];
    let after = null;
    for (let pages = 0; pages < 10; pages += 1) {
      const route = { kind: 'list', limit: 1, after } as const;
      const { method, path } = archivePath(route);
      const page = archivePageIn(json((await node.ask(method, path)).body));
      assert.ok(page);
      seen.push(...page.items.map(({ file }) => file));
      const last = page.items.at(-1);
      if (!page.more || !last) break;
      after = { namespace: last.namespace, pod: last.pod, file: last.file };
    }
    assert.deepEqual(
      seen,
      (await node.archives()).map(({ file }) => file),
    );
    // Behind a position whose archive is gone.
    const gone = encodeURIComponent(positionText({ namespace: 'shop', pod: 'cart', file: 'checkpoint-a' }));
    assert.equal((await node.archives(`limit=9&after=${gone}`)).length, 3);
    assert.equal((await node.archives('limit=9&namespace=shop&pod=till')).length, 1);
    assert.equal((await node.archives('limit=9&namespace=nowhere')).length, 0);
  });

  it('are told to nobody but who has the right, and to him for each verb', async () => {
    const [cart] = await node.archives('limit=1&namespace=shop');
    const one = `/archives/shop/${cart?.name}`;
    for (const [method, path, verb] of [
      ['GET', '/archives?limit=1', 'list'],
      ['GET', one, 'get'],
      ['GET', '/archives/changes?since=0', 'watch'],
      ['DELETE', one, 'delete'],
      ['PUT', `${one}/pin`, 'patch'],
      ['POST', '/archives/shop/cart/main/checkpoint', 'create'],
      ['GET', '/archives/shop/cart/main/verdict', 'create'],
    ] as const) {
      const { status, body } = await node.ask(method, path, { as: 'mallory' });
      assert.equal(status, 403, `${method} ${path}`);
      assert.match(body, new RegExp(`the right to ${verb} archives in the group checkpoint.criu.org`));
    }
    assert.ok(cart && existsSync(join(node.directory, cart.file)));
  });

  it('are not found by paths that are none', async () => {
    for (const path of [
      '/archives',
      '/archives/',
      '/archives?limit=0',
      '/archives?limit=501',
      '/archives?after=x',
      '/archives/changes?since=-1',
      '/archives/changes?since=1&wait=30001',
      '/archives/shop/../farm',
      '/archives/shop/%63art',
      '/archives/shop/cart/main/checkpoint?timeout=x',
    ]) {
      assert.equal((await node.ask('GET', path)).status, 400, path);
    }
    const { status, body } = await node.ask('GET', '/archives/shop/cart-main-0000000000000000');
    assert.deepEqual([status, /has no archive/.test(body)], [404, true]);
  });

  it('are pinned and let go through the API, and a pin of somebody on the node is not his to take', async () => {
    const [cart, other] = await node.archives('limit=2&namespace=shop');
    assert.ok(cart && other);
    const path = `/archives/shop/${cart.name}`;
    const pinned = listedArchiveIn(json((await node.ask('PUT', `${path}/pin`)).body));
    assert.deepEqual([pinned?.name, pinned?.pinned], [cart.name, true]);
    assert.ok((pinned?.version ?? 0) > cart.version);
    const pin = json(readFileSync(join(node.directory, `${cart.file}.keep`), 'utf8'));
    assert.ok(typeof pin === 'object' && pin !== null && 'user' in pin && pin.user === 'ada');
    const refused = await node.ask('DELETE', path);
    assert.deepEqual([refused.status, /is pinned; take the label/.test(refused.body)], [409, true]);
    const free = listedArchiveIn(json((await node.ask('DELETE', `${path}/pin`)).body));
    assert.equal(free?.pinned, false);
    writeFileSync(join(node.directory, `${other.file}.keep`), 'evidence');
    const told = await t(async () =>
      (await node.archives('limit=9')).find(({ name }) => name === other.name),
    );
    assert.equal(told?.pinned, true);
    const kept = await node.ask('DELETE', `/archives/shop/${other.name}/pin`);
    assert.deepEqual([kept.status, /pinned by hand, not through the API/.test(kept.body)], [409, true]);
    const acts = node.audit.filter(({ metadata }) => metadata.act !== undefined);
    assert.deepEqual(
      acts.map(({ metadata }) => [metadata.act, metadata.user]),
      [
        ['pin', 'ada'],
        ['unpin', 'ada'],
      ],
    );
  });

  it('are taken through the door, deleted by the collector, and both are told to who waits', async () => {
    const start = archivePageIn(json((await node.ask('GET', '/archives?limit=1')).body));
    const waiting = node.ask('GET', `/archives/changes?since=${start?.version}&wait=9000&namespace=farm`);
    const taken = await node.ask('POST', '/archives/farm/pig/main/checkpoint');
    const archive = listedArchiveIn(json(taken.body));
    assert.equal(taken.status, 200, taken.body);
    assert.equal(archive?.pod, 'pig');
    const told = archiveChangesIn(json((await waiting).body));
    assert.deepEqual(
      told?.changes.map(({ type, archive: { name } }) => [type, name]),
      [['ADDED', archive?.name]],
    );
    const request = node.audit.find(({ operation }) => operation === 'request');
    assert.equal(request?.metadata.user, 'ada');
    const deleted = await node.ask('DELETE', `/archives/farm/${archive?.name}`);
    assert.equal(deleted.status, 200, deleted.body);
    const after = archiveChangesIn(
      json((await node.ask('GET', `/archives/changes?since=${told?.version}&wait=0`)).body),
    );
    assert.deepEqual(
      after?.changes.map(({ type, archive: { name } }) => [type, name]),
      [['DELETED', archive?.name]],
    );
    const record = node.audit.findLast(({ operation }) => operation === 'delete');
    assert.equal(record?.metadata.rule, 'request');
    assert.match(String(record?.metadata.reason), /^ada has asked for its deletion/);
  });

  it('say what a checkpoint would be told, and take none', async () => {
    const before = (await node.archives()).length;
    const { status, body } = await node.ask('GET', '/archives/shop/cart/main/verdict');
    assert.equal(status, 200);
    assert.match(body, /"allowed":true/);
    assert.match((await node.ask('GET', '/archives/shop/gone/main/verdict')).body, /"code":"noPod"/);
    assert.equal((await node.archives()).length, before);
  });

  it('tell whoever was away for too long to list anew', async () => {
    assert.equal((await node.ask('GET', '/archives/changes?since=1&wait=0')).status, 410);
  });
});

/** What the watch of the directory has seen a moment later. */
async function t<T extends { pinned: boolean } | undefined>(read: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const value = await read();
    if (value?.pinned || tries > 200) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
