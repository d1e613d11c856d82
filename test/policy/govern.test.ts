import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { broaderLabels, PolicySet, scopeLabel, seniority } from '../../policy/govern.ts';
import type { PolicyResource, Rule } from '../../policy/types.ts';
import { identity, policies, resource } from './build.ts';

const COUNTS = { maxCheckpointsPerPod: 20 };
const all = resource({
  globalPolicy: COUNTS,
  namespacePolicies: [{ namespace: 'team', maxCheckpoints: 5 }],
  podPolicies: [
    { namespace: 'team', pod: 'cart', maxCheckpoints: 4 },
    { namespace: 'a', pod: 'b-c', maxCheckpoints: 4 },
  ],
  containerPolicies: [{ namespace: 'team', pod: 'cart', container: 'main', maxCheckpoints: 3 }],
});

function governing(path: string, ...resources: readonly PolicyResource[]): string {
  const { administrator, tenant } = policies(...resources).governing(identity(path));
  return [administrator, tenant].map((rule) => (rule === null ? '-' : labelOf(rule))).join(' + ');
}

function labelOf(rule: Rule): string {
  return `${rule.resource.reference.name} ${scopeLabel(rule.scope)}`;
}

test('the narrowest policy governs, by exact names', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['team/cart/main', 'quotas container/team/cart/main + -'],
    ['team/cart/side', 'quotas pod/team/cart + -'],
    ['team/cart-2/main', 'quotas namespace/team + -'],
    ['team/car/tmain', 'quotas namespace/team + -'],
    ['team-prod/cart/main', 'quotas global + -'],
    ['a/b-c/main', 'quotas pod/a/b-c + -'],
    ['a-b/c/main', 'quotas global + -'],
    ['tea/m-cart/main', 'quotas global + -'],
  ];
  for (const [path, wanted] of rows) assert.equal(governing(path, all), wanted, path);
});

test('names with a slash, as only a forged archive has, meet no narrow policy', () => {
  const forged = { namespace: 'team/cart', pod: 'main', container: '' };
  for (const each of [
    forged,
    { namespace: 'team', pod: 'cart/main', container: '' },
    { namespace: '', pod: 'team/cart', container: 'main' },
  ]) {
    const { administrator } = policies(all).governing(each);
    assert.ok(administrator && ['global', 'namespace'].includes(administrator.scope.kind));
  }
});

test('without a policy nobody governs', () => assert.equal(governing('team/cart/main'), '- + -'));

test('an administrator and a tenant govern side by side', () => {
  const own = resource(
    { namespacePolicies: [{ namespace: 'team', maxCheckpoints: 2 }] },
    { namespace: 'team', name: 'own', authority: 'tenant' },
  );
  assert.equal(governing('team/cart/main', own, all), 'quotas container/team/cart/main + own namespace/team');
  assert.equal(governing('team-prod/cart/main', own, all), 'quotas global + -');
});

test("a tenant's resource governs no other namespace, whatever it says", () => {
  const greedy = {
    ...all,
    authority: 'tenant' as const,
    reference: { namespace: 'team-prod', name: 'greedy' },
  };
  assert.equal(governing('team/cart/main', greedy), '- + -');
  const set = new PolicySet([{ ...greedy, unidentified: { maxAgeMs: 1 } }]);
  assert.equal(set.unidentified, null);
  assert.equal(set.global, null);
});

test('of two for one target the older acts, then the one whose name comes first', () => {
  const target = { namespacePolicies: [{ namespace: 'team', maxCheckpoints: 1 }] };
  const [old, young, twin] = [
    resource(target, { name: 'z', createdAt: 1_000 }),
    resource(target, { name: 'b', createdAt: 2_000 }),
    resource(target, { name: 'a', createdAt: 2_000 }),
  ];
  for (const order of [
    [old, young, twin],
    [twin, young, old],
    [young, old, twin],
  ]) {
    const set = new PolicySet(order);
    const rules = set.rulesFor('namespace/team', 'administrator');
    assert.deepEqual(
      rules.map((rule) => rule.resource.reference.name),
      ['z', 'a', 'b'],
    );
    set.remove(old.reference);
    assert.equal(set.governing(identity('team/x/y')).administrator?.resource, twin);
  }
  assert.ok(seniority(old, twin) < 0 && seniority(young, twin) > 0 && seniority(old, old) === 0);
});

test('of two rules of one resource the first acts', () => {
  const [rule] = all.rules;
  assert.ok(rule);
  const twice: PolicyResource = {
    ...all,
    rules: [
      { ...rule, field: 'first' },
      { ...rule, field: 'second' },
    ],
  };
  assert.equal(policies(twice).global?.field, 'first');
});

test('a resource takes the place of its former version, and leaves nothing behind', () => {
  const set = policies(all, resource({ unidentified: {} }, { name: 'half' }));
  set.put(resource({ namespacePolicies: [{ namespace: 'team', maxCheckpoints: 9 }] }));
  assert.equal(set.size, 2);
  assert.equal(set.global, null);
  assert.equal(set.governing(identity('team/cart/main')).administrator?.scope.kind, 'namespace');
  set.remove({ namespace: 'ops', name: 'quotas' });
  set.remove({ namespace: 'ops', name: 'half' });
  set.remove({ namespace: 'ops', name: 'never there' });
  assert.deepEqual([set.size, set.unidentified, [...set.resources()]], [0, null, []]);
});

test('ten thousand policies for one target are put and removed in no time', () => {
  const rules: Rule[] = [];
  const many: PolicyResource = { ...all, rules };
  const [rule] = all.rules;
  assert.ok(rule);
  for (let index = 0; index < 10_000; index += 1) rules.push({ ...rule, resource: many });
  const began = performance.now();
  const set = policies(many);
  set.remove(many.reference);
  assert.ok(performance.now() - began < 500);
});

test('the scopes around one', () => {
  const around = broaderLabels({ kind: 'container', namespace: 'a', pod: 'b', container: 'c' });
  assert.deepEqual(around, ['pod/a/b', 'namespace/a', 'global']);
  assert.deepEqual(broaderLabels({ kind: 'pod', namespace: 'a', pod: 'b' }), ['namespace/a', 'global']);
  assert.deepEqual(broaderLabels({ kind: 'namespace', namespace: 'a' }), ['global']);
  assert.deepEqual(broaderLabels({ kind: 'global' }), []);
});

test('a catalog keeps directories apart and follows a resource that moves', () => {
  const catalog = new PolicyCatalog([
    all,
    resource({ checkpointDirectory: '/data', globalPolicy: COUNTS }, { name: 'data' }),
  ]);
  assert.deepEqual([...catalog.directories()].sort(), ['/data', '/var/lib/kubelet/checkpoints']);
  assert.equal(catalog.of('/data').global?.resource.reference.name, 'data');
  assert.equal(catalog.of('/none').size, 0);
  catalog.put(resource({ checkpointDirectory: '/elsewhere/', globalPolicy: COUNTS }, { name: 'data' }));
  assert.deepEqual([...catalog.directories()].sort(), ['/elsewhere', '/var/lib/kubelet/checkpoints']);
  assert.equal(catalog.size, 2);
  catalog.remove({ namespace: 'ops', name: 'data' });
  assert.equal([...catalog.resources()].length, 1);
});
