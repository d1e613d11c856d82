import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reviewer } from '../../kube/types.ts';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { formatFinding } from '../../policy/findings.ts';
import { isObject, type JsonObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import { judge, trespassFindings } from '../../policy/validate.ts';
import { applyPatch } from './apply-patch.ts';
import { admissionReview, policy, type ReviewResponse, startTestWebhook, type TestWebhook } from './kit.ts';

const STAMP = 'checkpoint.criu.org/authority';
const stamped = { annotations: { [STAMP]: 'administrator' } };
const own = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] };
const everywhere = {
  globalPolicy: { maxCheckpointsPerContainer: 5, diskPressure: { highWatermark: '70%' } },
};

const saying = (answer: boolean): Reviewer => ({ mayGovern: async () => answer });
const silentReviewer: Reviewer = { mayGovern: () => new Promise(() => {}) };
const brokenReviewer: Reviewer = { mayGovern: () => Promise.reject(new Error('connect ECONNREFUSED')) };

function stampIn(document: unknown): unknown {
  if (!isObject(document) || !isObject(document.metadata)) return undefined;
  return isObject(document.metadata.annotations) ? document.metadata.annotations[STAMP] : undefined;
}

async function mutated(hook: TestWebhook, document: JsonObject, more: JsonObject = {}) {
  const response = await hook.ask('/mutate', admissionReview(document, more));
  assert.equal(response.allowed, true, response.status?.message);
  return { response, after: applyPatch(document, response.patch) };
}

const PATCHED: readonly [name: string, document: JsonObject][] = [
  ['an own policy', policy(own)],
  ['a global policy', policy(everywhere)],
  ['an empty spec', policy({})],
  ['annotations of others', policy(own, { annotations: { a: 'b' } })],
  ['null for annotations', policy(own, { annotations: null })],
  ['another stamp', policy(own, { annotations: { [STAMP]: 'root' } })],
  [
    'the older directory',
    policy({ globalPolicy: { checkpointDirectory: '/data', maxCheckpointsPerPod: 1 } }),
  ],
  ['a generated name', policy(own, { name: undefined, generateName: 'quotas-' })],
];

for (const [name, document] of PATCHED) {
  test(`the patch of ${name} is empty when it has been applied`, async () => {
    await using hook = await startTestWebhook({ reviewer: saying(true) });
    const { response, after } = await mutated(hook, document);
    assert.equal(response.patchType, 'JSONPatch');
    assert.equal(stampIn(after), 'administrator');
    const again = await mutated(hook, Object(after));
    assert.equal(again.response.patch, undefined);
    assert.equal(again.response.patchType, undefined);
  });
}

test('defaults are made explicit, those included that depend on other fields', async () => {
  await using hook = await startTestWebhook();
  const { after } = await mutated(hook, policy(everywhere));
  assert.deepEqual(Object(after).spec, {
    applyPoliciesImmediately: false,
    checkpointDirectory: '/var/lib/kubelet/checkpoints',
    circuitBreaker: { maxShare: '50%', minArchives: 100 },
    globalPolicy: {
      maxCheckpointsPerContainer: 5,
      whenFull: 'EvictOldest',
      checkpointing: 'Allow',
      diskPressure: { highWatermark: '70%', lowWatermark: '60%' },
    },
    orphanGracePeriod: '10m',
    tainted: 'Keep',
  });
});

interface StampCase {
  readonly name: string;
  readonly reviewer: Reviewer | null;
  readonly document: JsonObject;
  readonly former?: JsonObject;
  readonly stamp: string | undefined;
  readonly warning?: RegExp;
}

