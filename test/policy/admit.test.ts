import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admit } from '../../policy/admit.ts';
import { PolicySet } from '../../policy/govern.ts';
import { readResource } from '../../policy/read.ts';
import type { Disk, PolicyResource, Reservation, Usage, Verdict } from '../../policy/types.ts';
import { archive, document, GI, identity, MI, NOW, policies, resource, SECOND } from './build.ts';
import { assertGolden } from './golden.ts';

const REQUEST = { namespace: 'shop', pod: 'cart', container: 'main', expectedBytes: 10 * MI };
const EMPTY: Usage = { archives: [], reservations: [] };
const DISK: Disk = { totalBytes: 100 * GI, freeBytes: GI, totalInodes: 0, freeInodes: 0 };

function underWay(path: string, bytes = 10 * MI): Reservation {
  const { namespace, pod, container } = identity(path);
  return { id: path, namespace, pod, container, bytes, since: NOW - SECOND };
}

const pod = (policy: object, about = {}) =>
  resource({ podPolicies: [{ namespace: 'shop', pod: 'cart', ...policy }] }, about);
const tenant = { namespace: 'shop', name: 'own', authority: 'tenant' } as const;
const two = [archive('shop/cart/main', 1), archive('shop/cart/main', 2)];
const pinned = two.map((each) => ({ ...each, pinned: true }));

interface Row {
  readonly name: string;
  readonly resources: readonly PolicyResource[];
  readonly usage?: Partial<Usage>;
  readonly expectedBytes?: number;
  /** `507 count spec.podPolicies[0].maxCheckpoints`, and `retry N` where there is a Retry-After; or what is evicted. */
  readonly wanted: string;
}

