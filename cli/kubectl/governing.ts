import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { listObjects } from '../../kube/objects.ts';
import { exactDuration } from '../../policy/duration.ts';
import { PolicySet, resourceKey, scopeLabel } from '../../policy/govern.ts';
import { exactQuantity } from '../../policy/quantity.ts';
import { readResource } from '../../policy/read.ts';
import { API_VERSION, PLURAL } from '../../policy/schema.ts';
import type { Rule } from '../../policy/types.ts';

/** A policy over an archive: where it stands and what it limits. */
export interface GoverningPolicy {
  readonly scope: string;
  /** `warden/quotas` */
  readonly resource: string;
  /** `spec.namespacePolicies[0]` */
  readonly field: string;
  readonly authority: 'administrator' | 'tenant';
  /** `maxCheckpoints 2`, one each. */
  readonly limits: readonly string[];
}

/**
 * The policies that govern an archive, the administrator's first.
 * @returns null where the caller may not read policies: a tenant's own alone do not tell
 */
export async function governingPolicies(
  client: KubeClient,
  { namespace, pod, container }: ListedCheckpoint,
): Promise<readonly GoverningPolicy[] | null> {
  try {
    const { items } = await listObjects(client, `/apis/${API_VERSION}/${PLURAL}`);
    const resources = items.flatMap((item) => readResource(item).resource ?? []);
    const { administrator, tenant } = new PolicySet(resources).governing({ namespace, pod, container });
    return [administrator, tenant].flatMap((rule) => (rule === null ? [] : [shownPolicy(rule)]));
  } catch (error) {
    if (error instanceof KubeError && (error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}

function shownPolicy(rule: Rule): GoverningPolicy {
  return {
    scope: scopeLabel(rule.scope),
    resource: resourceKey(rule.resource.reference),
    field: rule.field,
    authority: rule.resource.authority,
    limits: limitsOf(rule),
  };
}

export function limitsOf(rule: Rule): string[] {
  const { maxArchiveBytes, maxAgeMs, keepLast, buckets, minIntervalMs, maxConcurrent } = rule;
  const all: (string | false)[] = [
    maxArchiveBytes !== undefined && `maxCheckpointSize ${exactQuantity(maxArchiveBytes)}`,
    maxAgeMs !== undefined && `timeThreshold ${exactDuration(maxAgeMs)}`,
    ...buckets.flatMap(({ countField, maxCount, totalField, maxTotalBytes }) => [
      maxCount !== undefined && `${countField} ${maxCount}`,
      maxTotalBytes !== undefined && `${totalField} ${exactQuantity(maxTotalBytes)}`,
    ]),
    keepLast > 0 && `keepLast ${keepLast}`,
    !rule.retainOrphan && 'retainOrphan false',
    rule.whenFull === 'RejectNew' && 'whenFull RejectNew',
    minIntervalMs !== undefined && `minInterval ${exactDuration(minIntervalMs)}`,
    maxConcurrent !== undefined && `maxConcurrent ${maxConcurrent}`,
    rule.checkpointing === 'Deny' && 'checkpointing Deny',
  ];
  return all.filter((each) => each !== false);
}
