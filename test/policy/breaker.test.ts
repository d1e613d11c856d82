import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestText, type Spent, trips, withinBudget } from '../../policy/breaker.ts';
import { plan } from '../../policy/plan.ts';
import type { Decision, PolicyResource } from '../../policy/types.ts';
import { archive, MI, NOW, policies, resource } from './build.ts';

/** `count` archives of a namespace, the newest first. */
function archives(namespace: string, count: number) {
  return Array.from({ length: count }, (_, index) => archive(`${namespace}/cart/main`, index + 1));
}

function keeping(most: number, more: object = {}, name = 'quotas', namespace = 'shop'): PolicyResource {
  return resource({ namespacePolicies: [{ namespace, maxCheckpoints: most }], ...more }, { name });
}

function decisionsFor(...resources: readonly PolicyResource[]): readonly Decision[] {
  return plan({ archives: [...archives('shop', 200), ...archives('team', 100)] }, policies(...resources), NOW)
    .decisions;
}

const never = () => false;

test('what trips', () => {
  const rows: readonly (readonly [string, PolicyResource, boolean])[] = [
    ['half of all, not more', keeping(50), false],
    ['more than half', keeping(49), true],
    ['more than half, but too few to matter', keeping(49, { circuitBreaker: { minArchives: 152 } }), false],
    ['exactly as many as matter', keeping(49, { circuitBreaker: { minArchives: 151 } }), true],
    ['a smaller share', keeping(160, { circuitBreaker: { maxShare: '10%', minArchives: 10 } }), true],
    ['a share of nothing', keeping(199, { circuitBreaker: { maxShare: '0%', minArchives: 0 } }), true],
    ['nothing to delete', keeping(200, { circuitBreaker: { maxShare: '0%', minArchives: 0 } }), false],
    ['all may go', keeping(1, { circuitBreaker: { maxShare: '100%' } }), false],
  ];
  for (const [name, each, wanted] of rows)
    assert.equal(trips(decisionsFor(each), never).length > 0, wanted, name);
});

test('who has acted before, or was confirmed, does not trip', () => {
  assert.deepEqual(
    trips(decisionsFor(keeping(1)), () => true),
    [],
  );
});

test('each resource answers for its own deletions', () => {
  const decisions = decisionsFor(keeping(1), keeping(1, {}, 'other', 'team'));
  const tripped = trips(decisions, never);
  assert.deepEqual(
    tripped.map((each) => [each.resource.reference.name, each.deletions.length, each.archives]),
    [['quotas', 199, 300]],
  );
});

test('promises are no archives of the node', () => {
  const quotas = keeping(49, { circuitBreaker: { maxShare: '50%', minArchives: 1 } });
  const promises = Array.from({ length: 100 }, (_, index) =>
    archive('other/x/y', 0, { state: 'reserved', file: `${index}` }),
  );
  const { decisions } = plan({ archives: [...archives('shop', 100), ...promises] }, policies(quotas), NOW);
  assert.equal(trips(decisions, never)[0]?.archives, 100);
});

test('a digest is of the spec and of what would go, in any order', () => {
  const [trip] = trips(decisionsFor(keeping(1)), never);
  assert.ok(trip);
  const text = digestText(trip);
  assert.equal(digestText({ ...trip, deletions: trip.deletions.toReversed() }), text);
  assert.notEqual(digestText({ ...trip, deletions: trip.deletions.slice(1) }), text);
  assert.notEqual(digestText({ ...trip, resource: keeping(2) }), text);
  assert.equal(digestText({ ...trip, resource: { ...trip.resource, createdAt: 5 } }), text);
  const reference = { ...trip.resource.reference, uid: 'made-anew', file: 'quotas.yaml' };
  assert.equal(digestText({ ...trip, resource: { ...trip.resource, reference } }), text);
});

function hours(decisions: readonly Decision[]): string {
  return decisions
    .map(({ archive: { identity, file } }) => `${identity?.namespace} ${Number(/(\d+)h/.exec(file)?.[1])}`)
    .join(', ');
}

function deletionsFor(...resources: readonly PolicyResource[]): Decision[] {
  const some = [...archives('shop', 6), ...archives('team', 6)];
  return plan({ archives: some }, policies(...resources), NOW).decisions.filter(
    (each) => each.action === 'delete',
  );
}

test('what a budget lets through in one pass: the first in turn, one always', () => {
  const rows: readonly (readonly [string, object, string])[] = [
    ['no budget', {}, 'shop 6, shop 5, shop 4, shop 3'],
    ['two archives', { maxArchivesPerPass: 2 }, 'shop 6, shop 5'],
    ['bytes for three', { maxBytesPerPass: '30Mi' }, 'shop 6, shop 5, shop 4'],
    ['bytes for less than three', { maxBytesPerPass: `${30 * MI - 1}` }, 'shop 6, shop 5'],
    ['bytes for none', { maxBytesPerPass: '1Mi' }, 'shop 6'],
    ['both, the smaller', { maxArchivesPerPass: 3, maxBytesPerPass: '20Mi' }, 'shop 6, shop 5'],
  ];
  for (const [name, deletionBudget, wanted] of rows) {
    assert.equal(hours(withinBudget(deletionsFor(keeping(2, { deletionBudget })))), wanted, name);
  }
});

test('what was spent of a budget is not there again', () => {
  const rows: readonly (readonly [name: string, budget: object, spent: Spent, wanted: string])[] = [
    ['some', { maxArchivesPerPass: 3 }, { archives: 2, bytes: 20 * MI }, 'shop 6'],
    ['all', { maxArchivesPerPass: 3 }, { archives: 3, bytes: 0 }, ''],
    ['more than all, of another version', { maxArchivesPerPass: 3 }, { archives: 5, bytes: 0 }, ''],
    ['bytes', { maxBytesPerPass: '30Mi' }, { archives: 1, bytes: 20 * MI }, 'shop 6'],
    ['the one that is always allowed', { maxBytesPerPass: '1Mi' }, { archives: 1, bytes: 10 * MI }, ''],
  ];
  for (const [name, deletionBudget, spent, wanted] of rows) {
    const keys: string[] = [];
    const allowed = withinBudget(deletionsFor(keeping(2, { deletionBudget })), (key) => {
      keys.push(key);
      return spent;
    });
    assert.equal(hours(allowed), wanted, name);
    assert.equal(keys.length, 1);
  }
});

test('budgets are of each resource', () => {
  const deletions = deletionsFor(
    keeping(2, { deletionBudget: { maxArchivesPerPass: 1 } }),
    keeping(4, {}, 'other', 'team'),
  );
  assert.equal(hours(withinBudget(deletions)), 'shop 6, team 6, team 5');
});
