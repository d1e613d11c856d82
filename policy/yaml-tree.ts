import {
  type Alias,
  isAlias,
  isMap,
  isNode,
  isScalar,
  type Node,
  type Pair,
  Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { formatCount } from './count.ts';
import { plainScalar } from './yaml-scalar.ts';

/** Values one document may come to once its aliases stand for what they name: a bound on billion laughs. */
const MOST_VALUES = 1_000_000;
const DEEPEST = 100;

/** What is wrong with a document that is YAML all the same. */
export class TreeFault extends Error {
  /** Offset in the text. */
  readonly offset: number;
  readonly remedy: string;

  constructor(offset: number, message: string, remedy: string) {
    super(message);
    this.name = 'TreeFault';
    this.offset = offset;
    this.remedy = remedy;
  }
}

/** A key that stands twice in one mapping. */
export interface DuplicateKey {
  /** `spec.podPolicies[3].maxCheckpoints` */
  readonly path: string;
  readonly firstOffset: number;
  readonly offset: number;
}

export interface Tree {
  readonly value: unknown;
  readonly duplicates: readonly DuplicateKey[];
}

/**
 * Plain values of a parsed document, each alias and merge key replaced by a copy of what it names.
 * @param root parsed with the schema `failsafe`, so that scalars keep their source
 * @throws TreeFault when it is too large, too deep, or says what a resource cannot
 */
export function readTree(root: Node): Tree {
  const reader = new TreeReader();
  return { value: reader.read(root, '', 0), duplicates: reader.duplicates };
}

class TreeReader {
  readonly #duplicates = new Map<number, DuplicateKey>();
  readonly #anchors = new Map<string, Node>();
  /** Anchors whose content is being read: an alias to one of them would have no end. */
  readonly #open = new Set<Node>();
  #values = 0;

  get duplicates(): readonly DuplicateKey[] {
    return [...this.#duplicates.values()];
  }

  read(node: Node | null, path: string, depth: number): unknown {
    this.#values += 1;
    if (node === null) return null;
    if (this.#values > MOST_VALUES) {
      const message = `has more than ${formatCount(MOST_VALUES)} values once its aliases are put in`;
      throw new TreeFault(offsetOf(node), message, 'write it without anchors, or split it');
    }
    if (depth > DEEPEST) {
      throw new TreeFault(offsetOf(node), `is nested deeper than ${DEEPEST} levels`, 'no field is that deep');
    }
    if (isAlias(node)) return this.#follow(node, path, depth);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    this.#open.add(node);
    const value = this.#content(node, path, depth);
    this.#open.delete(node);
    return value;
  }

  #content(node: Exclude<Node, Alias>, path: string, depth: number): unknown {
    refuseTag(node);
    if (isScalar(node)) return scalarValue(node);
    if (isMap(node)) return this.#mapping(node, path, depth);
    return node.items.map((item, index) => this.read(asNode(item), `${path}[${index}]`, depth + 1));
  }

  #follow(alias: Alias, path: string, depth: number): unknown {
    const target = this.#anchors.get(alias.source);
    if (target === undefined || this.#open.has(target)) {
      const why = target === undefined ? 'names no anchor before it' : 'stands inside what it names';
      throw new TreeFault(
        offsetOf(alias),
        `the alias *${alias.source} ${why}`,
        'write the value in its place',
      );
    }
    return this.read(target, path, depth);
  }

  #mapping(map: YAMLMap, path: string, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, number>();
    const merges: Pair[] = [];
    for (const pair of map.items) {
      const key = keyOf(pair, map);
      const offset = offsetOf(asNode(pair.key) ?? map);
      const childPath = path === '' ? key : `${path}.${key}`;
      const firstOffset = seen.get(key);
      if (firstOffset !== undefined) this.#duplicates.set(offset, { path: childPath, firstOffset, offset });
      seen.set(key, offset);
      if (isMergeKey(pair)) merges.push(pair);
      else define(value, key, this.read(asNode(pair.value), childPath, depth + 1));
    }
    for (const pair of merges) this.#merge(value, pair, path, depth);
    return value;
  }

  /** What stands in the mapping itself goes before what is merged in, and of several the first. */
  #merge(into: Record<string, unknown>, pair: Pair, path: string, depth: number): void {
    const source = asNode(pair.value);
    const merged = this.read(source, path, depth);
    for (const each of Array.isArray(merged) ? merged : [merged]) {
      if (typeof each !== 'object' || each === null || Array.isArray(each)) {
        const at = source === null ? 0 : offsetOf(source);
        throw new TreeFault(at, 'the merge key << needs a mapping', 'write <<: *NAME of a mapping');
      }
      for (const [key, value] of Object.entries(each)) {
        if (!Object.hasOwn(into, key)) define(into, key, value);
      }
    }
  }
}

function define(object: Record<string, unknown>, key: string, value: unknown): void {
  // An assignment would take it for the prototype.
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else object[key] = value;
}

function scalarValue(scalar: Scalar): unknown {
  if (scalar.type !== Scalar.PLAIN || scalar.tag === STRING_TAG) return String(scalar.value ?? '');
  return plainScalar(scalar.source ?? '');
}

const STRING_TAG = 'tag:yaml.org,2002:str';
const PLAIN_TAGS: readonly (string | undefined)[] = [
  undefined,
  STRING_TAG,
  'tag:yaml.org,2002:map',
  'tag:yaml.org,2002:seq',
];

function refuseTag(node: Scalar | YAMLMap | YAMLSeq): void {
  if (PLAIN_TAGS.includes(node.tag)) return;
  throw new TreeFault(offsetOf(node), `the tag ${node.tag} is not known here`, 'leave it out');
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && pair.key.type === Scalar.PLAIN && pair.key.source === '<<';
}

function keyOf(pair: Pair, map: YAMLMap): string {
  const key = asNode(pair.key);
  if (
    key !== null &&
    isScalar(key) &&
    (key.type !== Scalar.PLAIN || plainScalar(key.source ?? '') !== null)
  ) {
    return String(key.value);
  }
  throw new TreeFault(offsetOf(key ?? map), 'a key must be text', 'write NAME: VALUE');
}

function asNode(value: unknown): Node | null {
  return isNode(value) ? value : null;
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
