import { counted } from './count.ts';
import type { Fields } from './fields.ts';
import { type FindingCode, finding } from './findings.ts';
import { own, text } from './json.ts';
import type { BucketLimits, Rule } from './types.ts';

/** What a policy says at any level, as far as its limits are compared. */
type Common = Pick<
  Rule,
  | 'retainOrphan'
  | 'maxArchiveBytes'
  | 'maxAgeMs'
  | 'keepLast'
  | 'minIntervalMs'
  | 'maxConcurrent'
  | 'checkpointing'
  | 'buckets'
>;

/** Limits of one policy that cannot both hold, and those that never act. Buckets come narrowest first. */
export function limitFindings(fields: Fields, common: Common): void {
  const { buckets } = common;
  for (let index = 0; index < buckets.length; index += 1) {
    const bucket = buckets[index];
    if (bucket === undefined) continue;
    contradictions(fields, common, bucket);
    neverFull(fields, common, bucket);
    if (index + 1 < buckets.length) widerFirst(fields, bucket, buckets.slice(index + 1));
  }
}

/** A policy without a limit is more than nothing: it takes the place of broader ones, which may have some. */
export function noLimitFindings(fields: Fields, common: Common): void {
  const { maxArchiveBytes, maxAgeMs, minIntervalMs, maxConcurrent, retainOrphan, checkpointing, buckets } =
    common;
  if (!retainOrphan || checkpointing === 'Deny') return;
  if ((maxArchiveBytes ?? maxAgeMs ?? minIntervalMs ?? maxConcurrent) !== undefined) return;
  if (buckets.some(({ maxCount, maxTotalBytes }) => (maxCount ?? maxTotalBytes) !== undefined)) return;
  const remedy =
    'add maxCheckpoints, maxTotalSize, maxCheckpointSize or timeThreshold, unless nothing is to be limited';
  fields.findings.push(finding('nothingLimited', fields.path, undefined, 'sets no limit', remedy));
}

function contradictions(fields: Fields, { maxArchiveBytes, keepLast }: Common, bucket: BucketLimits): void {
  const { maxCount, maxTotalBytes, countField, totalField } = bucket;
  if (maxArchiveBytes !== undefined && maxTotalBytes !== undefined && maxArchiveBytes > maxTotalBytes) {
    const message = `is more than ${totalField} (${shownAt(fields, totalField)}), so the largest archives it allows can never be kept`;
    const remedy = `lower maxCheckpointSize or raise ${totalField}`;
    push(fields, 'limitsContradict', 'maxCheckpointSize', message, remedy);
  }
  if (maxCount !== undefined && keepLast > maxCount) {
    const message = `holds more archives than ${countField} (${maxCount}) allows`;
    push(fields, 'limitsContradict', 'keepLast', message, `lower keepLast or raise ${countField}`);
  }
}

/** As many archives as may be, each as large as may be, fit into the total. */
function neverFull(fields: Fields, { maxArchiveBytes: size }: Common, bucket: BucketLimits): void {
  const { maxCount, maxTotalBytes, countField, totalField } = bucket;
  if (size === undefined || maxCount === undefined || maxTotalBytes === undefined) return;
  if (size * BigInt(maxCount) > maxTotalBytes) return;
  const archives = `${counted(maxCount, 'archive')} (${countField}) of at most ${shownAt(fields, 'maxCheckpointSize')}`;
  push(fields, 'neverBinds', totalField, `never acts: ${archives} always fit`, 'lower it or remove it');
}

/** Of the global levels: a limit for a container that exceeds the pod's or the namespace's is never reached. */
function widerFirst(fields: Fields, narrower: BucketLimits, wider: readonly BucketLimits[]): void {
  const { maxCount, maxTotalBytes, countField, totalField } = narrower;
  const count = wider.find((each) => isBelow(each.maxCount, maxCount));
  const total = wider.find((each) => isBelow(each.maxTotalBytes, maxTotalBytes));
  if (count !== undefined) reachedFirst(fields, countField, count.countField);
  if (total !== undefined) reachedFirst(fields, totalField, total.totalField);
}

function isBelow(one: number | bigint | undefined, other: number | bigint | undefined): boolean {
  return one !== undefined && other !== undefined && one < other;
}

function reachedFirst(fields: Fields, field: string, first: string): void {
  const message = `never acts: ${first} (${shownAt(fields, first)}) is always reached first`;
  push(fields, 'neverBinds', field, message, `lower it or raise ${first}`);
}

function push(fields: Fields, code: FindingCode, field: string, message: string, remedy: string): void {
  fields.findings.push(finding(code, `${fields.path}.${field}`, own(fields.object, field), message, remedy));
}

/** A field that has been read, as the user wrote it. */
function shownAt({ object }: Fields, field: string): string {
  const value = own(object, field);
  return typeof value === 'number' ? value.toString() : text(value);
}
