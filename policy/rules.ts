import {
  ageAt,
  amountAt,
  booleanAt,
  childFields,
  choiceAt,
  countAt,
  durationAt,
  type Fields,
  isLabel,
  isSubdomain,
  shareAt,
  sizeAt,
} from './fields.ts';
import { finding } from './findings.ts';
import { isObject, own, text } from './json.ts';
import { limitFindings, noLimitFindings } from './limit-findings.ts';
import type { BucketLimits, DiskPressure, Level, Mutable, PolicyResource, Rule, Scope } from './types.ts';

/**
 * Of a rule in a resource with errors the target is believed, so that nothing broader acts on it, and what stands
 * in the way of requests; no limit that would delete.
 */
export function holding(rule: Rule): Rule {
  return {
    scope: rule.scope,
    resource: rule.resource,
    field: rule.field,
    orphanField: rule.orphanField,
    retainOrphan: true,
    keepLast: 0,
    buckets: [],
    whenFull: 'EvictOldest',
    checkpointing: rule.checkpointing,
    ...(rule.minIntervalMs !== undefined && { minIntervalMs: rule.minIntervalMs }),
    ...(rule.maxConcurrent !== undefined && { maxConcurrent: rule.maxConcurrent }),
  };
}

export const NARROW_KEYS = ['namespacePolicies', 'podPolicies', 'containerPolicies'] as const;

/** What every policy can say, at any level; its buckets are for the caller to read. */
function readCommon(fields: Fields, scope: Scope, resource: PolicyResource): Mutable<Rule> {
  const retainOrphan = booleanAt(fields, 'retainOrphan');
  const deleteOrphaned = booleanAt(fields, 'deleteOrphanedCheckpoint');
  if (retainOrphan !== undefined && retainOrphan === deleteOrphaned) {
    fields.findings.push(
      finding(
        'spellingsDisagree',
        `${fields.path}.deleteOrphanedCheckpoint`,
        deleteOrphaned,
        `contradicts ${fields.path}.retainOrphan, which is ${retainOrphan}`,
        'keep one of the two: retainOrphan: false deletes orphans, retainOrphan: true keeps them',
      ),
    );
  }
  const maxArchiveBytes = sizeAt(fields, 'maxCheckpointSize');
  const maxAgeMs = ageAt(fields, 'timeThreshold');
  const minIntervalMs = durationAt(fields, 'minInterval');
  const maxConcurrent = countAt(fields, 'maxConcurrent', NO_COUNT);
  const keepLast = own(fields.object, 'keepLast');
  const rule: Mutable<Rule> = {
    scope,
    resource,
    field: fields.path,
    orphanField: orphanFieldIn(fields),
    retainOrphan: retainOrphan ?? deleteOrphaned !== true,
    keepLast: typeof keepLast === 'number' && keepLast > 0 ? keepLast : 0,
    whenFull: choiceAt(fields, 'whenFull', WHEN_FULL) ?? 'EvictOldest',
    checkpointing: choiceAt(fields, 'checkpointing', CHECKPOINTING) ?? 'Allow',
    buckets: [],
  };
  if (maxArchiveBytes !== undefined) rule.maxArchiveBytes = maxArchiveBytes;
  if (maxAgeMs !== undefined) rule.maxAgeMs = maxAgeMs;
  if (minIntervalMs !== undefined && minIntervalMs > 0) rule.minIntervalMs = minIntervalMs;
  if (maxConcurrent !== undefined) rule.maxConcurrent = maxConcurrent;
  return rule;
}

function orphanFieldIn({ object }: Fields): Rule['orphanField'] {
  if (own(object, 'retainOrphan') !== undefined) return 'retainOrphan';
  return own(object, 'deleteOrphanedCheckpoint') === undefined ? null : 'deleteOrphanedCheckpoint';
}

const WHEN_FULL = ['EvictOldest', 'RejectNew'] as const;
const CHECKPOINTING = ['Allow', 'Deny'] as const;
const NO_COUNT = 'leave it out, or write checkpointing: Deny to refuse all checkpoints';

function readBucket(fields: Fields, level: Level, countField: string, totalField: string): BucketLimits {
  const maxCount = countAt(fields, countField, NO_COUNT);
  const maxTotalBytes = sizeAt(fields, totalField);
  const bucket: Mutable<BucketLimits> = { level, countField, totalField };
  if (maxCount !== undefined) bucket.maxCount = maxCount;
  if (maxTotalBytes !== undefined) bucket.maxTotalBytes = maxTotalBytes;
  return bucket;
}

