import { type PolicyRow, row } from './row.ts';

/** What the public operator ships and its proposal shows, value for value. */
export const SAMPLES: readonly PolicyRow[] = [
  row(
    "the public operator's sample, whose sizes lack their suffix",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: false
globalPolicy:
  retainOrphan: true
  maxCheckpointsPerNamespace: 50
  maxCheckpointsPerPod: 30
  maxCheckpointsPerContainer: 10
  maxCheckpointSize: 10
  maxTotalSizePerNamespace: 1000
  maxTotalSizePerPod: 500
  maxTotalSizePerContainer: 100
containerPolicies:
  - {namespace: <namespace>, pod: <pod_name>, container: <container_name>, maxCheckpoints: 5, maxCheckpointSize: 6, maxTotalSize: 100}
podPolicies:
  - {namespace: <namespace>, pod: <pod_name>, maxCheckpoints: 10, maxCheckpointSize: 10, maxTotalSize: 500}
namespacePolicies:
  - {namespace: <namespace>, maxCheckpoints: 15, maxCheckpointSize: 10, maxTotalSize: 1000}
`,
    {
      says: 'did you mean 10Mi?',
      errors: [
        'sizeTooSmall spec.globalPolicy.maxCheckpointSize',
        'sizeTooSmall spec.globalPolicy.maxTotalSizePerContainer',
        'sizeTooSmall spec.globalPolicy.maxTotalSizePerPod',
        'sizeTooSmall spec.globalPolicy.maxTotalSizePerNamespace',
        'badName spec.namespacePolicies[0].namespace',
        'sizeTooSmall spec.namespacePolicies[0].maxCheckpointSize',
        'sizeTooSmall spec.namespacePolicies[0].maxTotalSize',
        'badName spec.podPolicies[0].namespace',
        'badName spec.podPolicies[0].pod',
        'sizeTooSmall spec.podPolicies[0].maxCheckpointSize',
        'sizeTooSmall spec.podPolicies[0].maxTotalSize',
        'badName spec.containerPolicies[0].namespace',
        'badName spec.containerPolicies[0].pod',
        'badName spec.containerPolicies[0].container',
        'sizeTooSmall spec.containerPolicies[0].maxCheckpointSize',
        'sizeTooSmall spec.containerPolicies[0].maxTotalSize',
      ],
    },
  ),
  row(
    "the sample of the public operator's guide",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: false
globalPolicy:
  retainOrphan: true
  maxCheckpointsPerNamespace: 50
  maxCheckpointsPerPod: 30
  maxCheckpointsPerContainer: 10
`,
  ),
  row(
    "the public operator's first sample, of before its CRD had policies",
    `
maxCheckpointsPerContainer: 5
checkpointDirectory: /var/lib/kubelet/checkpoints
`,
    { errors: ['unknownField spec.maxCheckpointsPerContainer'], warnings: ['nothingLimited spec'] },
  ),
  row(
    "the public operator's test of counts",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: true
globalPolicy:
  maxCheckpointsPerNamespace: 10
  maxCheckpointsPerPod: 10
  maxCheckpointsPerContainer: 5
containerPolicies:
  - {namespace: namespace, pod: podname, container: containername, maxCheckpoints: 2}
`,
  ),
  row(
    "the public operator's test of sizes",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: true
globalPolicy:
  maxCheckpointSize: "4Mi"
  maxTotalSizePerNamespace: "1Gi"
  maxTotalSizePerPod: "500Mi"
  maxTotalSizePerContainer: "100Mi"
containerPolicies:
  - {namespace: "namespace", pod: "podname", container: "containername", maxCheckpointSize: "6Mi", maxTotalSize: "12Mi"}
`,
    { warnings: ['noBuiltInCounts spec.globalPolicy'] },
  ),
  row(
    "the public operator's test of orphans",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: true
globalPolicy:
  retainOrphan: true
containerPolicies:
  - {namespace: namespace, pod: podname, container: containername, retainOrphan: false}
`,
    { warnings: ['noBuiltInCounts spec.globalPolicy'] },
  ),
  row(
    "the public operator's later test of an external store, which is none of this project's",
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: true
globalPolicy:
  maxCheckpointsPerNamespace: 50
  maxCheckpointsPerPod: 50
  maxCheckpointsPerContainer: 50
  uploadToExternalStorage: true
externalStorage:
  backend: s3
  bucket: checkpoints
  endpoint: http://minio.checkpoint-restore-operator:9000
  region: us-east-1
  secretRef: {name: checkpoint-storage-credentials}
`,
    {
      errors: ['unknownField spec.externalStorage', 'unknownField spec.globalPolicy.uploadToExternalStorage'],
    },
  ),
  row(
    "the proposal's sample",
    `
globalPolicy:
  checkpointDirectory: /var/lib/kubelet/checkpoints
  deleteOrphanedCheckpoint: true
  timeThreshold: 40d
  maxCheckpointsPerContainer: 10
  maxCheckpointsPerPod: 20
  maxCheckpointsPerNamespace: 30
containerPolicies:
  - {namespace: shop, pod: cart, container: main, deleteOrphanedCheckpoint: true, timeThreshold: 40d, maxCheckpoints: 5, maxCheckpointSize: 500Mi, maxTotalSize: 2Gi}
`,
  ),
  row(
    'every field of the public operator',
    `
checkpointDirectory: /var/lib/kubelet/checkpoints
applyPoliciesImmediately: true
globalPolicy:
  retainOrphan: false
  maxCheckpointsPerContainer: 10
  maxCheckpointsPerPod: 20
  maxCheckpointsPerNamespace: 30
  maxCheckpointSize: 100Mi
  maxTotalSizePerContainer: 500Mi
  maxTotalSizePerPod: 1Gi
  maxTotalSizePerNamespace: 2Gi
containerPolicies:
  - {namespace: shop, pod: cart, container: main, retainOrphan: true, maxCheckpoints: 5, maxCheckpointSize: 100Mi, maxTotalSize: 400Mi}
podPolicies:
  - {namespace: shop, pod: cart, retainOrphan: true, maxCheckpoints: 10, maxCheckpointSize: 100Mi, maxTotalSize: 800Mi}
namespacePolicies:
  - {namespace: shop, retainOrphan: true, maxCheckpoints: 15, maxCheckpointSize: 100Mi, maxTotalSize: 1000Mi}
`,
  ),
];
