import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointOf, nodeOf } from '../../policy/proxy-path.ts';

const cart = { kind: 'container', namespace: 'shop', pod: 'cart', container: 'main' } as const;

const PATHS: readonly (readonly [path: string, expected: ReturnType<typeof checkpointOf>])[] = [
  ['/checkpoint/shop/cart/main', cart],
  ['checkpoint/shop/cart/main', cart],
  ['//checkpoint//shop/./cart/main/', cart],
  ['/x/../checkpoint/shop/cart/main', cart],
  ['/../../checkpoint/shop/cart/main', cart],
  ['/checkpoint/a/b/c/../../../../checkpoint/shop/cart/main', cart],
  ['/checkpoint/shop/cart/main/x/..', cart],
  // The handler and the kubelet take the slash of `%2f` for one; here it has been decoded already.
  ['/checkpoint/shop/x/../cart/main', cart],
  ['/checkpoint/shop/cart/main ', { ...cart, container: 'main ' }],
  ['/checkpoint/shop/cart/main?x', { ...cart, container: 'main?x' }],
  ['/checkpoint/.../cart/..;', { ...cart, namespace: '...', container: '..;' }],
  ['/checkpoint/shop/cart/%2e%2e', { ...cart, container: '%2e%2e' }],
  ['/checkpoint', { kind: 'unclear' }],
  ['/checkpoint/shop/cart', { kind: 'unclear' }],
  ['/checkpoint/shop/cart/main/more', { kind: 'unclear' }],
  ['/checkpoint/shop/cart/main/..', { kind: 'unclear' }],
  ['', { kind: 'elsewhere' }],
  ['/', { kind: 'elsewhere' }],
  ['/..', { kind: 'elsewhere' }],
  ['/metrics', { kind: 'elsewhere' }],
  ['/Checkpoint/shop/cart/main', { kind: 'elsewhere' }],
  ['/checkpoints/shop/cart/main', { kind: 'elsewhere' }],
  ['/%63heckpoint/shop/cart/main', { kind: 'elsewhere' }],
  ['/checkpoint%2fshop%2fcart%2fmain', { kind: 'elsewhere' }],
  ['\\checkpoint/shop/cart/main', { kind: 'elsewhere' }],
  ['/checkpoint/../metrics', { kind: 'elsewhere' }],
  ['/x/checkpoint/shop/cart/main', { kind: 'elsewhere' }],
  ['/containerLogs/shop/checkpoint-x/main', { kind: 'elsewhere' }],
  ['/containerLogs/shop/checkpoint/main', { kind: 'elsewhere' }],
  ['/exec/shop/checkpoint/main', { kind: 'elsewhere' }],
  ['/logs/checkpoint/', { kind: 'elsewhere' }],
];

for (const [path, expected] of PATHS) {
  test(`${JSON.stringify(path)} is ${expected.kind}`, () => assert.deepEqual(checkpointOf(path), expected));
}

const IDS: readonly (readonly [id: string, name: string | null])[] = [
  ['node1', 'node1'],
  ['node1:10250', 'node1'],
  ['node1:', 'node1'],
  ['https:node1:10250', 'node1'],
  ['http:node1:', 'node1'],
  [':node1:', 'node1'],
  ['ftp:node1:10250', null],
  ['https:node1:10250:1', null],
  ['https::10250', null],
  [':10250', null],
  ['', null],
];

for (const [id, name] of IDS) {
  test(`the node of ${JSON.stringify(id)} is ${name}`, () => assert.equal(nodeOf(id), name));
}
