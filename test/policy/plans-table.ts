import { readResource } from '../../policy/read.ts';
import type { Archive, Disk, PolicyResource } from '../../policy/types.ts';
import { archive, DAY, document, GI, HOUR, identity, MI, MINUTE, NOW, resource } from './build.ts';

/** A directory and its policies; what is to go and why stands in golden/NAME.txt. */
export interface Row {
  readonly name: string;
  readonly resources: readonly PolicyResource[];
  readonly archives: readonly Archive[];
  readonly disk?: Disk;
}

const gone = (minutes: number) => ({ orphan: { since: NOW - minutes * MINUTE, why: 'absent' as const } });
const pinned = { pinned: true };
const disk = (usedGi: number): Disk => ({
  totalBytes: 100 * GI,
  freeBytes: (100 - usedGi) * GI,
  totalInodes: 1_000_000,
  freeInodes: 900_000,
});

function broken(spec: unknown): PolicyResource {
  const { resource: held } = readResource(document(spec, { name: 'broken' }), { authority: 'administrator' });
  if (held === null) throw new Error('no resource at all');
  return held;
}

export const ROWS: readonly Row[] = [
  {
    name: 'global-levels',
    resources: [
      resource({
        globalPolicy: {
          maxCheckpointsPerContainer: 2,
          maxCheckpointsPerPod: 3,
          maxCheckpointsPerNamespace: 4,
          maxCheckpointSize: '50Mi',
        },
      }),
    ],
    archives: [
      archive('shop/cart/main', 1),
      archive('shop/cart/main', 2),
      archive('shop/cart/main', 3),
      archive('shop/cart/side', 4),
      archive('shop/cart/side', 5),
      archive('shop/web/main', 1, pinned),
      archive('shop/web/main', 9, pinned),
      archive('shop/web/main', 8, { bytes: 60 * MI }),
      archive('other/cart/main', 1),
      archive('other/cart/main', 30),
    ],
  },
  {
    name: 'precedence',
    resources: [
      resource({
        globalPolicy: { maxCheckpointsPerNamespace: 1 },
        namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 2 }],
        podPolicies: [{ namespace: 'shop', pod: 'cart', maxCheckpoints: 2 }],
        containerPolicies: [{ namespace: 'shop', pod: 'cart', container: 'main', maxTotalSize: '25Mi' }],
      }),
    ],
    archives: [
      ...[1, 2, 3].map((hours) => archive('shop/cart/main', hours)),
      ...[1, 2, 3].map((hours) => archive('shop/cart/side', hours)),
      ...[1, 2].map((hours) => archive('shop/web/main', hours)),
      archive('shop/db/main', 3),
      ...[1, 2].map((hours) => archive('other/cart/main', hours)),
    ],
  },
  {
    name: 'forensics',
    resources: [
      resource({
        tainted: 'Delete',
        orphanGracePeriod: '10m',
        globalPolicy: {
          maxCheckpointsPerContainer: 3,
          timeThreshold: '40d',
          maxCheckpointSize: '1Gi',
          keepLast: 2,
          retainOrphan: false,
        },
      }),
    ],
    archives: [
      archive('shop/cart/main', 1, { bytes: 2 * GI }),
      archive('shop/cart/main', 24 * 41),
      archive('shop/cart/main', 24 * 42),
      archive('shop/cart/main', 24 * 43, pinned),
      archive('shop/web/main', 2, gone(20)),
      archive('shop/web/main', 3, { ...gone(20), ...pinned }),
      archive('shop/web/main', 4, gone(9)),
      archive('shop/web/main', 5, { orphan: { since: NOW - HOUR, why: 'replaced' } }),
      archive('shop/db/main', 1, { staleTailBytes: 8_808_038 }),
      archive('shop/db/main', 2, { staleTailBytes: 512, ...pinned }),
      archive('shop/db/main', 0, { state: 'growing' }),
      archive('shop/db/main', 3, { state: 'growing', ...pinned }),
    ],
  },
  {
    name: 'tenant-tightens',
    resources: [
      resource({ globalPolicy: { maxCheckpointsPerNamespace: 4, timeThreshold: '40d' } }),
      resource(
        {
          podPolicies: [
            { namespace: 'shop', pod: 'noisy', maxCheckpoints: 2 },
            { namespace: 'shop', pod: 'cart', keepLast: 5, timeThreshold: '50d' },
          ],
        },
        { namespace: 'shop', name: 'own', authority: 'tenant' },
      ),
    ],
    archives: [
      ...[1, 2, 3, 4].map((hours) => archive('shop/noisy/main', hours)),
      archive('shop/cart/main', 24 * 30),
      archive('shop/cart/main', 24 * 39),
      archive('shop/cart/main', 24 * 45),
      ...[1, 2, 3, 4, 5].map((hours) => archive('other/noisy/main', hours)),
    ],
  },
  {
    name: 'unidentified',
    resources: [
      resource({
        globalPolicy: { maxCheckpointsPerNamespace: 1 },
        unidentified: { timeThreshold: '1d', maxTotalSize: '25Mi' },
      }),
    ],
    archives: [
      ...[1, 2, 3].map((hours) =>
        archive(null, hours, { unidentifiedBecause: 'its spec.dump names no pod' }),
      ),
      archive(null, 30, { unidentifiedBecause: 'it ends in the middle of a member' }),
      archive(null, 31, {
        ...pinned,
        unidentifiedBecause: 'podman wrote it, which names no namespace and no pod',
      }),
      archive(null, 0, { state: 'growing' }),
    ],
  },
  {
    name: 'names-alike',
    resources: [
      resource({
        namespacePolicies: [{ namespace: 'team', maxCheckpoints: 1 }],
        podPolicies: [{ namespace: 'a', pod: 'twin', maxCheckpoints: 1 }],
        containerPolicies: [{ namespace: 'a-b', pod: 'twin', container: 'd', maxCheckpoints: 1 }],
      }),
    ],
    archives: [
      ...['team', 'team-prod'].flatMap((namespace) =>
        [1, 2].map((hours) => archive(`${namespace}/cart/main`, hours)),
      ),
      ...[1, 2].map((hours) => archive('a/twin/b-c', hours)),
      ...[3, 4].map((hours) => archive('a-b/twin/c', hours)),
    ],
  },
  {
    name: 'with-errors',
    resources: [
      resource({ globalPolicy: { maxCheckpointsPerContainer: 1 } }),
      broken({
        tainted: 'Delete',
        namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1, maxCheckpointSize: '10MB' }],
      }),
    ],
    archives: [
      ...[1, 2].map((hours) => archive('shop/cart/main', hours, { staleTailBytes: 1 })),
      ...[1, 2].map((hours) => archive('other/cart/main', hours)),
    ],
  },
  {
    name: 'pressure',
    disk: disk(92),
    resources: [
      resource({
        globalPolicy: { maxCheckpointsPerContainer: 9, keepLast: 1, diskPressure: {} },
        podPolicies: [{ namespace: 'flood', pod: 'job', keepLast: 2 }],
      }),
    ],
    archives: [
      ...[10, 11, 12, 13, 14, 15].map((hours) => archive('flood/job/main', hours, { bytes: 2 * GI })),
      archive('shop/cart/main', 1, { bytes: 2 * GI, ...gone(30) }),
      archive('shop/cart/main', 2, { bytes: 2 * GI }),
      archive('shop/cart/main', 90, { bytes: 2 * GI }),
      archive('shop/cart/main', 91, { bytes: 2 * GI, ...pinned }),
      archive('team/web/main', 200, { bytes: GI }),
      archive('team/web/main', 201, { bytes: GI }),
      archive('team/web/main', 202, { bytes: GI, allocatedBytes: 0 }),
      archive(null, 300, { bytes: GI }),
    ],
  },
  {
    name: 'pressure-of-others',
    disk: disk(97),
    resources: [
      resource({
        globalPolicy: {
          maxCheckpointsPerContainer: 9,
          keepLast: 1,
          diskPressure: { highWatermark: '90%', minFree: '20Gi' },
        },
      }),
    ],
    archives: [
      archive('shop/cart/main', 1, { bytes: GI }),
      archive('shop/cart/main', 2, { bytes: GI }),
      archive('shop/web/main', 3, { bytes: GI, ...pinned }),
    ],
  },
  {
    name: 'under-way',
    resources: [
      resource({
        globalPolicy: { maxCheckpointsPerContainer: 2, keepLast: 1 },
        podPolicies: [{ namespace: 'shop', pod: 'web', maxCheckpoints: 1, keepLast: 1 }],
      }),
    ],
    archives: [
      archive('shop/cart/main', 1),
      archive('shop/cart/main', 2),
      { ...archive('shop/cart/main', 0, { state: 'reserved' }), file: '(promised to a request)' },
      archive('shop/web/main', 5),
      { ...archive('shop/web/main', 0, { state: 'reserved' }), file: '(promised to another)' },
    ],
  },
  {
    name: 'future-and-ties',
    resources: [resource({ globalPolicy: { maxCheckpointsPerContainer: 2, timeThreshold: '40d' } })],
    archives: [
      archive('shop/cart/main', -5, { file: 'checkpoint-b.tar' }),
      archive('shop/cart/main', -9, { file: 'checkpoint-a.tar' }),
      archive('shop/cart/main', -1, { file: 'checkpoint-c.tar' }),
      archive('shop/web/main', 0, { file: 'checkpoint-f.tar', modifiedAt: NOW - 40 * DAY }),
      archive('shop/web/main', 0, { file: 'checkpoint-g.tar', modifiedAt: NOW - 40 * DAY - 1 }),
      { ...archive('shop/db/main', 3), file: 'checkpoint-j.tar' },
      { ...archive('shop/db/main', 3), file: 'checkpoint-h.tar' },
      {
        ...archive('shop/db/main', 3),
        file: 'checkpoint-i.tar',
        identity: { ...identity('shop/db/main'), podUid: 'x' },
      },
    ],
  },
];
