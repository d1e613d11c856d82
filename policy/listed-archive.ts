import {
  CHECKPOINT_API,
  type Checkpoint,
  type CheckpointVerdict,
  PINNED_LABEL,
} from './checkpoint-object.ts';
import { fieldsOf, isObject, own, text } from './json.ts';
import type { DecisionRule, Instant } from './types.ts';

/** An archive as a node's door tells the gateway of it, over the wire. */
export interface ListedArchive {
  /** A DNS label, unique among the archives of a namespace in the cluster. */
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly file: string;
  readonly bytes: number;
  readonly modifiedAt: Instant;
  readonly runtime: string | null;
  readonly pinned: boolean;
  readonly tainted: boolean;
  /** The label of the policy that governs it. */
  readonly policy: string | null;
  readonly verdict: CheckpointVerdict | null;
  /** Microseconds since the epoch; grows with each change that the node has seen. */
  readonly version: number;
}

/** Where a list of a node goes on: behind this archive. */
export interface ListPosition {
  readonly namespace: string;
  readonly pod: string;
  readonly file: string;
}

export interface ArchivePage {
  /** As of when, in the node's versions: what changes later has a greater one. */
  readonly version: number;
  /** By namespace, pod and file. */
  readonly items: readonly ListedArchive[];
  /** Whether more stand behind the last of them. */
  readonly more: boolean;
}

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface ArchiveChange {
  readonly type: ChangeType;
  readonly version: number;
  readonly archive: ListedArchive;
}

/** What has changed since a version, and as of when. */
export interface ArchiveChanges {
  readonly version: number;
  readonly changes: readonly ArchiveChange[];
}

/** By namespace, pod and file, as code units order them. */
export function byPosition(one: ListPosition, other: ListPosition): number {
  return (
    compare(one.namespace, other.namespace) || compare(one.pod, other.pod) || compare(one.file, other.file)
  );
}

export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

export function archivePageIn(value: unknown): ArchivePage | null {
  const fields = fieldsOf(value);
  const [version, items, more] = ['version', 'items', 'more'].map((key) => own(fields, key));
  if (!isCount(version) || !Array.isArray(items) || typeof more !== 'boolean') return null;
  const read = items.map(listedArchiveIn);
  return read.every((each) => each !== null) ? { version, items: read, more } : null;
}

export function archiveChangesIn(value: unknown): ArchiveChanges | null {
  const fields = fieldsOf(value);
  const [version, changes] = [own(fields, 'version'), own(fields, 'changes')];
  if (!isCount(version) || !Array.isArray(changes)) return null;
  const read = changes.map(changeIn);
  return read.every((each) => each !== null) ? { version, changes: read } : null;
}

function changeIn(value: unknown): ArchiveChange | null {
  const fields = fieldsOf(value);
  const type = CHANGE_TYPES.find((each) => each === own(fields, 'type'));
  const version = own(fields, 'version');
  const archive = listedArchiveIn(own(fields, 'archive'));
  return type && isCount(version) && archive ? { type, version, archive } : null;
}

const CHANGE_TYPES: readonly ChangeType[] = ['ADDED', 'MODIFIED', 'DELETED'];

/** Null for what is none: a door is trusted, and may be of another release. */
export function listedArchiveIn(value: unknown): ListedArchive | null {
  if (!isObject(value)) return null;
  const [name, uid, namespace, pod] = ['name', 'uid', 'namespace', 'pod'].map((key) => text(own(value, key)));
  const [container, file] = [text(own(value, 'container')), text(own(value, 'file'))];
  const [bytes, modifiedAt, version] = ['bytes', 'modifiedAt', 'version'].map((key) => own(value, key));
  if (!name || !uid || !namespace || !pod || !container || !file) return null;
  if (!isCount(bytes) || typeof modifiedAt !== 'number' || !isCount(version)) return null;
  return {
    ...{ name, uid, namespace, pod, container, file, bytes, modifiedAt, version },
    runtime: text(own(value, 'runtime')) || null,
    pinned: own(value, 'pinned') === true,
    tainted: own(value, 'tainted') === true,
    policy: text(own(value, 'policy')) || null,
    verdict: verdictIn(own(value, 'verdict')),
  };
}

/** A record, so that none can be forgotten. */
const RULES: Readonly<Record<DecisionRule, true>> = {
  ...{ count: true, age: true, size: true, total: true, orphan: true, pressure: true, pinned: true },
  ...{ keepLast: true, retain: true, unidentified: true, tainted: true, request: true, none: true },
};

function isRule(value: string): value is DecisionRule {
  return Object.hasOwn(RULES, value);
}

function verdictIn(value: unknown): CheckpointVerdict | null {
  if (!isObject(value)) return null;
  const rule = text(own(value, 'rule'));
  const action = own(value, 'action') === 'delete' ? 'delete' : 'keep';
  return { action, rule: isRule(rule) ? rule : 'none', reason: text(own(value, 'reason')) };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The object of the API that shows it. */
export function checkpointOf(archive: ListedArchive, nodeName: string): Checkpoint {
  const { name, namespace, uid, version, pod, container, file, bytes, modifiedAt } = archive;
  const { runtime, policy, verdict, pinned, tainted } = archive;
  const createdAt = instantText(modifiedAt);
  return {
    apiVersion: CHECKPOINT_API.groupVersion,
    kind: CHECKPOINT_API.kind,
    metadata: {
      ...{ name, namespace, uid },
      resourceVersion: String(version),
      creationTimestamp: createdAt,
      ...(pinned && { labels: { [PINNED_LABEL]: 'true' } }),
    },
    spec: { podName: pod, containerName: container, nodeName },
    status: {
      archive: file,
      sizeBytes: bytes,
      createdAt,
      ...(runtime !== null && { runtime }),
      ...(policy !== null && { policy }),
      ...(verdict !== null && { verdict }),
      pinned,
      tainted,
    },
  };
}

const LATEST = 253_402_300_799_000;

/** To the second, as Kubernetes writes times; a file's may be set to anything. */
export function instantText(instant: Instant): string {
  const within = Math.min(Math.max(instant, 0), LATEST);
  return `${new Date(within).toISOString().slice(0, 19)}Z`;
}
