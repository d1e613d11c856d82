import type { Instant } from '../../policy/types.ts';

/** One container of a pod. */
export interface Container {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** `shop/cart/main` */
export function containerName({ namespace, pod, container }: Container): string {
  return `${namespace}/${pod}/${container}`;
}

export function isSame(one: Container, other: Container): boolean {
  return one.namespace === other.namespace && one.pod === other.pod && one.container === other.container;
}

/**
 * What the names of a container's archives have in common, as the kubelet makes them. Two containers can have one:
 * `twin` in `a` with `b-c`, and in `a-b` with `c`.
 */
export function fileKey({ namespace, pod, container }: Container): string {
  return `${pod}_${namespace}-${container}`;
}

const PREFIX = 'checkpoint-';
/** RFC 3339 with a resolution of one second, as the kubelet writes it. */
const TIME = /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))\.tar$/;

/** Whether the kubelet would give an archive of this container such a name. */
export function isNamedFor(file: string, container: Container): boolean {
  const start = `${PREFIX}${fileKey(container)}-`;
  return file.startsWith(start) && TIME.exec(file)?.index === start.length - 1;
}

/** When the kubelet began the checkpoint of that file name, to the second; null when the name does not tell. */
export function startOf(file: string): Instant | null {
  const time = TIME.exec(file)?.[1];
  const instant = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(instant) ? null : instant;
}
