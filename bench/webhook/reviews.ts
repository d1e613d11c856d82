import type { JsonObject } from '../../policy/json.ts';
import { admissionReview, connecting, policy } from '../../test/webhook/kit.ts';

/** Whose reviews the client sends: this many resources take turns, each in a namespace of its own. */
const RESOURCES = 256;
/** Bytes of all reviews together; more would measure the client's memory. */
const MOST_BYTES = 16 * 1_024 * 1_024;

/**
 * Reviews as the API server sends them, about so many bytes long, no two alike: each has limits and pods of its own, and
 * they are more than anybody would remember.
 */
export function reviewsOf(path: string, bytes: number): Buffer[] {
  return Array.from({ length: Math.floor(MOST_BYTES / bytes) }, (_, index) =>
    path === '/connect' ? connectReview(index, bytes) : policyReview(index, bytes),
  );
}

/** A resource of the cluster, beside which reviews are judged. */
export function storedPolicy(index: number): JsonObject {
  const namespace = `tenant-${index}`;
  const spec = {
    checkpointDirectory: '/var/lib/kubelet/checkpoints',
    namespacePolicies: [{ namespace, maxCheckpoints: 20, maxTotalSize: '20Gi', timeThreshold: '30d' }],
    podPolicies: [{ namespace, pod: 'db-0', maxCheckpoints: 5, maxCheckpointSize: '4Gi', keepLast: 1 }],
  };
  return policy(spec, { namespace, name: 'quotas' });
}

const limitsOf = (index: number) => ({
  maxCheckpoints: 5 + (index % 13),
  maxCheckpointSize: `${3_000 + (index % 1_999)}Mi`,
  maxTotalSize: `${10 + (index % 5)}Gi`,
  timeThreshold: `${3 + (index % 89)}d`,
  keepLast: 1,
  whenFull: 'RejectNew',
});
const LIMITS = Object.keys(limitsOf(0));

/** A policy of a pod takes some more, with the notes on it. */
const POD_BYTES = 400;

/** As `kubectl apply --server-side` comes through the API server, which has set the schema's defaults. */
function policyReview(index: number, bytes: number): Buffer {
  const namespace = `team-${index % RESOURCES}`;
  const limits = limitsOf(index);
  let review = Buffer.alloc(0);
  for (let pods = Math.max(1, Math.floor(bytes / POD_BYTES) - 3); review.length < bytes; pods += 1) {
    const names = Array.from({ length: pods }, (_, pod) => `worker-${index}-${pod}`);
    const spec = {
      applyPoliciesImmediately: false,
      circuitBreaker: { maxShare: '50%', minArchives: 100 },
      orphanGracePeriod: '10m',
      tainted: 'Keep',
      namespacePolicies: [{ namespace, ...limits, checkpointing: 'Allow' }],
      podPolicies: names.map((pod) => ({ namespace, pod, ...limits, checkpointing: 'Allow' })),
    };
    review = Buffer.from(JSON.stringify(whole(uidOf(index), namespace, spec, names)));
  }
  return review;
}

/** With what the API server adds: who applied which field, and the options of the call. */
function whole(uid: string, namespace: string, spec: object, pods: readonly string[]): JsonObject {
  const applied = Object.fromEntries(['.', ...LIMITS.map((key) => `f:${key}`)].map((key) => [key, {}]));
  const keyed = (key: object) => [`k:${JSON.stringify(key)}`, applied];
  const managedFields = [
    {
      manager: 'kubectl',
      operation: 'Apply',
      apiVersion: 'criu.org/v1',
      time: '2026-11-21T10:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { 'f:team': {} } },
        'f:spec': {
          'f:namespacePolicies': Object.fromEntries([keyed({ namespace })]),
          'f:podPolicies': Object.fromEntries(pods.map((pod) => keyed({ namespace, pod }))),
        },
      },
    },
  ];
  const metadata = {
    namespace,
    uid,
    creationTimestamp: '2026-11-21T10:00:00Z',
    generation: 1,
    managedFields,
  };
  const kind = { group: 'criu.org', version: 'v1', kind: 'CheckpointRestoreOperator' };
  const resource = { group: 'criu.org', version: 'v1', resource: 'checkpointrestoreoperators' };
  return admissionReview(policy(spec, { ...metadata, labels: { team: namespace } }), {
    uid,
    namespace,
    requestKind: kind,
    requestResource: resource,
    userInfo: { username: 'ada@example.com', uid: 'u-1', groups: ['team', 'system:authenticated'] },
    oldObject: null,
    options: { kind: 'PatchOptions', apiVersion: 'meta.k8s.io/v1', force: true, fieldManager: 'kubectl' },
  });
}

/** What a controller with many groups asks; the rest of the bytes is its groups. */
function connectReview(index: number, bytes: number): Buffer {
  const review = (groups: readonly string[]) =>
    Buffer.from(
      JSON.stringify(
        connecting(`/checkpoint/team-${index % RESOURCES}/worker-${index}/main`, {
          uid: uidOf(index),
          userInfo: { username: 'ada', groups },
        }),
      ),
    );
  const group = `oidc:engineering-department-${index}`;
  const missing = bytes - review([]).length;
  const groups = Array.from(
    { length: Math.ceil(missing / (group.length + 6)) },
    (_, each) => `${group}-${each}`,
  );
  return review(groups);
}

function uidOf(index: number): string {
  return `0a1b2c3d-4e5f-6789-abcd-${index.toString(16).padStart(12, '0')}`;
}
