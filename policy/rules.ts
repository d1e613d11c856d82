import {
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
import { isObject, own } from './json.ts';
import { formatBytes } from './quantity.ts';
import type { BucketLimits, DiskPressure, Level, Rule, Scope } from './types.ts';

/** A rule before it knows its resource. */
export type Draft = Omit<Rule, 'resource'>;

/** Of a rule in a resource with errors only the target is believed, so that nothing broader acts on it. */
export function holding(draft: Draft): Draft {
  return {
    scope: draft.scope,
    field: draft.field,
    stated: draft.stated,
    retainOrphan: true,
    keepLast: 0,
    buckets: [],
    whenFull: 'EvictOldest',
    checkpointing: 'Allow',
  };
}

export const NARROW_KEYS = ['namespacePolicies', 'podPolicies', 'containerPolicies'] as const;

/** What every policy can say, at any level. */
function readCommon(fields: Fields): Omit<Draft, 'scope' | 'field' | 'buckets'> {
  const retainOrphan = booleanAt(fields, 'retainOrphan');
  const deleteOrphaned = booleanAt(fields, 'deleteOrphanedCheckpoint');
  if (retainOrphan !== undefined && retainOrphan === deleteOrphaned) {
    fields.findings.push(
      finding(
        'spellingsDisagree',
        `${fields.path}.deleteOrphanedCheckpoint`,
        deleteOrphaned,
        `${fields.path}.retainOrphan is ${retainOrphan}, which says the opposite`,
        `remove deleteOrphanedCheckpoint and write retainOrphan: ${!retainOrphan} if orphans are to be ${retainOrphan ? 'deleted' : 'kept'}`,
      ),
    );
  }
  const maxArchiveBytes = sizeAt(fields, 'maxCheckpointSize');
  const maxAgeMs = durationAt(fields, 'timeThreshold');
  const minIntervalMs = durationAt(fields, 'minInterval');
  const maxConcurrent = countAt(fields, 'maxConcurrent', 'write checkpointing: Deny to refuse all');
  return {
    stated: Object.keys(fields.object),
    retainOrphan: retainOrphan ?? deleteOrphaned !== true,
    keepLast: Number(own(fields.object, 'keepLast')) || 0,
    whenFull: choiceAt(fields, 'whenFull', ['EvictOldest', 'RejectNew']) ?? 'EvictOldest',
    checkpointing: choiceAt(fields, 'checkpointing', ['Allow', 'Deny']) ?? 'Allow',
    ...(maxArchiveBytes !== undefined && { maxArchiveBytes }),
    ...(maxAgeMs !== undefined && { maxAgeMs }),
    ...(minIntervalMs !== undefined && minIntervalMs > 0 && { minIntervalMs }),
    ...(maxConcurrent !== undefined && { maxConcurrent }),
  };
}

const NO_COUNT = 'leave it out; to refuse checkpoints write checkpointing: Deny';

function readBucket(fields: Fields, level: Level, countField: string, totalField: string): BucketLimits {
  const maxCount = countAt(fields, countField, NO_COUNT);
  const maxTotalBytes = sizeAt(fields, totalField);
  return {
    level,
    countField,
    totalField,
    ...(maxCount !== undefined && { maxCount }),
    ...(maxTotalBytes !== undefined && { maxTotalBytes }),
  };
}

export function readGlobalRule(fields: Fields): Draft {
  const common = readCommon(fields);
  const buckets = (['Container', 'Pod', 'Namespace'] as const).map((name) =>
    readBucket(fields, name.toLowerCase() as Level, `maxCheckpointsPer${name}`, `maxTotalSizePer${name}`),
  );
  contradictions(fields, common, buckets);
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
        'has no count, so none is enforced',
        'write maxCheckpointsPerContainer: 10 and so on if the counts of the public operator are wanted',
      ),
    );
  }
  return { scope: { kind: 'global' }, field: fields.path, ...common, buckets };
}

export function readNarrowRules(top: Fields): Draft[] {
  return NARROW_KEYS.flatMap((key) => {
    const entries = own(top.object, key);
    if (!Array.isArray(entries)) return [];
    return entries.flatMap((entry: unknown, index) => {
      if (!isObject(entry)) return [];
      const fields = { object: entry, path: `${top.path}.${key}[${index}]`, findings: top.findings };
      const draft = readNarrowRule(fields, key);
      return draft ? [draft] : [];
    });
  });
}

