import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EstimateFacts, estimate } from '../../../gc/door/estimate.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { readResource } from '../../../policy/read.ts';
import type { Rule } from '../../../policy/types.ts';
import { archiveAt } from './fake-directory.ts';

const CART = { namespace: 'shop', pod: 'cart', container: 'main' };
const MIB = 1024 * 1024;

function rules(...policies: readonly JsonObject[]): readonly Rule[] {
  return policies.flatMap((limits) => {
    const { resource } = readResource({
      apiVersion: 'criu.org/v1',
      kind: 'CheckpointRestoreOperator',
      metadata: { namespace: 'ops', name: 'quotas' },
      spec: { containerPolicies: [{ ...CART, ...limits }] },
    });
    return resource?.rules ?? [];
  });
}

const sized = (...sizes: readonly number[]) =>
  sizes.map((bytes, index) => archiveAt(CART, 1_000_000 - index * 1_000, { bytes }));

const NOTHING: EstimateFacts = { archives: [], lastBytes: null, rules: [], memoryLimitBytes: null };

const CASES: readonly {
  readonly name: string;
  readonly facts: Partial<EstimateFacts>;
  readonly bytes: number;
  readonly grounds: RegExp;
}[] = [
  {
    name: 'the largest of the last three, and a tenth',
    facts: { archives: sized(10 * MIB, 30 * MIB, 20 * MIB, 900 * MIB) },
    bytes: 33 * MIB,
    grounds: /^33Mi are expected: the largest of its last 3 archives and a tenth more$/,
  },
  {
    name: 'one archive',
    facts: { archives: sized(10 * MIB), lastBytes: 99 },
    bytes: 11 * MIB,
    grounds: /its last archive and a tenth more$/,
  },
  {
    name: 'archives of other containers say nothing',
    facts: { archives: [archiveAt({ ...CART, container: 'side' }, 1, { bytes: 10 * MIB })] },
    bytes: 100 * MIB,
    grounds: /the default, as neither an archive nor a memory limit of it is known$/,
  },
  { name: 'one that is gone', facts: { lastBytes: 10 * MIB }, bytes: 11 * MIB, grounds: /its last archive/ },
  {
    name: 'the margin refuses nothing that fits',
    facts: { archives: sized(95 * MIB), rules: rules({ maxCheckpointSize: '100Mi' }) },
    bytes: 100 * MIB,
    grounds: /its last archive/,
  },
  {
    name: 'what was too large is expected to be too large again',
    facts: { archives: sized(110 * MIB), rules: rules({ maxCheckpointSize: '100Mi' }) },
    bytes: 121 * MIB,
    grounds: /its last archive/,
  },
  {
    name: 'maxCheckpointSize, the smaller of two',
    facts: {
      rules: rules({ maxCheckpointSize: '100Mi' }, { maxCheckpointSize: '50Mi' }),
      memoryLimitBytes: MIB,
    },
    bytes: 50 * MIB,
    grounds: /maxCheckpointSize, as no archive of it is known$/,
  },
  {
    name: 'half of the memory limit',
    facts: { memoryLimitBytes: 512 * MIB },
    bytes: 256 * MIB,
    grounds: /half of its memory limit, as no archive of it is known$/,
  },
  {
    name: 'a guess asks for no more than all there may be',
    facts: { memoryLimitBytes: 512 * MIB, rules: rules({ maxTotalSize: '64Mi' }) },
    bytes: 64 * MIB,
    grounds: /the whole of maxTotalSize, which is less than half of its memory limit/,
  },
];

for (const { name, facts, bytes, grounds } of CASES) {
  test(name, () => {
    const expected = estimate(CART, { ...NOTHING, ...facts });
    assert.equal(expected.bytes, Math.ceil(bytes));
    assert.match(expected.grounds, grounds);
  });
}