/** @param resource that it is a rule of; may still be in the making. */
export function readGlobalRule(fields: Fields, resource: PolicyResource): Rule {
  const rule = readCommon(fields, { kind: 'global' }, resource);
  rule.buckets = (['Container', 'Pod', 'Namespace'] as const).map((name) =>
    readBucket(fields, name.toLowerCase() as Level, `maxCheckpointsPer${name}`, `maxTotalSizePer${name}`),
  );
  limitFindings(fields, rule);
  if (
    ['Container', 'Pod', 'Namespace'].every(
      (name) => own(fields.object, `maxCheckpointsPer${name}`) === undefined,
    )
  ) {
    fields.findings.push(
      finding(
        'noBuiltInCounts',
        fields.path,
        undefined,
        'has no count, so the number of archives is not limited',
        "for the public operator's built-in counts write maxCheckpointsPerContainer: 10, maxCheckpointsPerPod: 20, maxCheckpointsPerNamespace: 30",
      ),
    );
  }
  return rule;
}

/** @param resource that they are rules of; may still be in the making. */
export function readNarrowRules(top: Fields, resource: PolicyResource): Rule[] {
  const rules: Rule[] = [];
  for (const key of NARROW_KEYS) {
    const entries = own(top.object, key);
    if (!Array.isArray(entries)) continue;
    for (let index = 0; index < entries.length; index += 1) {
      const entry: unknown = entries[index];
      if (!isObject(entry)) continue;
      const fields = { object: entry, path: `${top.path}.${key}[${index}]`, findings: top.findings };
      const rule = readNarrowRule(fields, key, resource);
      if (rule !== undefined) rules.push(rule);
    }
  }
  return rules;
}

function readNarrowRule(
  fields: Fields,
  key: (typeof NARROW_KEYS)[number],
  resource: PolicyResource,
): Rule | undefined {
  const level = key === 'namespacePolicies' ? 'namespace' : key === 'podPolicies' ? 'pod' : 'container';
  const scope = readScope(fields, level);
  // Without a target it is read all the same, for what else is wrong with it.
  const rule = readCommon(fields, scope ?? { kind: 'global' }, resource);
  rule.buckets = [readBucket(fields, level, 'maxCheckpoints', 'maxTotalSize')];
  limitFindings(fields, rule);
  noLimitFindings(fields, rule);
  return scope && rule;
}

function readScope(fields: Fields, level: Level): Scope | undefined {
  const namespace = nameAt(fields, 'namespace', isLabel);
  if (level === 'namespace') return namespace === undefined ? undefined : { kind: level, namespace };
  const pod = nameAt(fields, 'pod', isSubdomain);
  if (level === 'pod') {
    return namespace === undefined || pod === undefined ? undefined : { kind: level, namespace, pod };
  }
  const container = nameAt(fields, 'container', isLabel);
  if (namespace === undefined || pod === undefined || container === undefined) return undefined;
  return { kind: level, namespace, pod, container };
}

function nameAt(fields: Fields, key: string, valid: (name: string) => boolean): string | undefined {
  const value = own(fields.object, key);
  if (typeof value !== 'string') return undefined;
  if (valid(value)) return value;
  const at = `${fields.path}.${key}`;
  if (value === '') {
    fields.findings.push(
      finding('required', at, value, 'is empty', `write the name of a ${key}, or use a broader policy`),
    );
  } else {
    const remedy = /[*?]/.test(value)
      ? 'names are matched exactly and have no wildcards: use a broader policy, or one policy for each name'
      : `write it as Kubernetes does: small letters, digits and hyphens${key === 'pod' ? ', dots between them' : ', at most 63'}`;
    fields.findings.push(finding('badName', at, value, `cannot be the name of a ${key}`, remedy));
  }
  return undefined;
}

export function readPressure(globalPolicy: Fields): DiskPressure | undefined {
  const fields = childFields(globalPolicy, 'diskPressure');
  if (fields === undefined) return undefined;
  const high = shareAt(fields, 'highWatermark');
  const low = shareAt(fields, 'lowWatermark');
  const minFree = amountAt(fields, 'minFree');
  const minFreeInodes = amountAt(fields, 'minFreeInodes');
  if (high === undefined || low === undefined) return undefined;
  if (high === 0) {
    fields.findings.push(
      finding(
        'outOfRange',
        `${fields.path}.highWatermark`,
        own(fields.object, 'highWatermark'),
        'would evict all that can be evicted, always',
        'write for example 85%',
      ),
    );
  } else if (low > high) {
    fields.findings.push(
      finding(
        'limitsContradict',
        `${fields.path}.lowWatermark`,
        own(fields.object, 'lowWatermark'),
        `is above highWatermark (${text(own(fields.object, 'highWatermark'))})`,
        'write a lowWatermark that is lower than highWatermark',
      ),
    );
  }
  return { high, low, ...(minFree && { minFree }), ...(minFreeInodes && { minFreeInodes }) };
}
