import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { readResource } from '../../policy/read.ts';
import type { PolicyResource } from '../../policy/types.ts';
import { judge } from '../../policy/validate.ts';

const NEW = {
  apiVersion: 'criu.org/v1',
  kind: 'CheckpointRestoreOperator',
  metadata: { namespace: 'team', name: 'new' },
  spec: {
    namespacePolicies: [{ namespace: 'team', maxCheckpoints: 9 }],
    podPolicies: Array.from({ length: 8 }, (_, pod) => ({
      namespace: 'team',
      pod: `p-${pod}`,
      maxCheckpoints: 2,
    })),
  },
};

/** One of the others: of a namespace of its own, or of the one that is judged. */
function other(index: number): PolicyResource {
  const namespace = index % 10 === 0 ? 'team' : `other-${index}`;
  const metadata = { namespace, name: `quotas-${index}` };
  const spec = { podPolicies: [{ namespace, pod: `q-${index}`, maxCheckpoints: 1 }] };
  const { resource } = readResource({ ...NEW, metadata, spec });
  assert.ok(resource);
  return resource;
}

/** What is over the one that is judged, so that there is something to compare with. */
const ABOVE = readResource(
  {
    ...NEW,
    metadata: { namespace: 'ops', name: 'above' },
    spec: { namespacePolicies: [{ namespace: 'team', maxCheckpoints: 10 }] },
  },
  { authority: 'administrator' },
).resource;

/** How often anything of so many other resources is looked at while one is judged. */
function looks(others: number): number {
  let count = 0;
  const counted = <T extends object>(object: T): T =>
    new Proxy(object, {
      get(target, key) {
        count += 1;
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'object' && value !== null ? counted(value) : value;
      },
    });
  const catalog = new PolicyCatalog(Array.from({ length: others }, (_, index) => counted(other(index))));
  assert.ok(ABOVE);
  catalog.put(counted(ABOVE));
  count = 0;
  assert.deepEqual(judge(NEW, catalog).findings, []);
  return count;
}

test('5,000 other policies cost no more looks than 50, and those few', () => {
  const [few, many] = [looks(50), looks(5_000)];
  assert.ok(few > 0, 'nothing was compared');
  assert.ok(many <= 1.3 * few, `${few} looks at 50, ${many} at 5,000`);
  assert.ok(many < 1_000, String(many));
});
