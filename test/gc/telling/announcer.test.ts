import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Announcer } from '../../../gc/telling/announcer.ts';
import type { EventNews } from '../../../kube/events.ts';
import type { AuditRecord } from '../../../observe/audit.ts';
import { archive, policies, resource } from '../../policy/build.ts';

const quotas = resource({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] });
let told: EventNews[];
let recorded: AuditRecord[];
let announcer: Announcer;

beforeEach(() => {
  [told, recorded] = [[], []];
  announcer = new Announcer({
    events: { tell: (news) => told.push(news) },
    node: 'node-a',
    policies: () => policies(quotas),
  });
});

const lines = () =>
  told.map(
    ({ about, type, reason, note }) =>
      `${about.kind} ${about.namespace}/${about.name} ${type} ${reason}: ${note}`,
  );

function audit(
  operation: AuditRecord['operation'],
  metadata: AuditRecord['metadata'],
  pod: string | null = 'cart',
) {
  const audited = announcer.over({ record: (each) => recorded.push(each), lost: 3 });
  assert.equal(audited.lost, 3);
  const where = { node: 'node-a', directory: '/var/lib/kubelet/checkpoints', file: 'secret.tar' };
  const whose = { namespace: pod && 'shop', pod, container: pod && 'main', podUid: pod && 'uid-cart' };
  audited.record({ operation, timestamp: 'T', resource: { ...where, ...whose }, metadata });
  assert.equal(recorded.length, 1);
}

const deleted = {
  by: 'checkpoint-warden',
  rule: 'count',
  policy: 'namespace/shop',
  resource: 'ops/quotas',
  reason: '/var/lib/x',
};

test('a deletion is told the policy and the pod, without a path', () => {
  audit('delete', deleted);
  assert.deepEqual(lines(), [
    'CheckpointRestoreOperator ops/quotas Normal CheckpointDeleted: on node node-a archives were deleted: there were more than the policy keeps (policy namespace/shop)',
    'Pod shop/cart Normal CheckpointDeleted: an archive of container main was deleted: there were more than the policy keeps (policy namespace/shop of ops/quotas)',
  ]);
  assert.equal(told[1]?.about.uid, 'uid-cart');
});

const rows: readonly (readonly [name: string, () => void, readonly string[]])[] = [
  [
    'an eviction for the disk',
    () => audit('delete', { ...deleted, rule: 'pressure' }),
    ['CheckpointEvicted', 'CheckpointEvicted'],
  ],
  [
    'an orphan, whose pod is gone',
    () => audit('delete', { ...deleted, rule: 'orphan' }),
    ['CheckpointDeleted'],
  ],
  [
    'one that nobody can attribute',
    () => audit('delete', { ...deleted, rule: 'unidentified', policy: null }, null),
    ['CheckpointDeleted'],
  ],
  ['a deletion by others', () => audit('delete', { by: 'others' }), []],
  [
    'a policy that is gone',
    () => audit('delete', { ...deleted, resource: 'ops/gone' }),
    ['CheckpointDeleted'],
  ],
  ['an archive that came', () => audit('create', { bytes: 1 }), []],
  ['a checkpoint that was taken', () => audit('request', { verdict: 'allowed', reason: null }), []],
  ['one without the right', () => audit('request', { reason: 'forbidden', message: 'no' }), []],
  [
    'one over a quota',
    () => audit('request', { reason: 'count', message: 'no', resource: 'ops/quotas', field: 'f' }),
    ['CheckpointRefused'],
  ],
  [
    'one that froze the container',
    () => audit('request', { reason: 'frozen', message: 'no' }),
    ['CheckpointFailed'],
  ],
  ['a tainted archive', () => announcer.tainted(archive('shop/cart/main', 1)), ['CheckpointTainted']],
  ['one of nobody', () => announcer.tainted(archive(null, 1)), []],
];
for (const [name, act, reasons] of rows) {
  test(name, () => {
    act();
    assert.deepEqual(
      told.map(({ reason }) => reason),
      reasons,
    );
  });
}

test('refusals whose figures differ are the same again, those by another limit are not', () => {
  const keys = [
    { reason: 'count', message: '5 of 5', field: 'a' },
    { reason: 'count', message: '6 of 5', field: 'a' },
    { reason: 'count', message: '6 of 5', field: 'b' },
  ].map((metadata) => {
    recorded = [];
    audit('request', metadata);
    return told.at(-1)?.key;
  });
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test('a limit that stays broken is told its policy', () => {
  const [policy = null] = quotas.rules;
  announcer.blocked({ policy, limit: 'count', of: 'namespace shop', heldBy: [], message: 'all are pinned' });
  announcer.blocked({ policy, limit: 'pressure', of: 'the disk', heldBy: [], message: 'the disk is full' });
  announcer.blocked({ policy: null, limit: 'count', of: 'x', heldBy: [], message: 'x' });
  assert.deepEqual(lines(), [
    'CheckpointRestoreOperator ops/quotas Warning LimitBlocked: on node node-a: all are pinned',
    'CheckpointRestoreOperator ops/quotas Warning DiskPressure: on node node-a: the disk is full',
  ]);
});