const ROWS: readonly Row[] = [
  { name: 'nothing governs it', resources: [], usage: { archives: two }, wanted: 'admitted' },
  {
    name: 'denied',
    resources: [pod({ checkpointing: 'Deny', maxCheckpoints: 5 })],
    wanted: '403 denied spec.podPolicies[0].checkpointing',
  },
  {
    name: 'denied by the tenant where the administrator allows it',
    resources: [pod({ maxCheckpoints: 5 }), pod({ checkpointing: 'Deny' }, tenant)],
    wanted: '403 denied spec.podPolicies[0].checkpointing',
  },
  {
    name: 'denied for the namespace, allowed for the pod',
    resources: [
      resource({
        namespacePolicies: [{ namespace: 'shop', checkpointing: 'Deny' }],
        podPolicies: [{ namespace: 'shop', pod: 'cart', maxCheckpoints: 5 }],
      }),
    ],
    wanted: 'admitted',
  },
  {
    name: 'too soon',
    resources: [pod({ minInterval: '1m' })],
    usage: { lastStarted: NOW - 10_500 },
    wanted: '429 interval spec.podPolicies[0].minInterval retry 50',
  },
  {
    name: 'a clock set back',
    resources: [pod({ minInterval: '1m' })],
    usage: { lastStarted: NOW + 3_600_000 },
    wanted: '429 interval spec.podPolicies[0].minInterval retry 60',
  },
  {
    name: 'just late enough',
    resources: [pod({ minInterval: '1m' })],
    usage: { lastStarted: NOW - 60_000 },
    wanted: 'admitted',
  },
  { name: 'the first one', resources: [pod({ minInterval: '1m' })], wanted: 'admitted' },
  {
    name: 'one at a time',
    resources: [pod({ maxConcurrent: 1 })],
    usage: { reservations: [underWay('shop/cart/side')] },
    wanted: '429 concurrency spec.podPolicies[0].maxConcurrent retry 5',
  },
  {
    name: 'those of another pod do not count',
    resources: [pod({ maxConcurrent: 1 })],
    usage: { reservations: [underWay('shop/web/main')] },
    wanted: 'admitted',
  },
  {
    name: 'all together across namespaces',
    resources: [resource({ globalPolicy: { maxConcurrent: 2, maxCheckpointsPerPod: 9 } })],
    usage: { reservations: [underWay('shop/web/main'), underWay('team/web/main')] },
    wanted: '429 concurrency spec.globalPolicy.maxConcurrent retry 5',
  },
  {
    name: 'too large',
    resources: [pod({ maxCheckpointSize: '8Mi' })],
    wanted: '507 size spec.podPolicies[0].maxCheckpointSize',
  },
  {
    name: 'too large for the floor to help',
    resources: [pod({ maxCheckpointSize: '8Mi', keepLast: 1 })],
    wanted: '507 size spec.podPolicies[0].maxCheckpointSize',
  },
  {
    name: 'by a byte',
    resources: [pod({ maxCheckpointSize: '10Mi' })],
    expectedBytes: 10 * MI + 1,
    wanted: '507 size spec.podPolicies[0].maxCheckpointSize',
  },
  {
    name: 'full, the oldest goes',
    resources: [pod({ maxCheckpoints: 2 })],
    usage: { archives: two },
    wanted: 'admitted, 0002h goes',
  },
  {
    name: 'full, rejected',
    resources: [pod({ maxCheckpoints: 2, whenFull: 'RejectNew' })],
    usage: { archives: two },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'full with one under way',
    resources: [pod({ maxCheckpoints: 3, whenFull: 'RejectNew' })],
    usage: { archives: two, reservations: [underWay('shop/cart/side')] },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'an inventory that holds the promises, too',
    resources: [pod({ maxCheckpoints: 4, whenFull: 'RejectNew' })],
    usage: {
      archives: [...two, archive('shop/cart/side', 0, { state: 'reserved' })],
      reservations: [underWay('shop/cart/side')],
    },
    wanted: 'admitted',
  },
  {
    name: 'a total, rejected',
    resources: [pod({ maxTotalSize: '25Mi', whenFull: 'RejectNew' })],
    usage: { archives: two },
    wanted: '507 total spec.podPolicies[0].maxTotalSize',
  },
  {
    name: 'a total, evicted',
    resources: [pod({ maxTotalSize: '25Mi' })],
    usage: { archives: two },
    wanted: 'admitted, 0002h goes',
  },
  {
    name: 'larger than all together may be',
    resources: [pod({ maxTotalSize: '8Mi' })],
    usage: { archives: two },
    wanted: '507 total spec.podPolicies[0].maxTotalSize',
  },
  {
    name: 'pins fill it',
    resources: [pod({ maxCheckpoints: 2 })],
    usage: { archives: pinned },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'pins fill it, and the floor would hold the newcomer',
    resources: [pod({ maxCheckpoints: 2, keepLast: 1 })],
    usage: { archives: pinned },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'the floor is as high as the count: the oldest goes when the new one has come',
    resources: [pod({ maxCheckpoints: 2, keepLast: 2 })],
    usage: { archives: two },
    wanted: 'admitted',
  },
  {
    name: 'the same, rejected',
    resources: [pod({ maxCheckpoints: 2, keepLast: 2, whenFull: 'RejectNew' })],
    usage: { archives: two },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'the floor holds an old one until the new one has come, and RejectNew does not wait',
    resources: [pod({ maxCheckpoints: 2, keepLast: 1, timeThreshold: '1d', whenFull: 'RejectNew' })],
    usage: { archives: [archive('shop/cart/main', 30), archive('shop/cart/side', 3)] },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'another would go while the floor still holds an old one of this',
    resources: [pod({ maxCheckpoints: 3, keepLast: 1, timeThreshold: '1d', whenFull: 'RejectNew' })],
    usage: {
      archives: [archive('shop/cart/main', 30), archive('shop/cart/side', 3), archive('shop/cart/side', 4)],
    },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: 'room made by age',
    resources: [pod({ maxCheckpoints: 2, timeThreshold: '1d', whenFull: 'RejectNew' })],
    usage: { archives: [archive('shop/cart/main', 1), archive('shop/cart/main', 30)] },
    wanted: 'admitted, 0030h goes',
  },
  {
    name: 'what goes elsewhere is left to its own time',
    resources: [resource({ globalPolicy: { maxCheckpointsPerContainer: 1 } })],
    usage: {
      archives: [archive('shop/cart/main', 1), archive('shop/web/main', 3), archive('shop/web/main', 4)],
    },
    wanted: 'admitted, 0001h goes',
  },
  {
    name: 'the level that is full is named',
    resources: [
      resource({
        globalPolicy: {
          maxCheckpointsPerContainer: 9,
          maxCheckpointsPerPod: 8,
          maxCheckpointsPerNamespace: 2,
          whenFull: 'RejectNew',
        },
      }),
    ],
    usage: { archives: two },
    wanted: '507 count spec.globalPolicy.maxCheckpointsPerNamespace',
  },
  {
    name: 'the administrator evicts, the tenant rejects',
    resources: [pod({ maxCheckpoints: 9 }), pod({ maxCheckpoints: 2, whenFull: 'RejectNew' }, tenant)],
    usage: { archives: two },
    wanted: '507 count spec.podPolicies[0].maxCheckpoints',
  },
  {
    name: "the tenant evicts his own before the administrator's limit is reached",
    resources: [pod({ maxCheckpoints: 2, whenFull: 'RejectNew' }), pod({ maxCheckpoints: 2 }, tenant)],
    usage: { archives: two },
    wanted: 'admitted, 0002h goes',
  },
  {
    name: 'another namespace is full',
    resources: [resource({ globalPolicy: { maxCheckpointsPerNamespace: 2, whenFull: 'RejectNew' } })],
    usage: { archives: two.map((each) => ({ ...each, identity: identity('shop-prod/cart/main') })) },
    wanted: 'admitted',
  },
  {
    name: 'no room on the disk',
    resources: [],
    usage: { disk: { ...DISK, freeBytes: 20 * MI } },
    wanted: '507 disk ',
  },
  {
    name: 'room for one, but not beside those under way',
    resources: [],
    usage: { disk: { ...DISK, freeBytes: 40 * MI }, reservations: [underWay('team/web/main')] },
    wanted: '507 disk ',
  },
  {
    name: 'room on the disk once the oldest has gone',
    resources: [pod({ maxCheckpoints: 2 })],
    usage: { archives: two, disk: { ...DISK, freeBytes: 25 * MI } },
    wanted: 'admitted, 0002h goes',
  },
];

