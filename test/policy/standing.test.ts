import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Ajv } from 'ajv';
import { type JsonObject, own } from '../../policy/json.ts';
import type { PolicyFacts } from '../../policy/node-facts.ts';
import { conditionStatus, essenceOfStatus, graveOfStatus, policyStatus } from '../../policy/policy-status.ts';
import { readResource } from '../../policy/read.ts';
import { type NodesOfPolicy, type PolicyFactsOfCluster, standing } from '../../policy/standing.ts';
import { MOST_DIGESTS, POLICY_STATUS } from '../../policy/status-schema.ts';
import { document, NOW } from './build.ts';

const SPEC = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 5 }] };

function policy(
  nodes: Partial<NodesOfPolicy> = {},
  more: Partial<PolicyFactsOfCluster> = {},
  {
    spec = SPEC,
    generation = 3,
    confirm = '',
  }: { spec?: object; generation?: number; confirm?: string } = {},
): PolicyFactsOfCluster {
  const made = document(spec, { namespace: 'shop' });
  const metadata = {
    ...{ ...(made.metadata as object), generation },
    annotations: { 'checkpoint.criu.org/confirm': confirm },
  };
  const { resource, findings } = readResource({ ...made, metadata });
  return {
    ...{ namespace: 'shop', name: 'quotas', generation: 3, resource, findings, overruled: [] },
    nodes: { alive: 2, silent: 0, silentNames: [], unnamed: 0, named: [], ...nodes },
    ...more,
  };
}

const facts = (more: Partial<PolicyFacts> = {}): PolicyFacts => ({
  ...{ generation: 3, state: 'Acting', archives: 4, bytes: 4_096, plan: null },
  ...more,
});
const held = (digest: string) =>
  facts({ state: 'WaitsForConfirmation', plan: { digest, deletions: 90, bytes: 1_024, archives: 100 } });
const on = (...each: readonly PolicyFacts[]) =>
  each.map((one, index) => ({ node: `n${index + 1}`, isAlive: true, facts: one }));

const said = (given: PolicyFactsOfCluster, type: string) => {
  const found = standing(given).verdicts.find((each) => each.type === type);
  assert.ok(found);
  return [found.status, found.reason, found.message];
};

suite('Enforced', () => {
  const rows: readonly (readonly [
    string,
    PolicyFactsOfCluster,
    status: string,
    reason: string,
    message: RegExp,
  ])[] = [
    ['nobody has told anything', policy({ alive: 0 }), 'Unknown', 'NoNodes', /no collector/],
    ['one node names it', policy({ named: on(facts()), unnamed: 1 }), 'True', 'Enforced', /^on 2 nodes$/],
    [
      'one node is behind',
      policy({ named: on(facts()) }),
      'False',
      'Progressing',
      /^1 of 2 nodes act by version 3 so far/,
    ],
    [
      'one node acts by another version',
      policy({ named: on(facts(), facts({ generation: 2 })) }),
      'False',
      'Progressing',
      /^1 of/,
    ],
    [
      'one plans still',
      policy({ named: on(facts(), facts({ state: 'Planning' })) }),
      'False',
      'Progressing',
      /^1 of/,
    ],
    [
      'one waits for a checkpoint',
      policy({ named: on(facts({ state: 'WaitsForCheckpoint' })), unnamed: 1 }),
      'False',
      'WaitsForCheckpoint',
      /^1 of 2 nodes .*applyPoliciesImmediately/,
    ],
    [
      'one is held',
      policy({ named: on(held('aa')), unnamed: 1 }),
      'False',
      'WaitsForConfirmation',
      /^1 of 2 nodes wait/,
    ],
    [
      'one keeps them elsewhere',
      policy({ named: on(facts({ state: 'OtherDirectory' })), unnamed: 1 }),
      'True',
      'Enforced',
      /^on 1 node; 1 node keep/,
    ],
    [
      'all keep them elsewhere',
      policy({ alive: 1, named: on(facts({ state: 'OtherDirectory' })) }),
      'False',
      'OtherDirectory',
      /\/var\/lib\/kubelet\/checkpoints/,
    ],
    [
      'one is silent',
      policy({ alive: 1, silent: 1, silentNames: ['n9'], unnamed: 1 }),
      'True',
      'Enforced',
      /^on 1 node; 1 node not heard of lately \(n9\)$/,
    ],
    [
      'all are silent',
      policy({ alive: 0, silent: 9, silentNames: ['a', 'b', 'c', 'd'] }),
      'Unknown',
      'NodesSilent',
      /9 nodes not heard of lately \(a, b, c, …\)$/,
    ],
    [
      'an older version is in force',
      policy({ unnamed: 2 }, {}, { generation: 2 }),
      'False',
      'NotAccepted',
      /version 3/,
    ],
  ];
  for (const [name, given, status, reason, message] of rows) {
    test(name, () => {
      const [isStatus, isReason, isMessage = ''] = said(given, 'Enforced');
      assert.deepEqual([isStatus, isReason], [status, reason]);
      assert.match(isMessage, message);
    });
  }
});

