import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkpointColumns, verdictText } from '../../../cli/kubectl/columns.ts';
import { renderExplanation } from '../../../cli/kubectl/explain.ts';
import type { GoverningPolicy } from '../../../cli/kubectl/governing.ts';
import { sortKey, USUAL } from '../../../cli/kubectl/order.ts';
import { encodeList } from '../../../cli/kubectl/output.ts';
import { planJson, renderPlan } from '../../../cli/kubectl/plan.ts';
import { explained } from '../../../cli/kubectl/session.ts';
import { sumUp } from '../../../cli/kubectl/top.ts';
import { renderTable } from '../../../cli/table.ts';
import { checkpointIn } from '../../../kube/checkpoints.ts';
import { KubeError } from '../../../kube/error.ts';
import { archive, NOW } from './archives.ts';

const PIPE = { write: () => {}, isTerminal: false, hasColour: false, width: null };

const FIVE = [
  archive({ name: 'a', bytes: 100, old: 60 }),
  archive({ name: 'b', bytes: 300, old: 30, verdict: 'count' }),
  archive({ name: 'c', bytes: 200, old: 10, pinned: true, node: 'node2' }),
  archive({ name: 'd', bytes: 400, old: 20, namespace: 'farm', pod: 'cow', policy: null, tainted: true }),
  archive({ name: 'e', bytes: 0, old: 5, namespace: 'farm', pod: 'cow', verdict: null }),
];

