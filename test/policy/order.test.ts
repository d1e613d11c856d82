import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byAge, dueAt, reorderDueAt, sooner } from '../../policy/order.ts';
import { plan } from '../../policy/plan.ts';
import type { Archive } from '../../policy/types.ts';
import { archive, DAY, HOUR, NOW, policies, resource } from './build.ts';

const at = (modifiedAt: number, file: string): Archive => archive('shop/cart/main', 0, { modifiedAt, file });

test('oldest first; the future counts as now; of equals the name decides', () => {
  const files = [
    at(NOW + 9, 'b'),
    at(NOW - 1, 'z'),
    at(NOW, 'c'),
    at(NOW + 1, 'a'),
    at(NOW - 1, 'y'),
    at(0, 'x'),
  ];
  assert.deepEqual(
    files.sort((one, other) => byAge(one, other, NOW)).map((each) => each.file),
    ['x', 'y', 'z', 'a', 'b', 'c'],
  );
});

test('over age from the first millisecond beyond it', () => {
  const quotas = resource({ globalPolicy: { maxCheckpointsPerPod: 9, timeThreshold: '40d' } });
  const old = archive('shop/cart/main', 0, { modifiedAt: NOW - 40 * DAY });
  const actions = [NOW - 1, NOW, NOW + 1].map((now) => plan({ archives: [old] }, policies(quotas), now));
  assert.deepEqual(
    actions.map((each) => each.decisions[0]?.action),
    ['keep', 'keep', 'delete'],
  );
  assert.deepEqual(
    actions.map((each) => each.nextDue),
    [NOW + 1, NOW + 1, null],
  );
  assert.equal(dueAt(old, undefined), null);
});

test('a file from the future is over age only when its time has come and gone', () => {
  const quotas = resource({ globalPolicy: { maxCheckpointsPerPod: 9, timeThreshold: '1h' } });
  const ahead = archive('shop/cart/main', 0, { modifiedAt: NOW + DAY });
  const { decisions, nextDue } = plan({ archives: [ahead] }, policies(quotas), NOW);
  assert.deepEqual([decisions[0]?.action, nextDue], ['keep', NOW + DAY + HOUR + 1]);
});

test('when time will tell files from the future apart', () => {
  const rows: readonly (readonly [readonly number[], number | null])[] = [
    [[], null],
    [[NOW - 5, NOW - 1], null],
    [[NOW - 5, NOW + 7], null],
    [[NOW + 7, NOW + 7], null],
    [[NOW + 7, NOW + 9], NOW + 8],
    [[NOW, NOW + 9], NOW + 1],
    [[NOW + 7.4, NOW + 7.8], NOW + 8],
    [[NOW - 1, NOW + 3.5, NOW + 9], NOW + 4],
  ];
  for (const [times, wanted] of rows) {
    assert.equal(
      reorderDueAt(
        times.map((time) => at(time, 'x')),
        NOW,
      ),
      wanted,
      times.join(),
    );
  }
});

test('the sooner of two', () => {
  assert.deepEqual([sooner(null, null), sooner(1, null), sooner(null, 2), sooner(3, 2)], [null, 1, 2, 2]);
});

test('only what may change the plan falls due', () => {
  const gone = (since: number) => ({ orphan: { since, why: 'absent' as const } });
  const rows: readonly (readonly [string, object, readonly Archive[], number | null])[] = [
    ['no limit of time', { maxCheckpointsPerPod: 9 }, [archive('a/b/c', 1)], null],
    [
      'the next age',
      { maxCheckpointsPerPod: 9, timeThreshold: '2h' },
      [archive('a/b/c', 0), archive('a/b/c', 1)],
      NOW + HOUR + 1,
    ],
    [
      'a pinned one',
      { maxCheckpointsPerPod: 9, timeThreshold: '2h' },
      [archive('a/b/c', 1, { pinned: true })],
      null,
    ],
    [
      'one that grows',
      { maxCheckpointsPerPod: 9, timeThreshold: '2h' },
      [archive('a/b/c', 1, { state: 'growing' })],
      null,
    ],
    [
      'an orphan in its grace',
      { maxCheckpointsPerPod: 9, retainOrphan: false },
      [archive('a/b/c', 1, gone(NOW - 1))],
      NOW - 1 + 10 * 60_000,
    ],
    ['an orphan that is retained', { maxCheckpointsPerPod: 9 }, [archive('a/b/c', 1, gone(NOW - 1))], null],
    [
      'two from the future, uncounted',
      { timeThreshold: '9d' },
      [at(NOW + 5, 'x'), at(NOW + 6, 'y')],
      NOW + 9 * DAY + 6,
    ],
    [
      'two from the future, one of them on the floor',
      { keepLast: 1, timeThreshold: '9d' },
      [at(NOW + 5, 'x'), at(NOW + 6, 'y')],
      NOW + 6,
    ],
    [
      'two from the future, counted',
      { maxCheckpointsPerPod: 1 },
      [at(NOW + 5, 'x'), at(NOW + 6, 'y')],
      NOW + 6,
    ],
  ];
  for (const [name, globalPolicy, archives, wanted] of rows) {
    assert.equal(plan({ archives }, policies(resource({ globalPolicy })), NOW).nextDue, wanted, name);
  }
});