suite('Accepted and Conflicted', () => {
  test('sound, with warnings, and unsound', () => {
    assert.deepEqual(said(policy(), 'Accepted').slice(0, 2), ['True', 'Sound']);
    const warned = policy({}, {}, { spec: {} });
    assert.deepEqual(said(warned, 'Accepted').slice(0, 2), ['True', 'Warnings']);
    const unsound = policy(
      {},
      {},
      { spec: { namespacePolicies: [{ namespace: 'shop', maxChekpoints: 5 }] } },
    );
    const [status, , message] = said(unsound, 'Accepted');
    assert.equal(status, 'False');
    assert.match(message ?? '', /^version 3 has 1 error, and its targets are held .*maxCheckpoints/);
  });

  test('an older one is named', () => {
    assert.deepEqual(said(policy({}, { overruled: ['a', 'b'] }), 'Conflicted'), [
      'True',
      'OlderResource',
      'a; b',
    ]);
    assert.equal(said(policy(), 'Conflicted')[0], 'False');
  });
});

suite('Confirming', () => {
  test('a few digests are spelt out in the command', () => {
    const [status, , message] = said(policy({ named: on(held('bb'), held('aa')) }), 'Confirming');
    assert.equal(status, 'True');
    assert.equal(
      message,
      'would delete 180 of 200 archives (2Ki) at once on 2 nodes (n1, n2); mend the policy, or let it: kubectl annotate cro -n shop quotas --overwrite checkpoint.criu.org/confirm=aa,bb',
    );
  });

  test('fifty are read out of the status, which holds a few hundred', () => {
    const digest = (index: number) => index.toString(16).padStart(16, '0');
    const many = policy({
      alive: 50,
      named: on(...Array.from({ length: 50 }, (_, index) => held(digest(index)))),
    });
    const [, , message = ''] = said(many, 'Confirming');
    assert.match(message, /on 50 nodes \(n1, n10, n11, …\)/);
    assert.ok(
      message.endsWith(`="$(kubectl get cro -n shop quotas -o jsonpath='{.status.confirming.digests}')"`),
      message,
    );
    assert.equal(standing(many).confirming?.digests.split(',').length, 50);
    const more = policy({ named: on(...Array.from({ length: 999 }, (_, index) => held(digest(index)))) });
    const confirming = standing(more).confirming;
    assert.equal(confirming?.digests.split(',').length, MOST_DIGESTS);
    assert.equal(confirming.nodes, 999);
  });

  test('what is confirmed waits no more, and stays confirmed when the rest is', () => {
    const nodes = { named: on(held('aa'), held('bb')) };
    assert.deepEqual(standing(policy(nodes, {}, { confirm: 'bb' })).confirming, {
      ...{ digests: 'bb,aa', nodes: 1, deletions: 90, archives: 100, bytes: 1_024 },
    });
    const all = policy(nodes, {}, { confirm: 'aa,bb' });
    assert.equal(standing(all).confirming, null);
    assert.deepEqual(said(all, 'Confirming').slice(0, 2), ['False', 'Confirmed']);
    assert.equal(said(all, 'Enforced')[1], 'Progressing');
  });

  test('a plan of a version that was changed since is not to be confirmed', () => {
    const former = { ...held('aa'), generation: 2 };
    assert.equal(standing(policy({ named: on(former) })).confirming, null);
  });
});

suite('the status', () => {
  const made = (given: PolicyFactsOfCluster, former: JsonObject = {}, now = NOW) =>
    policyStatus(standing(given), 3, former, now);

  test('is what the schema describes, and no field of it is never written', () => {
    const status = made(policy({ named: on(held('aa'), facts()) }));
    const validate = new Ajv({ strict: false, formats: { int64: true, 'date-time': true } }).compile(
      POLICY_STATUS,
    );
    assert.ok(validate(status), JSON.stringify(validate.errors));
    assert.deepEqual(Object.keys(status).sort(), Object.keys(POLICY_STATUS.properties ?? {}).sort());
    assert.equal(status.archives, 8);
    assert.equal(status.nodes, '1/2');
  });

  test('what has not changed keeps its time, and is not worth a write', () => {
    const before = made(policy({ unnamed: 2 }));
    const after = made(policy({ unnamed: 2 }), before, NOW + 60_000);
    assert.equal(essenceOfStatus(after), essenceOfStatus(before));
    const lost = made(policy({ unnamed: 1 }), before, NOW + 60_000);
    assert.notEqual(essenceOfStatus(lost), essenceOfStatus(before));
    const times = (status: JsonObject) =>
      (own(status, 'conditions') as { lastTransitionTime: string }[]).map((each) => each.lastTransitionTime);
    assert.deepEqual(
      times(lost).map((time, index) => time === times(before)[index]),
      [true, true, false, true],
    );
    assert.equal(conditionStatus(lost, 'Enforced'), 'False');
  });

  test('figures and sentences are not grave, conditions and digests are', () => {
    const before = made(policy({ named: on(held('aa')) }));
    const figures = made(policy({ named: on({ ...held('aa'), archives: 9 }) }), before);
    assert.notEqual(essenceOfStatus(figures), essenceOfStatus(before));
    assert.equal(graveOfStatus(figures), graveOfStatus(before));
    const digest = made(policy({ named: on(held('ab')) }), before);
    assert.notEqual(graveOfStatus(digest), graveOfStatus(before));
  });

  test('what others have put beside it, in whatever order, is none of our business', () => {
    const status = made(policy({ unnamed: 2 }));
    const conditions = [...(own(status, 'conditions') as JsonObject[])].reverse();
    const theirs = { ...status, theirs: 1, conditions: [{ type: 'Theirs', status: 'True' }, ...conditions] };
    assert.equal(essenceOfStatus(theirs), essenceOfStatus(status));
  });
});
