import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reviewer } from '../../kube/types.ts';
import type { JsonObject } from '../../policy/json.ts';
import { eventually } from '../cluster/eventually.ts';
import { freePort } from '../cluster/port.ts';
import { admissionReview, call, FakeSource, policy, sharedCertificates, startTestWebhook } from './kit.ts';

const STAMP = 'checkpoint.criu.org/authority';
const stamped = { annotations: { [STAMP]: 'administrator' } };
const own = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] };
const everywhere = { globalPolicy: { maxCheckpointsPerContainer: 5 } };
const saying = (answer: boolean): Reviewer => ({ mayGovern: async () => answer });
const brokenReviewer: Reviewer = { mayGovern: () => Promise.reject(new Error('connect ECONNREFUSED')) };
const silentReviewer: Reviewer = { mayGovern: () => new Promise(() => {}) };

interface Case {
  readonly name: string;
  readonly reviewer?: Reviewer | null;
  /** What the source holds. */
  readonly before?: readonly JsonObject[];
  readonly document: JsonObject;
  readonly former?: JsonObject;
  /** The denial's lines; absent: allowed. */
  readonly denied?: RegExp;
  readonly code?: number;
}

const CONFIRM = 'checkpoint.criu.org/confirm';
/** Metadata that confirms these plans. */
const confirming = (digests: string, { annotations = {} }: { annotations?: JsonObject } = {}) => ({
  annotations: { ...annotations, [CONFIRM]: digests },
});
const adminsForTeam = policy(own, { ...stamped, namespace: 'ops', name: 'base' });

const CASES: readonly Case[] = [
  { name: 'an own policy', document: policy(own) },
  {
    name: 'a policy for another namespace',
    document: policy({ namespacePolicies: [{ namespace: 'team-b', maxCheckpoints: 3 }] }),
    denied:
      /^spec\.namespacePolicies\[0\]\.namespace: .*ada may not govern.*; keep to policies for that namespace/m,
  },
  { name: 'a global policy by an administrator', reviewer: saying(true), document: policy(everywhere) },
  { name: 'a global policy without an API server', reviewer: null, document: policy(everywhere) },
  {
    name: 'a global policy by a tenant',
    document: policy(everywhere),
    denied: /^spec\.globalPolicy: .*ada may not govern/m,
  },
  {
    name: 'a forged stamp',
    document: policy(own, stamped),
    denied:
      /^metadata\.annotations\[checkpoint\.criu\.org\/authority\]: is set by the webhook alone; remove the annotation$/m,
  },
  {
    name: 'a global policy when nobody can be asked',
    reviewer: brokenReviewer,
    document: policy(everywhere),
    denied:
      /^whether ada may govern beyond a namespace could not be asked: connect ECONNREFUSED; apply it again$/,
    code: 500,
  },
  {
    name: 'a global policy when the API server is silent',
    reviewer: silentReviewer,
    document: policy(everywhere),
    denied: /did not answer within \d+ ms; apply it again$/,
    code: 500,
  },
  { name: 'an own policy when nobody can be asked', reviewer: brokenReviewer, document: policy(own) },
  {
    name: 'the same target as another resource',
    before: [policy(own, { name: 'older' })],
    document: policy(own),
    denied: /^spec\.namespacePolicies\[0\]: .* of team-a\/older/m,
  },
  {
    name: 'the same target as its former version',
    before: [policy(own)],
    document: policy(own),
    former: policy({}),
  },
  {
    name: 'a looser limit than an administrator has set',
    before: [adminsForTeam],
    document: policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 4 }] }),
    denied: /^spec\.namespacePolicies\[0\]\.maxCheckpoints.* of ops\/base, .*tighten; write /m,
  },
  {
    name: 'a tighter limit than an administrator has set',
    before: [adminsForTeam],
    document: policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 2 }] }),
  },
  {
    name: 'a bad resource from before, of which a finalizer is removed',
    document: policy({ globalPolicy: { maxCheckpointSize: 10 } }),
    former: policy({ globalPolicy: { maxCheckpointSize: 10 } }, { finalizers: ['a/b'] }),
  },
  {
    name: 'a bad resource from before, of which a stamp is made',
    document: policy({ globalPolicy: { maxCheckpointSize: 10 } }, stamped),
    former: policy({ globalPolicy: { maxCheckpointSize: 10 } }),
    denied: /did you mean 10Mi\?/,
  },
  {
    name: "a tenant's confirmation of an administrator's plan",
    document: policy(own, confirming('abc', stamped)),
    former: policy(own, stamped),
    denied:
      /^1 error in .*\nmetadata\.annotations\[checkpoint\.criu\.org\/confirm\]: lets an administrator's policy delete .*ada may not govern there; leave the annotation as it is, .*to confirm$/,
  },
  {
    name: "a tenant's confirmation of one more plan of an administrator",
    document: policy(own, confirming('abc,def', stamped)),
    former: policy(own, confirming('abc', stamped)),
    denied: /^metadata\.annotations\[checkpoint\.criu\.org\/confirm\]: /m,
  },
  {
    name: "a tenant's confirmation of what reaches beyond the namespace",
    document: policy(everywhere, confirming('abc')),
    former: policy(everywhere),
    denied: /^1 error in .*\nmetadata\.annotations\[checkpoint\.criu\.org\/confirm\]: /,
  },
  {
    name: "a tenant's change of a global policy that confirms as well",
    document: policy(everywhere, confirming('abc')),
    former: policy({ globalPolicy: { maxCheckpointsPerContainer: 4 } }),
    denied: /^spec\.globalPolicy: .*ada may not govern/m,
  },
  {
    name: "a confirmation of an administrator's plan when nobody can be asked",
    reviewer: brokenReviewer,
    document: policy(own, confirming('abc', stamped)),
    former: policy(own, stamped),
    denied: /^whether ada may govern .*; apply it again$/,
    code: 500,
  },
  {
    name: "an administrator's confirmation",
    reviewer: saying(true),
    document: policy(own, confirming('abc', stamped)),
    former: policy(own, stamped),
  },
  {
    name: "an administrator's confirmation for a bad resource from before",
    reviewer: saying(true),
    document: policy({ globalPolicy: { maxCheckpointSize: 10 } }, confirming('abc')),
    former: policy({ globalPolicy: { maxCheckpointSize: 10 } }),
  },
  {
    name: "an administrator's confirmation without an API server",
    reviewer: null,
    document: policy(everywhere, confirming('abc')),
    former: policy(everywhere),
  },
  {
    name: "a tenant's confirmation of his own plan",
    reviewer: brokenReviewer,
    document: policy(own, confirming('abc')),
    former: policy(own),
  },
  {
    name: "a tenant's withdrawal of an administrator's confirmation",
    document: policy(own, stamped),
    former: policy(own, confirming('abc', stamped)),
  },
  {
    name: 'a label beside an old confirmation',
    document: policy(own, { ...confirming('abc', stamped), labels: { a: 'b' } }),
    former: policy(own, confirming('abc', stamped)),
  },
];