const other = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 4 }] };
const STAMPS: readonly StampCase[] = [
  { name: 'an administrator creates', reviewer: saying(true), document: policy(own), stamp: 'administrator' },
  { name: 'a tenant creates', reviewer: saying(false), document: policy(own), stamp: undefined },
  { name: 'nobody to ask, standalone', reviewer: null, document: policy(own), stamp: 'administrator' },
  {
    name: 'the API server does not answer',
    reviewer: silentReviewer,
    document: policy(own),
    stamp: undefined,
    warning:
      /not set, because whether ada may govern .* did not answer within \d+ ms; an administrator's policy/,
  },
  {
    name: 'the API server is away',
    reviewer: brokenReviewer,
    document: policy(own),
    stamp: undefined,
    warning: /could not be asked: connect ECONNREFUSED/,
  },
  {
    name: "a tenant changes an administrator's",
    reviewer: saying(false),
    document: policy(other, stamped),
    former: policy(own, stamped),
    stamp: undefined,
    warning: /removed, because ada may not govern/,
  },
  {
    name: 'a tenant forges one (left for validation to refuse)',
    reviewer: saying(false),
    document: policy(own, stamped),
    stamp: 'administrator',
  },
  {
    name: 'a tenant changes metadata only',
    reviewer: saying(false),
    document: policy(own, { ...stamped, labels: { a: 'b' } }),
    former: policy(own, stamped),
    stamp: 'administrator',
  },
  {
    name: 'a tenant confirms a plan (left for validation to refuse)',
    reviewer: saying(false),
    document: policy(own, {
      annotations: { ...stamped.annotations, 'checkpoint.criu.org/confirm': 'abc' },
    }),
    former: policy(own, stamped),
    stamp: 'administrator',
  },
  {
    name: 'an administrator takes over what a tenant made',
    reviewer: saying(true),
    document: policy(other),
    former: policy(own),
    stamp: 'administrator',
  },
  {
    name: 'an administrator touches the metadata of what a tenant made',
    reviewer: saying(true),
    document: policy(own, { finalizers: ['a/b'] }),
    former: policy(own),
    stamp: undefined,
  },
];

for (const { name, reviewer, document, former, stamp, warning } of STAMPS) {
  test(`the stamp when ${name}`, async () => {
    await using hook = await startTestWebhook({ reviewer });
    const more = former && { operation: 'UPDATE', oldObject: former };
    const review = admissionReview(document, more);
    const { body } = await hook.send('/mutate?timeout=250ms', review);
    const response: ReviewResponse = JSON.parse(body).response;
    assert.equal(response.allowed, true);
    assert.equal(stampIn(applyPatch(document, response.patch)), stamp);
    const warnings = (response.warnings ?? []).join(' ');
    if (warning === undefined) assert.equal(warnings, '');
    else assert.match(warnings.replaceAll(/ … metadata\S* …: /g, ' '), warning);
  });
}

test('nobody is asked about a change of metadata, a deletion or a status', async () => {
  let asked = 0;
  const reviewer: Reviewer = { mayGovern: async () => Boolean(++asked) };
  await using hook = await startTestWebhook({ reviewer });
  const update = { operation: 'UPDATE', oldObject: policy(everywhere) };
  await hook.ask('/mutate', admissionReview(policy(everywhere, { labels: {} }), update));
  await hook.ask('/validate', admissionReview(policy(everywhere, { labels: {} }), update));
  await hook.ask('/validate', admissionReview(null, { operation: 'DELETE' }));
  await hook.ask('/validate', admissionReview(policy(everywhere), { subResource: 'status' }));
  assert.equal(asked, 0);
  await hook.ask('/validate', admissionReview(policy(everywhere)));
  assert.equal(asked, 1);
});

test('what cannot be read is refused at once, with all that validation would say', async () => {
  await using hook = await startTestWebhook();
  hook.source.put(policy(everywhere, { namespace: 'ops', name: 'base' }));
  const document = policy({ ...everywhere, taintd: 'Keep', orphanGracePeriod: '10' });
  const [early, late] = [
    await hook.ask('/mutate', admissionReview(document)),
    await hook.ask('/validate', admissionReview(document)),
  ];
  assert.equal(early.allowed, false);
  assert.deepEqual(early, late);
  const base = readResource(policy(everywhere, { namespace: 'ops', name: 'base' })).resource;
  assert.ok(base);
  const offline = judge(document, new PolicyCatalog([base])).findings;
  const expected = [...offline, ...trespassFindings(document, 'ada')].map(formatFinding);
  assert.equal(expected.length, 4);
  assert.deepEqual(early.status?.message.split('\n'), [
    '4 errors in checkpointrestoreoperator team-a/quotas:',
    ...expected,
  ]);
  assert.equal(early.patch, undefined);
});

test('a sound resource that conflicts is left for validation', async () => {
  await using hook = await startTestWebhook();
  hook.source.put(policy(everywhere, { namespace: 'ops', name: 'base' }));
  const { response } = await mutated(hook, policy(everywhere));
  assert.deepEqual(response.warnings, undefined);
});
