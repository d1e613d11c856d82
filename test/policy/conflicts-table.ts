import { PolicyCatalog } from '../../policy/catalog.ts';
import type { Finding } from '../../policy/types.ts';
import { judge, trespassFindings } from '../../policy/validate.ts';
import { type About, document, resource } from './build.ts';

/** A resource beside others; what is said of it stands in golden/conflicts.txt. */
export interface Row {
  readonly name: string;
  readonly findings: () => readonly Finding[];
}

type Written = readonly [spec: unknown, about?: About];

function beside(name: string, others: readonly Written[], [spec, about = {}]: Written): Row {
  const { authority = 'administrator', file } = about;
  return {
    name,
    findings: () => {
      const catalog = new PolicyCatalog(others.map((other) => resource(...other)));
      return judge(document(spec, about), catalog, { authority, ...(file !== undefined && { file }) })
        .findings;
    },
  };
}

const namespaced = (namespace: string, policy: object) => ({ namespacePolicies: [{ namespace, ...policy }] });
const COUNTS = { maxCheckpointsPerContainer: 10, maxCheckpointsPerPod: 20, maxCheckpointsPerNamespace: 30 };
const TENANT: About = { namespace: 'shop', name: 'own', authority: 'tenant' };
const ADMINISTRATOR: About = { namespace: 'ops', name: 'quotas', authority: 'administrator' };
const RULING = {
  globalPolicy: {
    ...COUNTS,
    maxCheckpointSize: '1Gi',
    maxTotalSizePerNamespace: '1500M',
    timeThreshold: '40d',
    minInterval: '90s',
    maxConcurrent: 2,
    retainOrphan: false,
  },
};

