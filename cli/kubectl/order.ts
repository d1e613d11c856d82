import { InvalidArgumentError } from 'commander';
import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import { at } from '../../kube/objects.ts';

type Key = (checkpoint: ListedCheckpoint) => string | number;

/** Newest and largest come first, for that is what one looks for; names from a to z. */
const KEYS: Readonly<Record<string, Key>> = {
  name: ({ name }) => name,
  namespace: ({ namespace }) => namespace,
  pod: ({ pod, container }) => `${pod}\0${container}`,
  node: ({ node }) => node,
  policy: ({ policy }) => policy ?? '\uffff',
  verdict: ({ verdict }) => (verdict === null ? '\uffff' : `${verdict.action}\0${verdict.rule}`),
  size: ({ bytes }) => -bytes,
  age: ({ createdAt }) => -(createdAt ?? 0),
};

export const SORT_KEYS = Object.keys(KEYS);

/** The order that `--sort-by` names: a column, or a field as kubectl takes it (`.status.sizeBytes`). */
export type Order = (one: ListedCheckpoint, other: ListedCheckpoint) => number;

const FIELD = /^\{?\.((?:[A-Za-z][A-Za-z0-9]*)(?:\.[A-Za-z][A-Za-z0-9]*)*)\}?$/;

/** @throws InvalidArgumentError */
export function sortKey(text: string): Order {
  const key = Object.hasOwn(KEYS, text) ? KEYS[text] : undefined;
  if (key !== undefined) return by(key);
  const path = FIELD.exec(text)?.[1]?.split('.');
  if (path === undefined) {
    throw new InvalidArgumentError(`Write ${SORT_KEYS.join(', ')}, or a field such as .status.sizeBytes.`);
  }
  return by(({ object }) => {
    const value = at(object, ...path);
    return typeof value === 'number' || typeof value === 'string' ? value : '';
  });
}

/** By namespace, pod and container, the oldest first. */
export const USUAL: Order = by(({ namespace, pod, container, createdAt, name }) =>
  [namespace, pod, container, String(createdAt ?? 0).padStart(16, '0'), name].join('\0'),
);

function by(key: Key): Order {
  return (one, other) => {
    const [a, b] = [key(one), key(other)];
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  };
}