for (const { name, reviewer = saying(false), before = [], document, former, denied, code = 403 } of CASES) {
  test(`${name} is ${denied ? 'refused' : 'accepted'}`, async () => {
    await using hook = await startTestWebhook({ reviewer });
    for (const each of before) hook.source.put(each);
    const more = former && { operation: 'UPDATE', oldObject: former };
    const { body } = await hook.send('/validate?timeout=250ms', admissionReview(document, more));
    const { response } = JSON.parse(body);
    assert.equal(response.allowed, denied === undefined, response.status?.message);
    assert.equal(response.patch, undefined);
    if (denied === undefined) return;
    assert.match(response.status.message, denied);
    assert.equal(response.status.code, code);
    if (code === 403) assert.equal(response.status.reason, 'Forbidden');
  });
}

test('nothing is judged before the first whole set of policies is known', async () => {
  const source = new FakeSource();
  const { promise: known, resolve: letThrough } = Promise.withResolvers<void>();
  source.start = () => known;
  const port = await freePort();
  const starting = startTestWebhook({ source, listen: { host: '127.0.0.1', port } });
  const { ca } = (await sharedCertificates()).current();
  const url = `https://127.0.0.1:${port}`;
  await eventually(async () => assert.equal((await call(`${url}/healthz`, { ca })).status, 200));
  const unready = await call(`${url}/readyz`, { ca });
  assert.deepEqual([unready.status, unready.body], [503, 'the policies are not known yet\n']);
  const post = { ca, method: 'POST', headers: { 'content-type': 'application/json' } };
  const early = await call(`${url}/validate`, post, JSON.stringify(admissionReview(policy(own))));
  const { allowed, status } = JSON.parse(early.body).response;
  assert.deepEqual([allowed, status.code, status.reason], [false, 503, 'ServiceUnavailable']);
  letThrough();
  await using hook = await starting;
  assert.equal((await call(`${url}/readyz`, { ca })).status, 200);
  assert.equal((await hook.ask('/validate', admissionReview(policy(own)))).allowed, true);
});

test('the second of two that conflict is refused before the source has shown the first', async () => {
  await using hook = await startTestWebhook();
  const [first, second] = await Promise.all([
    hook.ask('/validate', admissionReview(policy(own, { name: 'one' }))),
    hook.ask('/validate', admissionReview(policy(own, { name: 'two' }))),
  ]);
  assert.deepEqual([first.allowed, second.allowed].sort(), [false, true]);
});

test('what was only tried out is not remembered', async () => {
  await using hook = await startTestWebhook();
  const tried = admissionReview(policy(own, { name: 'one' }), { dryRun: true });
  assert.equal((await hook.ask('/validate', tried)).allowed, true);
  assert.equal((await hook.ask('/validate', admissionReview(policy(own, { name: 'two' })))).allowed, true);
});

test('codes of the findings go to the audit log', async () => {
  await using hook = await startTestWebhook();
  const response = await hook.ask('/validate', admissionReview(policy(everywhere)));
  assert.deepEqual(response.auditAnnotations, { findings: 'notYours' });
});
