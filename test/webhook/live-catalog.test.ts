import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { readResource } from '../../policy/read.ts';
import type { PolicyResource } from '../../policy/types.ts';
import { LiveCatalog } from '../../webhook/live-catalog.ts';
import { admissionReview, FakeSource, policy } from './kit.ts';

const spec = (maxCheckpoints: number, namespace = 'team-a') => ({
  namespacePolicies: [{ namespace, maxCheckpoints }],
});

function resource(document: object): PolicyResource {
  const read = readResource(document).resource;
  assert.ok(read);
  return read;
}

function setUp() {
  const source = new FakeSource();
  let now = 0;
  const catalog = new LiveCatalog(source, () => now);
  const counts = () =>
    [...catalog.policies().resources()]
      .map(({ reference, rules }) => `${reference.name}=${rules[0]?.buckets[0]?.maxCount}`)
      .sort();
  return {
    source,
    catalog,
    counts,
    wait: (ms: number) => {
      now += ms;
    },
  };
}

test('follows additions, changes and removals of the source', () => {
  const { source, counts } = setUp();
  source.put(policy(spec(1), { name: 'a' }));
  source.put(policy(spec(2, 'team-b'), { name: 'b' }));
  assert.deepEqual(counts(), ['a=1', 'b=2']);
  source.put(policy(spec(3), { name: 'a' }));
  source.remove('team-a/b');
  assert.deepEqual(counts(), ['a=3']);
});

test('a burst of changes costs one pass', async () => {
  const { source, catalog } = setUp();
  let passes = 0;
  const resources = source.resources.bind(source);
  source.resources = () => {
    passes += 1;
    return resources();
  };
  for (let index = 0; index < 100; index += 1) source.put(policy(spec(index), { name: `p${index}` }));
  await turn();
  assert.equal(passes, 1);
  assert.equal(catalog.policies().size, 100);
  assert.equal(passes, 1);
});

test('what was admitted is held until the source shows it', async () => {
  const { source, catalog, counts } = setUp();
  catalog.hold(resource(policy(spec(1))));
  assert.deepEqual(counts(), ['quotas=1']);
  source.put(policy(spec(9, 'team-b'), { name: 'other' }));
  await turn();
  assert.deepEqual(counts(), ['other=9', 'quotas=1']);
  source.put(policy(spec(1)));
  await turn();
  source.remove('team-a/quotas');
  assert.deepEqual(counts(), ['other=9']);
});

test('what never comes is given up after five seconds', () => {
  const { catalog, counts, wait } = setUp();
  catalog.hold(resource(policy(spec(1))));
  wait(4_999);
  assert.deepEqual(counts(), ['quotas=1']);
  wait(1);
  assert.deepEqual(counts(), []);
});

test('a change that never comes falls back to what the source shows', () => {
  const { source, catalog, counts, wait } = setUp();
  source.put(policy(spec(1)));
  catalog.policies();
  catalog.hold(resource(policy(spec(2))));
  assert.deepEqual(counts(), ['quotas=2']);
  wait(5_000);
  assert.deepEqual(counts(), ['quotas=1']);
});

test('an event that still shows the former version changes nothing, a later version counts', async () => {
  const { source, catalog, counts } = setUp();
  source.put(policy(spec(1)));
  catalog.policies();
  catalog.hold(resource(policy(spec(2))));
  source.put(policy(spec(1), { labels: { touched: 'yes' } }));
  await turn();
  assert.deepEqual(counts(), ['quotas=2']);
  source.put(policy(spec(3)));
  await turn();
  assert.deepEqual(counts(), ['quotas=3']);
});

test('a deletion of what was changed counts', async () => {
  const { source, catalog, counts } = setUp();
  source.put(policy(spec(1)));
  catalog.policies();
  catalog.hold(resource(policy(spec(2))));
  source.remove('team-a/quotas');
  await turn();
  assert.deepEqual(counts(), []);
});

test('no more than so many are held, the oldest go first', () => {
  const catalog = new LiveCatalog(new FakeSource(), () => 0, {
    time: 5_000,
    resources: 10,
    rules: 100,
    bytes: 100_000,
  });
  for (let index = 0; index < 15; index += 1) {
    catalog.hold(resource(policy(spec(1, `n${index}`), { name: `p${index}` })));
  }
  assert.equal(catalog.policies().size, 10);
  const set = catalog.policies().of('/var/lib/kubelet/checkpoints');
  assert.equal(set.get({ namespace: 'team-a', name: 'p4' }), undefined);
  assert.ok(set.get({ namespace: 'team-a', name: 'p5' }));
});

test('no more than so many rules are held', () => {
  const catalog = new LiveCatalog(new FakeSource(), () => 0, {
    time: 5_000,
    resources: 100,
    rules: 100,
    bytes: 100_000,
  });
  const wide = (index: number) => ({
    namespacePolicies: Array.from({ length: 40 }, (_, each) => ({
      namespace: `n${index}-${each}`,
      maxCheckpoints: 1,
    })),
  });
  for (let index = 0; index < 4; index += 1) {
    catalog.hold(resource(policy(wide(index), { name: `p${index}` })));
  }
  assert.equal(catalog.policies().size, 2);
});

test('no more than so many bytes are laid aside, and what is lost of them is as if it had not been admitted', () => {
  const limits = { time: 5_000, resources: 100, rules: 1_000, bytes: 10_000 };
  const catalog = new LiveCatalog(new FakeSource(), () => 0, limits);
  for (let index = 0; index < 40; index += 1) {
    const namespace = `n${index}`;
    const document = policy(spec(1, namespace), { namespace });
    catalog.hold(resource(document), JSON.stringify(admissionReview(document, { namespace })));
  }
  const held = [...catalog.policies().resources()].map(({ reference }) => reference.namespace);
  assert.ok(held.length > 3 && held.length < 40, `${held.length} are held`);
  assert.deepEqual(
    held,
    Array.from({ length: held.length }, (_, index) => `n${40 - held.length + index}`),
  );
});

test('of many rules that end at once a turn takes out some hundreds, and the turns behind it the rest', async () => {
  let now = 0;
  const catalog = new LiveCatalog(new FakeSource(), () => now);
  for (let index = 0; index < 40; index += 1) {
    const podPolicies = Array.from({ length: 50 }, (_, pod) => ({
      namespace: `n${index}`,
      pod: `p-${pod}`,
      maxCheckpoints: 1,
    }));
    catalog.hold(resource(policy({ podPolicies }, { namespace: `n${index}` })));
  }
  now = 5_000;
  const left = catalog.policies().size;
  assert.ok(left > 20 && left < 40, `${left} are left`);
  for (let turns = 0; turns < 10; turns += 1) await turn();
  now = 0;
  assert.equal(catalog.policies().size, 0);
});
