import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivePolicies } from '../../../gc/deciding/active.ts';
import { GovernedArchives, policySight } from '../../../gc/telling/policy-sight.ts';
import type { Archive, PolicyResource } from '../../../policy/types.ts';
import { revised } from '../../../source/revise.ts';
import { archive, NOW, resource } from '../../policy/build.ts';

const DIRECTORY = '/var/lib/kubelet/checkpoints';

function made(name: string, spec: object, generation = 1): PolicyResource {
  const authority = name === 'tenant' ? 'tenant' : 'administrator';
  const one = resource(spec, { namespace: name === 'tenant' ? 'shop' : 'ops', name, authority });
  return revised(one, { reference: { ...one.reference, uid: `uid-${name}`, generation } });
}

const ofNamespace = (namespace: string, more: object = {}) => ({
  ...{ namespacePolicies: [{ namespace, maxCheckpoints: 5 }], applyPoliciesImmediately: true },
  ...more,
});

function node(archives: readonly Archive[] = []) {
  const active = new ActivePolicies({ directory: DIRECTORY, lenientDirectory: false });
  let read = 0;
  const governed = new GovernedArchives(() => {
    read += 1;
    return archives;
  });
  let report: Parameters<typeof policySight>[0]['report'] = () => null;
  let resources: readonly PolicyResource[] = [];
  return {
    governed,
    reads: () => read,
    update(...now: readonly PolicyResource[]) {
      resources = now;
      active.update(now, NOW);
    },
    /** The pass is over. */
    planned(held: readonly PolicyResource[] = []) {
      const { set } = active;
      const trips = held.map((each) => ({
        ...{ resource: each, digest: 'aa', deletions: 9, bytes: 10, archives: 11, remedy: '' },
      }));
      report = () => ({ policies: set, held: trips });
    },
    async says() {
      const stored = () =>
        resources.map((each) => ({
          ...{
            namespace: 'ops',
            name: 'x',
            uid: each.reference.uid ?? '',
            generation: each.reference.generation ?? 0,
          },
          ...{ resourceVersion: '1', resource: each, findings: [], status: {} },
        }));
      const sight = await policySight({ source: { stored }, active, governed, report });
      assert.ok(sight);
      const lines = sight.policies.map(
        ({ name, generation, state, archives: count }) => `${name}@${generation} ${state} ${count}`,
      );
      return { seen: sight.seen !== null, lines, policies: sight.policies };
    },
  };
}

const shop = [archive('shop/cart/main', 1), archive('shop/cart/main', 2)];

test('what an administrator and a tenant say of one archive counts for both; who has none is not named', async () => {
  const all = [...shop, archive('other/x/main', 1), archive(null, 1)];
  const { update, planned, says, reads, governed } = node(all);
  const admin = made('admin', ofNamespace('shop'));
  update(
    made('global', { globalPolicy: { maxCheckpointsPerPod: 5 }, unidentified: { timeThreshold: '40d' } }),
    ...[admin, made('tenant', ofNamespace('shop')), made('idle', ofNamespace('nobody'))],
  );
  planned();
  const { seen, lines } = await says();
  assert.deepEqual(lines, ['admin@1 Acting 2', 'global@1 Acting 2', 'tenant@1 Acting 2']);
  assert.equal(seen, true);
  await says();
  assert.equal(reads(), 1, 'nothing was counted twice');
  governed.changed();
  await says();
  assert.equal(reads(), 2);
});

test('a new version is named by its number, and by nothing as seen before it was planned by', async () => {
  const { update, planned, says } = node(shop);
  update(made('admin', ofNamespace('shop')));
  assert.deepEqual(await says().then(({ seen, lines }) => [seen, lines]), [false, ['admin@1 Planning 2']]);
  planned();
  update(made('admin', ofNamespace('shop', { tainted: 'Delete' }), 2));
  assert.deepEqual(await says().then(({ seen, lines }) => [seen, lines]), [false, ['admin@2 Planning 2']]);
  planned();
  assert.deepEqual(await says().then(({ seen, lines }) => [seen, lines]), [true, ['admin@2 Acting 2']]);
});

test('what waits comes first, with what it waits for', async () => {
  const { update, planned, says } = node(shop);
  const held = made('held', ofNamespace('nobody'));
  const acts = made('acts', ofNamespace('shop', { applyPoliciesImmediately: false }));
  const away = made('away', ofNamespace('far', { checkpointDirectory: '/elsewhere' }));
  update(held, acts, away);
  planned([held]);
  const later = made('acts', ofNamespace('shop', { applyPoliciesImmediately: false, tainted: 'Delete' }), 2);
  update(held, later, away);
  planned([held]);
  const { lines, policies } = await says();
  assert.deepEqual(lines, [
    'held@1 WaitsForConfirmation 0',
    'acts@2 WaitsForCheckpoint 2',
    'away@1 OtherDirectory 0',
  ]);
  assert.deepEqual(policies[0]?.plan, { digest: 'aa', deletions: 9, bytes: 10, archives: 11 });
});

test('policies out of files have no objects, so there is nothing to say', async () => {
  const active = new ActivePolicies({ directory: DIRECTORY, lenientDirectory: false });
  active.update([], NOW);
  const governed = new GovernedArchives(() => []);
  assert.equal(await policySight({ source: {}, active, governed, report: () => null }), null);
});