suite('a table of archives', () => {
  test('has the columns of kubectl get, and more when wide', () => {
    const columns = checkpointColumns({ withNamespace: false, isWide: true, now: NOW });
    assert.equal(
      renderTable(columns, FIVE.slice(1, 3), PIPE),
      [
        'NAME   POD    CONTAINER   NODE    SIZE   AGE   POLICY           VERDICT          ARCHIVE            RUNTIME      REASON',
        'b      cart   main        node1   300B   30m   namespace/shop   delete (count)   checkpoint-b.tar   containerd   is one too many',
        'c      cart   main        node2   200B   10m   namespace/shop   keep, pinned     checkpoint-c.tar   containerd   is within the limits',
        '',
      ].join('\n'),
    );
  });

  test('says in a few words what is to be said of each', () => {
    assert.deepEqual(FIVE.map(verdictText), [
      'keep',
      'delete (count)',
      'keep, pinned',
      'keep, tainted',
      '<unknown>',
    ]);
  });

  test('goes on in the same columns', () => {
    const columns = checkpointColumns({ withNamespace: false, isWide: false, now: NOW });
    const widths = [10, 0, 0, 0, 0, 0, 0, 0];
    assert.match(renderTable(columns, FIVE.slice(0, 1), PIPE, { widths }), /^a {12}cart {3}main {8}node1 /);
    assert.equal(renderTable(columns, [], PIPE, { widths }), '');
  });

  test('shows names from outside as words', () => {
    const forged = checkpointIn({ metadata: { name: 'a\u001b[2J', namespace: 'x y' }, spec: {}, status: {} });
    const columns = checkpointColumns({ withNamespace: true, isWide: false, now: NOW });
    assert.match(renderTable(columns, [forged], PIPE), /\nx\\x20y +a\\x1b\[2J /);
  });
});

const ORDERS: readonly (readonly [key: string, names: string])[] = [
  ['name', 'abcde'],
  ['size', 'dbcae'],
  ['age', 'ecdba'],
  ['node', 'abdec'],
  ['.status.sizeBytes', 'eacbd'],
  ['{.metadata.name}', 'abcde'],
  ['.status.nothing', 'abcde'],
];

suite('the order', () => {
  for (const [key, names] of ORDERS) {
    test(key, () =>
      assert.equal(
        [...FIVE]
          .sort(sortKey(key))
          .map(({ name }) => name)
          .join(''),
        names,
      ),
    );
  }
  test('usually', () =>
    assert.equal(
      [...FIVE]
        .sort(USUAL)
        .map(({ name }) => name)
        .join(''),
      'deabc',
    ));
  for (const key of ['colour', '', '.', '.a[0]', '__proto__', 'constructor']) {
    test(`not ${JSON.stringify(key)}`, () => assert.throws(() => sortKey(key), /Write name, /));
  }
});

test('forms for programs', () => {
  const [first] = FIVE;
  assert.ok(first);
  assert.equal(encodeList([first], 'name'), 'checkpoint.checkpoint.criu.org/a\n');
  assert.deepEqual(JSON.parse(encodeList([first], 'json') ?? '').items, [first.object]);
  assert.match(encodeList([], 'yaml') ?? '', /^apiVersion: v1\nkind: List\n/);
  assert.equal(encodeList([first], 'wide'), null);
});

suite('plan', () => {
  test('shows what would go, and sums it up', () => {
    assert.equal(
      renderPlan(FIVE, { now: NOW, isWide: false }, PIPE),
      [
        'NAMESPACE   NAME   NODE    SIZE   AGE   RULE    POLICY           REASON',
        'shop        b      node1   300B   30m   count   namespace/shop   is one too many',
        '',
        '1 of 5 archives (1000B) would be deleted, which frees 300B; 1 pinned; of 1 no plan is known, for their nodes know no policies yet',
        '',
      ].join('\n'),
    );
  });
  test('says that nothing would go', () => {
    assert.equal(
      renderPlan(FIVE.slice(0, 1), { now: NOW, isWide: false }, PIPE),
      'nothing would be deleted of 1 archive (100B)\n',
    );
  });
  test('has a form for programs', () => {
    const json: unknown = JSON.parse(JSON.stringify(planJson(FIVE, NOW)));
    assert.ok(json instanceof Object && 'totals' in json);
    assert.deepEqual(json.totals, {
      ...{ archives: 5, bytes: 1000, deletions: 1, deletedBytes: 300, pinned: 1, withoutVerdict: 1 },
    });
  });
});

suite('top', () => {
  test('by namespace, the most bytes first', () => {
    assert.deepEqual(
      sumUp(FIVE, 'namespace').map(({ name, archives, bytes, share, deletions, pinned }) => [
        ...[name, archives, bytes, share, deletions, pinned],
      ]),
      [
        ['shop', 3, 600, 0.6, 1, 1],
        ['farm', 2, 400, 0.4, 0, 0],
      ],
    );
  });
  test('by container, node and pod', () => {
    const names = (group: Parameters<typeof sumUp>[1]) => sumUp(FIVE, group).map(({ name }) => name);
    assert.deepEqual(names('container'), ['shop/cart/main', 'farm/cow/main']);
    assert.deepEqual(names('pod'), ['shop/cart', 'farm/cow']);
    assert.deepEqual(names('node'), ['node1', 'node2']);
  });
  test('of nothing', () => assert.deepEqual(sumUp([], 'node'), []));
  test('of empty archives', () => assert.equal(sumUp(FIVE.slice(4), 'node')[0]?.share, 0));
});

test('explain shows policy, reason, siblings and the next step', () => {
  const [, second] = FIVE;
  assert.ok(second);
  const limits: GoverningPolicy = {
    ...{ scope: 'namespace/shop', resource: 'warden/quotas', field: 'spec.namespacePolicies[0]' },
    ...{ authority: 'administrator', limits: ['maxCheckpoints 2'] },
  };
  const siblings = FIVE.slice(0, 3).toReversed();
  assert.equal(
    renderExplanation({ checkpoint: second, siblings, policies: [limits], now: NOW }, PIPE),
    [
      'Name:      b',
      'Container: shop/cart/main',
      'Archive:   checkpoint-b.tar on node1',
      'Size:      300B',
      'Age:       30m',
      'Policy:    namespace/shop',
      '           CheckpointRestoreOperator warden/quotas, spec.namespacePolicies[0]: maxCheckpoints 2',
      'Verdict:   delete (count)',
      'Reason:    is one too many',
      '',
      'Siblings, the newest first:',
      '    NAME   NODE    SIZE   AGE   VERDICT          REASON',
      '    c      node2   200B   10m   keep, pinned     is within the limits',
      '*   b      node1   300B   30m   delete (count)   is one too many',
      '    a      node1   100B    1h   keep             is within the limits',
      '',
      'To hold it, whatever a policy says: kubectl checkpoint pin b -n shop',
      '',
    ].join('\n'),
  );
});

const ERRORS: readonly (readonly [error: KubeError, told: RegExp])[] = [
  [
    new KubeError('GET https://x/y had no answer: refused'),
    /no answer: refused; see whether the API server answers/,
  ],
  [
    new KubeError('GET x was answered 404: 404 page not found', { status: 404 }),
    /is not installed .*overlays\/api, then .*registration$/,
  ],
  [
    new KubeError('GET x was answered 404: checkpoints "a" not found', {
      status: 404,
      details: { reason: 'NotFound', kind: 'checkpoints', name: 'a' },
    }),
    /^checkpoints "a" not found; kubectl checkpoint ls lists/,
  ],
  [
    new KubeError('GET x was answered 403: User "j" cannot list resource "checkpoints"', {
      status: 403,
      details: { reason: 'Forbidden', kind: 'checkpoints', name: '' },
    }),
    /ask whoever administers/,
  ],
  [
    new KubeError('GET x was answered 503: service unavailable', { status: 503 }),
    /kubectl checkpoint doctor$/,
  ],
  [new KubeError('POST x was answered 507: the quota is full.', { status: 507 }), /^the quota is full$/],
];

suite('what the API server answers, in a sentence', () => {
  for (const [error, told] of ERRORS) {
    test(error.message, () => {
      const shown = explained(error);
      assert.ok(shown instanceof Error);
      assert.match(shown.message, told);
    });
  }
});