export const CONFLICTS: readonly Row[] = [
  beside(
    'one namespace, two resources',
    [[namespaced('shop', { maxCheckpoints: 3 }), { name: 'first' }]],
    [namespaced('shop', { maxCheckpoints: 5 }), { name: 'second' }],
  ),
  beside(
    'the same, from files',
    [[namespaced('shop', { maxCheckpoints: 3 }), { name: 'first', file: 'a.yaml' }]],
    [namespaced('shop', { maxCheckpoints: 5 }), { name: 'second', file: 'b.yaml' }],
  ),
  beside(
    'one container twice in one resource',
    [],
    [
      {
        containerPolicies: [1, 2].map((maxCheckpoints) => ({
          namespace: 'shop',
          pod: 'cart',
          container: 'main',
          maxCheckpoints,
        })),
      },
    ],
  ),
  beside(
    'names that only look alike',
    [[namespaced('team', { maxCheckpoints: 3 }), { name: 'first' }]],
    [
      {
        ...namespaced('team-prod', { maxCheckpoints: 3 }),
        podPolicies: [
          { namespace: 'a', pod: 'b-c', maxCheckpoints: 1 },
          { namespace: 'a-b', pod: 'c', maxCheckpoints: 1 },
        ],
      },
      { name: 'second' },
    ],
  ),
  beside(
    'a new version of the same resource',
    [[namespaced('shop', { maxCheckpoints: 3 })]],
    [namespaced('shop', { maxCheckpoints: 5 })],
  ),
  beside(
    'two global policies for one directory',
    [[{ globalPolicy: COUNTS }, { name: 'first' }]],
    [{ globalPolicy: COUNTS }, { name: 'second' }],
  ),
  beside(
    'two global policies for two directories',
    [[{ globalPolicy: COUNTS }, { name: 'first' }]],
    [{ checkpointDirectory: '/data/checkpoints', globalPolicy: COUNTS }, { name: 'second' }],
  ),
  beside(
    'two rules for unidentified archives',
    [[{ unidentified: { timeThreshold: '1d' } }, { name: 'first' }]],
    [{ unidentified: { timeThreshold: '2d' } }, { name: 'second' }],
  ),
  beside(
    'a directory inside another',
    [[{ globalPolicy: COUNTS }, { name: 'first' }]],
    [{ checkpointDirectory: '/var/lib/kubelet/checkpoints/old', globalPolicy: COUNTS }, { name: 'second' }],
  ),
  beside(
    'a directory around another',
    [[{ globalPolicy: COUNTS }, { name: 'first' }]],
    [{ checkpointDirectory: '/var/lib/kubelet', globalPolicy: COUNTS }, { name: 'second' }],
  ),
  beside(
    'a directory that only begins alike',
    [[{ globalPolicy: COUNTS }, { name: 'first' }]],
    [{ checkpointDirectory: '/var/lib/kubelet/checkpoints-old', globalPolicy: COUNTS }, { name: 'second' }],
  ),
  beside(
    "a tenant's directory inside does not stop an administrator",
    [
      [
        {
          checkpointDirectory: '/var/lib/kubelet/checkpoints/x',
          ...namespaced('shop', { maxCheckpoints: 1 }),
        },
        TENANT,
      ],
    ],
    [{ globalPolicy: COUNTS }, ADMINISTRATOR],
  ),
  beside(
    "a tenant and an administrator may both speak of the tenant's namespace",
    [[namespaced('shop', { maxCheckpoints: 5 }), ADMINISTRATOR]],
    [namespaced('shop', { maxCheckpoints: 5 }), TENANT],
  ),
  beside(
    "limits that another resource's broader policy has",
    [
      [
        {
          globalPolicy: {
            ...COUNTS,
            timeThreshold: '40d',
            maxCheckpointSize: '1Gi',
            maxTotalSizePerPod: '4Gi',
            checkpointing: 'Deny',
          },
        },
        { name: 'first' },
      ],
    ],
    [namespaced('shop', { maxCheckpoints: 5 }), { name: 'second' }],
  ),
  beside(
    'the next broader policy is the one that counts',
    [[{ globalPolicy: { ...COUNTS, timeThreshold: '40d' } }, { name: 'first' }]],
    [
      {
        ...namespaced('shop', { maxCheckpoints: 9, timeThreshold: '10d' }),
        podPolicies: [{ namespace: 'shop', pod: 'cart', maxCheckpoints: 1, timeThreshold: '10d' }],
      },
      { name: 'second' },
    ],
  ),
  beside(
    'a tenant who tightens',
    [[RULING, ADMINISTRATOR]],
    [
      namespaced('shop', {
        maxCheckpoints: 30,
        maxCheckpointSize: '1Gi',
        maxTotalSize: '1500M',
        timeThreshold: '40d',
        minInterval: '90s',
        maxConcurrent: 2,
        retainOrphan: false,
        keepLast: 5,
      }),
      TENANT,
    ],
  ),
  beside(
    'a tenant who loosens everything',
    [[RULING, ADMINISTRATOR]],
    [
      namespaced('shop', {
        maxCheckpoints: 31,
        maxCheckpointSize: '2Gi',
        maxTotalSize: '2Gi',
        timeThreshold: '41d',
        minInterval: '1m',
        maxConcurrent: 3,
        retainOrphan: true,
      }),
      TENANT,
    ],
  ),
  beside(
    'a tenant who loosens one container',
    [[RULING, ADMINISTRATOR]],
    [
      {
        containerPolicies: [
          {
            namespace: 'shop',
            pod: 'cart',
            container: 'main',
            maxCheckpoints: 11,
            deleteOrphanedCheckpoint: false,
          },
        ],
      },
      TENANT,
    ],
  ),
  beside(
    "a tenant's container beside an administrator's policy for his namespace",
    [[namespaced('shop', { maxCheckpoints: 4 }), ADMINISTRATOR]],
    [
      { containerPolicies: [{ namespace: 'shop', pod: 'cart', container: 'main', maxCheckpoints: 5 }] },
      TENANT,
    ],
  ),
  beside(
    'a tenant who leaves everything to the administrator',
    [[RULING, ADMINISTRATOR]],
    [namespaced('shop', { keepLast: 1 }), TENANT],
  ),
  {
    name: 'an author without the right',
    findings: () =>
      trespassFindings(
        {
          ...document({ globalPolicy: COUNTS, unidentified: {}, ...namespaced('other', {}) }, TENANT),
          metadata: {
            namespace: 'shop',
            name: 'own',
            annotations: { 'checkpoint.criu.org/authority': 'administrator' },
          },
        },
        'jane',
      ),
  },
];