function readNarrowRule(fields: Fields, key: (typeof NARROW_KEYS)[number]): Draft | undefined {
  const level = key === 'namespacePolicies' ? 'namespace' : key === 'podPolicies' ? 'pod' : 'container';
  const scope = readScope(fields, level);
  const common = readCommon(fields);
  const buckets = [readBucket(fields, level, 'maxCheckpoints', 'maxTotalSize')];
  contradictions(fields, common, buckets);
  return scope && { scope, field: fields.path, ...common, buckets };
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
      finding('required', at, value, 'is empty', `name the ${key}, or use a broader policy`),
    );
  } else {
    const remedy = /[*?]/.test(value)
      ? 'names are exact, patterns are not known here; use a broader policy'
      : 'write it as Kubernetes does: small letters, digits and -';
    fields.findings.push(finding('badName', at, value, `cannot be the name of a ${key}`, remedy));
  }
  return undefined;
}

/** Limits of one policy that cannot both hold, and those that never act. */
function contradictions(
  fields: Fields,
  common: Pick<Rule, 'maxArchiveBytes' | 'keepLast'>,
  buckets: readonly BucketLimits[],
): void {
  const { findings, path, object } = fields;
  const size = common.maxArchiveBytes;
  for (const { maxCount, maxTotalBytes, countField, totalField } of buckets) {
    if (size !== undefined && maxTotalBytes !== undefined && size > maxTotalBytes) {
      findings.push(
        finding(
          'limitsContradict',
          `${path}.maxCheckpointSize`,
          own(object, 'maxCheckpointSize'),
          `is more than ${totalField} (${formatBytes(maxTotalBytes)}), so such an archive could never be kept`,
          `lower maxCheckpointSize or raise ${totalField}`,
        ),
      );
    }
    if (maxCount !== undefined && common.keepLast > maxCount) {
      findings.push(
        finding(
          'limitsContradict',
          `${path}.keepLast`,
          common.keepLast,
          `keeps more than ${countField} (${maxCount}) allows`,
          `lower keepLast or raise ${countField}`,
        ),
      );
    }
    if (
      size !== undefined &&
      maxCount !== undefined &&
      maxTotalBytes !== undefined &&
      size <= maxTotalBytes
    ) {
      if (size * BigInt(maxCount) <= maxTotalBytes) {
        findings.push(
          finding(
            'neverBinds',
            `${path}.${totalField}`,
            own(object, totalField),
            `never acts: ${maxCount} archives of at most ${formatBytes(size)} always fit`,
            `lower it, or remove it`,
          ),
        );
      }
    }
  }
  buckets.slice(1).forEach((wider, index) => {
    const narrower = buckets[index];
    if (narrower) widerFirst(fields, narrower, wider);
  });
}

/** Of the global levels: a limit for a container that exceeds the pod's is never reached. */
function widerFirst(fields: Fields, narrower: BucketLimits, wider: BucketLimits): void {
  const pairs = [
    [narrower.countField, narrower.maxCount, wider.countField, wider.maxCount],
    [narrower.totalField, narrower.maxTotalBytes, wider.totalField, wider.maxTotalBytes],
  ] as const;
  for (const [field, value, otherField, other] of pairs) {
    if (value === undefined || other === undefined || value <= other) continue;
    fields.findings.push(
      finding(
        'neverBinds',
        `${fields.path}.${field}`,
        own(fields.object, field),
        `never acts: ${otherField} (${String(own(fields.object, otherField))}) is always reached first`,
        `lower it, or raise ${otherField}`,
      ),
    );
  }
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
        '0%',
        'would evict always',
        'write for example 85%',
      ),
    );
  } else if (low > high) {
    fields.findings.push(
      finding(
        'limitsContradict',
        `${fields.path}.lowWatermark`,
        own(fields.object, 'lowWatermark'),
        `is above highWatermark (${String(own(fields.object, 'highWatermark'))})`,
        'write a lowWatermark below highWatermark',
      ),
    );
  }
  return { high, low, ...(minFree && { minFree }), ...(minFreeInodes && { minFreeInodes }) };
}