function summary(verdict: Verdict): string {
  if (verdict.admitted) {
    const files = verdict.evict.map((each) => /(\d+h)\.tar/.exec(each.archive.file)?.[1]);
    return files.length === 0 ? 'admitted' : `admitted, ${files.join(' and ')} goes`;
  }
  const retry = verdict.retryAfterSeconds === undefined ? '' : ` retry ${verdict.retryAfterSeconds}`;
  return `${verdict.status} ${verdict.because} ${verdict.field}${retry}`;
}

function verdictOf({ resources, usage, expectedBytes = REQUEST.expectedBytes }: Row): Verdict {
  return admit({ ...REQUEST, expectedBytes }, { ...EMPTY, ...usage }, new PolicySet(resources), NOW);
}

for (const row of ROWS) {
  test(`admit: ${row.name}`, () => assert.equal(summary(verdictOf(row)), row.wanted));
}

test('what somebody who is refused reads', () => {
  const refusals = ROWS.flatMap((row) => {
    const verdict = verdictOf(row);
    return verdict.admitted ? [] : [`# ${row.name}\n  ${verdict.status} ${verdict.message}\n`];
  });
  assertGolden('refusals.txt', refusals.join('\n'));
});

test('a refusal names the container, the policy and what to do', () => {
  for (const row of ROWS) {
    const verdict = verdictOf(row);
    if (verdict.admitted) continue;
    assert.match(verdict.message, /shop\/cart\/main/);
    assert.match(verdict.message, /; [a-z ]+/, 'a remedy');
    if (verdict.policy === null) continue;
    assert.ok(
      verdict.message.includes(
        `in ${verdict.policy.resource.reference.namespace}/${verdict.policy.resource.reference.name}`,
      ),
    );
    assert.ok(verdict.message.includes(verdict.field.slice(verdict.field.lastIndexOf('.') + 1)));
  }
});

test('a resource with errors still denies, and admits what it would only limit', () => {
  const spec = {
    podPolicies: [{ namespace: 'shop', pod: 'cart', checkpointing: 'Deny', maxCheckpointSize: '10MB' }],
  };
  const { resource: broken } = readResource(document(spec), { authority: 'administrator' });
  assert.ok(broken && !broken.sound);
  assert.equal(
    summary(admit(REQUEST, EMPTY, policies(broken), NOW)),
    '403 denied spec.podPolicies[0].checkpointing',
  );
});
