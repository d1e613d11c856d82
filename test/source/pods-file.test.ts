import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { stringify } from 'yaml';
import { podsFromFile } from '../../source/pods-file.ts';
import { scratch } from './scratch.ts';

const pod = (name: string, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, ...extra },
  status: { phase: 'Running' },
});
const list = (items: readonly object[], extra: object = {}) => ({
  apiVersion: 'v1',
  items,
  kind: 'List',
  metadata: { resourceVersion: '' },
  ...extra,
});
const json = (value: object) => JSON.stringify(value, null, 4);

suite('is read', () => {
  const static1 = pod('etcd', { annotations: { 'kubernetes.io/config.hash': 'abc' } });
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'shop', uid: 'u' } };
  const bare = { metadata: { name: 'cart', namespace: 'shop', uid: 'uid-cart' } };
  const rows: readonly (readonly [name: string, text: string, count: number])[] = [
    ['the output of kubectl', json(list([pod('cart'), static1])), 2],
    ['with a byte order mark', `\ufeff${json(list([pod('cart')]))}`, 1],
    ['as YAML', stringify(list([pod('cart'), static1])), 2],
    [
      'a PodList of the API server',
      json(list([bare], { kind: 'PodList', metadata: { resourceVersion: '7' } })),
      1,
    ],
    ['a list without metadata, by its brackets', json(list([pod('cart')], { metadata: undefined })), 1],
    ['kubectl get all', json(list([service, pod('cart')])), 1],
    ['a single pod', json(pod('cart')), 1],
    ['kubectl of a cluster without pods', json(list([])), 0],
  ];
  for (const [name, text, count] of rows) {
    test(name, async (t) => {
      const folder = await scratch(t, { pods: text });
      const pods = await podsFromFile(join(folder, 'pods'));
      assert.equal(pods.count, count);
      if (count > 0) assert.deepEqual(await pods.get('shop', 'cart'), { uid: 'uid-cart', configHash: null });
      if (count > 1) assert.deepEqual(await pods.get('shop', 'etcd'), { uid: 'uid-etcd', configHash: 'abc' });
      assert.equal(await pods.get('shop', 'other'), null);
      assert.equal(await pods.get('other', 'cart'), null);
    });
  }
});

suite('is refused', () => {
  const whole = json(list([pod('cart'), pod('till')]));
  const yaml = stringify(list([pod('cart'), pod('till')]));
  const rows: readonly (readonly [name: string, text: string, message: RegExp])[] = [
    ['an empty file', '', /it is no list of pods; take it anew with: kubectl get pods -A -o json$/],
    ['text', 'No resources found\n', /no list of pods/],
    ['JSON cut short', whole.slice(0, -20), /not whole JSON/],
    ['YAML cut short after an item', yaml.slice(0, yaml.indexOf('kind: List')), /kind: List is missing/],
    [
      'YAML cut short before its metadata',
      yaml.slice(0, yaml.indexOf('metadata:\n  resourceV')),
      /may not be whole/,
    ],
    [
      'an empty list of no known origin',
      json(list([], { metadata: {} })),
      /every archive would be an orphan/,
    ],
    ['a page', json(list([pod('cart')], { metadata: { resourceVersion: '1', continue: 'x' } })), /one page/],
    [
      'a list of something else',
      json(list([{ kind: 'Node', metadata: {} }])),
      /lists other things, but no pod/,
    ],
    ['a Table', json({ kind: 'Table', apiVersion: 'meta.k8s.io/v1', rows: [] }), /no list of pods/],
    ['a Status', json({ kind: 'Status', apiVersion: 'v1', code: 403 }), /no whole list/],
    ['a pod without uid', json(list([pod('cart', { uid: '' })])), /without namespace, name or uid/],
    ['items that are no list', json(list([], { items: { a: 1 } })), /has no items/],
    ['a JSON list', '[]', /no list of pods/],
    ['YAML with an error', 'a: [', /pods file/],
  ];
  for (const [name, text, message] of rows) {
    test(name, async (t) => {
      const folder = await scratch(t, { pods: text });
      await assert.rejects(podsFromFile(join(folder, 'pods')), { message });
    });
  }

  test('a missing file, with its name', async () => {
    await assert.rejects(podsFromFile('/nowhere/pods.json'), {
      message: 'pods file /nowhere/pods.json cannot be read: it does not exist',
    });
  });
});
