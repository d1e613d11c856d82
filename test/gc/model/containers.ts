import type { Container } from '../../../gc/door/container.ts';

/** Names that collide as strings, and two containers that have one file name. */
export const CONTAINERS: readonly [Container, ...Container[]] = [
  { namespace: 'shop', pod: 'cart', container: 'main' },
  { namespace: 'shop', pod: 'cart', container: 'side' },
  { namespace: 'shop', pod: 'till', container: 'main' },
  { namespace: 'shop-prod', pod: 'cart', container: 'main' },
  { namespace: 'a', pod: 'twin', container: 'b-c' },
  { namespace: 'a-b', pod: 'twin', container: 'c' },
];
