import type { Identity } from '../../../policy/types.ts';
import { walkPlainly } from '../model/content.ts';

/** What bytes say to a reader that knows formats from the facts alone, and nothing of the one under test. */
export interface Said {
  readonly whole: boolean;
  readonly identity: Identity | null;
  readonly staleTailBytes: number;
  /** The only `spec.dump`; null where there is none, or more than one. */
  readonly spec: Buffer | null;
  /** All that has to be read for that: headers, what they extend, specs and a `config.dump`. */
  readonly neededBytes: number;
}

/** GNU tar fills up its last record, of so many bytes, with zeros. */
const RECORD = 10_240;

/** How a gzip and a zstd stream begin: they are read from end to end, and here nothing is found in them. */
const PACKED: readonly string[] = ['1f8b', '28b5'];

export function saidBy(bytes: Buffer): Said {
  const { whole, endAt, specs, headerBytes, otherBytes } = walkPlainly(bytes);
  const spec = whole && specs.length === 1 ? (specs[0] ?? null) : null;
  const tail = whole ? bytes.subarray(endAt) : Buffer.alloc(0);
  const isPadding =
    tail.length < RECORD && bytes.length % RECORD === 0 && tail.every((byte: number) => byte === 0);
  const isPacked = PACKED.includes(bytes.toString('hex', 0, 2));
  return {
    whole,
    identity: spec === null ? null : identityIn(spec),
    staleTailBytes: isPadding ? 0 : tail.length,
    spec,
    neededBytes: isPacked
      ? bytes.length
      : headerBytes + otherBytes + specs.reduce((sum, { length }) => sum + length, 0),
  };
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const UID = /^[A-Za-z0-9][-._A-Za-z0-9]{0,127}$/;

/** The four names, in each runtime's own words. */
const CONTAINERD = ['sandbox-namespace', 'sandbox-name', 'container-name', 'sandbox-uid'].map(
  (key) => `io.kubernetes.cri.${key}`,
);
const CRIO = ['pod.namespace', 'pod.name', 'container.name', 'pod.uid'].map((key) => `io.kubernetes.${key}`);
const CRIU = ['pod.namespace', 'pod.name', 'container.name'].map((key) => `org.criu.checkpoint.${key}`);
const CRIO_LABELS = 'io.kubernetes.cri-o.Labels';

function identityIn(spec: Buffer): Identity | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(spec);
    const annotations = mapOf(mapOf(JSON.parse(text)).get('annotations'));
    const manager = annotations.get('io.container.manager');
    const labels = annotations.get(CRIO_LABELS);
    const isOf = (keys: readonly string[]) => keys.some((key) => annotations.has(key));
    const isCrio = () => annotations.has(CRIO_LABELS) || isOf(CRIO);
    if (manager === undefined && isOf(CONTAINERD)) return named(annotations, CONTAINERD);
    if (manager === 'cri-o' || (manager === undefined && isCrio()))
      return named(labels === undefined ? annotations : mapOf(JSON.parse(String(labels))), CRIO);
    return manager === undefined ? named(annotations, CRIU) : null;
  } catch {
    return null;
  }
}

function mapOf(value: unknown): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
  return new Map(Object.entries(value));
}

function named(from: ReadonlyMap<string, unknown>, keys: readonly string[]): Identity | null {
  const [namespace, pod, container, podUid] = keys.map((key) => from.get(key));
  if (!is(LABEL, namespace) || !is(SUBDOMAIN, pod) || !is(LABEL, container)) return null;
  if (podUid === undefined) return { namespace, pod, container, podUid: null };
  return is(UID, podUid) ? { namespace, pod, container, podUid } : null;
}

function is(expression: RegExp, value: unknown): value is string {
  return typeof value === 'string' && expression.test(value);
}
